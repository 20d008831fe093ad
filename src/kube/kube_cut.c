/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_cut.h"

enum { STATUS_BYTES_MAX = 2 << 20, LIST_METADATA_BYTES_MAX = 64 << 10 };
/* What a level is. */
enum { TOP, ITEMS, OBJECT, METADATA };
/* What comes next. */
enum { START, FIRST_KEY, KEY, IN_KEY, COLON, VALUE, FIRST_ITEM, IN_STRING, IN_SCALAR, IN_NEST, AFTER };
enum { QUOTE_NONE, QUOTE_IN, QUOTE_ESCAPED };
/* What a value is to its level. */
enum { PLAIN, THE_TYPE, THE_METADATA };

void kube_cut_init(struct kube_cut *c, enum kube_cut_form form, size_t object_bytes_max,
                   void (*on_object)(void *arg, const struct kube_cut_object *o), void *arg) {
    *c = (struct kube_cut){.form = form, .on_object = on_object, .arg = arg, .phase = START};
    buf_init(&c->object, object_bytes_max);
    buf_init(&c->status, STATUS_BYTES_MAX);
    buf_init(&c->list_metadata, LIST_METADATA_BYTES_MAX);
}

void kube_cut_fini(struct kube_cut *c) {
    buf_fini(&c->object);
    buf_fini(&c->status);
    buf_fini(&c->list_metadata);
}

bool kube_cut_is_whole(const struct kube_cut *c) {
    return c->phase == START && (c->form == KUBE_CUT_EVENTS || c->ended);
}

static bool is_space(char ch) { return ch == ' ' || ch == '\n' || ch == '\r' || ch == '\t'; }

static void put(struct kube_cut *c, str s) {
    if (c->sink) buf_add(c->sink, s);
}

static void push_level(struct kube_cut *c, uint8_t what, bool array) {
    assert(c->level + 1 < KUBE_CUT_LEVELS);
    c->level++;
    c->levels[c->level].what = what;
    c->levels[c->level].array = array;
    c->levels[c->level].any = false;
    c->phase = array ? FIRST_ITEM : FIRST_KEY;
}

static void begin_object(struct kube_cut *c) {
    buf_clear(&c->object);
    buf_clear(&c->status);
    c->metadata_from = c->metadata_to = 0;
    push_level(c, OBJECT, false);
    c->sink = &c->object;
    put(c, S("{"));
}

static void give_object(struct kube_cut *c) {
    str all = buf_str(&c->object);
    struct kube_cut_object o = {
        .type = c->form == KUBE_CUT_EVENTS ? (str){c->type, c->type_n} : S(""),
        .object = all,
        .metadata = str_upto(str_from(all, c->metadata_from), c->metadata_to - c->metadata_from),
        .status = buf_str(&c->status),
        .too_long = c->object.overflow || c->status.overflow,
    };
    c->on_object(c->arg, &o);
}

static bool key_is(const struct kube_cut *c, str name) {
    return c->word_n == name.n + 2 && memcmp(c->word + 1, name.p, name.n) == 0;
}

/* The level's bracket closes. */
static void pop_level(struct kube_cut *c) {
    uint8_t what = c->levels[c->level].what;
    if (what == OBJECT || what == METADATA)
        buf_add_char(&c->object, '}'); /* the last member may have gone elsewhere */
    if (what == METADATA) c->metadata_to = c->object.n;
    c->phase = AFTER;
    if (what == OBJECT) {
        c->sink = NULL;
        if (c->form == KUBE_CUT_LIST) give_object(c);
    }
    if (what != TOP) {
        c->level--;
        return;
    }
    if (c->form == KUBE_CUT_EVENTS && c->object.n) give_object(c);
    c->ended = true;
    c->phase = START;
}

/* A key stands in word: where its value goes. */
static void route_key(struct kube_cut *c) {
    uint8_t what = c->levels[c->level].what;
    c->value = PLAIN;
    if (what == TOP) {
        c->sink = NULL;
        if (key_is(c, S("metadata")) && c->form == KUBE_CUT_LIST) {
            c->sink = &c->list_metadata;
            buf_clear(c->sink);
        }
        if (key_is(c, S("type")) && c->form == KUBE_CUT_EVENTS) c->value = THE_TYPE, c->type_n = 0;
        return;
    }
    c->sink = &c->object;
    if (what == METADATA && key_is(c, S("managedFields"))) {
        c->sink = NULL;
    } else if (what == OBJECT && key_is(c, S("status"))) {
        c->sink = &c->status;
        buf_clear(c->sink);
    } else if (what == OBJECT && key_is(c, S("metadata"))) {
        c->value = THE_METADATA;
    }
}

/* The member's comma, key and colon; what follows is its value. */
static void put_key(struct kube_cut *c) {
    if (c->levels[c->level].what < OBJECT || c->sink != &c->object) return;
    if (c->levels[c->level].any) put(c, S(","));
    c->levels[c->level].any = true;
    put(c, (str){c->word, c->word_n});
    put(c, S(":"));
}

/* One byte opens a value. Levels are entered for what is looked into, all else is copied or dropped as it is. */
static err open_value(struct kube_cut *c, char ch) {
    uint8_t what = c->levels[c->level].what;
    if (what == TOP && ch == '{' && c->form == KUBE_CUT_EVENTS && key_is(c, S("object"))) {
        begin_object(c);
        return OK;
    }
    if (what == TOP && ch == '[' && c->form == KUBE_CUT_LIST && key_is(c, S("items"))) {
        push_level(c, ITEMS, true);
        return OK;
    }
    if (what == ITEMS) {
        if (ch != '{') return ERR_PROTO;
        begin_object(c);
        return OK;
    }
    if (c->value == THE_METADATA && ch == '{') {
        c->metadata_from = c->object.n;
        push_level(c, METADATA, false);
        put(c, S("{"));
        return OK;
    }
    if (ch == '}' || ch == ']' || ch == ',' || ch == ':') return ERR_PROTO;
    put(c, (str){&ch, 1});
    c->depth = 0;
    c->quote = ch == '"' ? QUOTE_IN : QUOTE_NONE;
    c->phase = ch == '"' ? IN_STRING : (ch == '{' || ch == '[') ? IN_NEST : IN_SCALAR;
    if (c->phase == IN_NEST) c->depth = 1;
    return OK;
}

/* How much of a string's rest is there; c->quote tells whether it has ended. */
static size_t scan_string(struct kube_cut *c, str in) {
    size_t i = 0;
    if (in.n && c->quote == QUOTE_ESCAPED) c->quote = QUOTE_IN, i = 1;
    for (; i < in.n; i++) {
        if (in.p[i] == '"') {
            c->quote = QUOTE_NONE;
            return i + 1;
        }
        if (in.p[i] != '\\') continue;
        if (i + 1 == in.n) {
            c->quote = QUOTE_ESCAPED;
            return in.n;
        }
        i++;
    }
    return i;
}

/* How much of a bracket's inside is there; c->depth is 0 when it has closed. */
static err scan_nest(struct kube_cut *c, str in, size_t *ret_n) {
    size_t i = 0;
    while (i < in.n && c->depth) {
        if (c->quote != QUOTE_NONE) {
            i += scan_string(c, str_from(in, i));
            continue;
        }
        char ch = in.p[i++];
        if (ch == '"')
            c->quote = QUOTE_IN;
        else if (ch == '{' || ch == '[')
            c->depth++;
        else if (ch == '}' || ch == ']')
            c->depth--;
        if (c->depth > KUBE_CUT_DEPTH_MAX) return ERR_LIMIT;
    }
    *ret_n = i;
    return OK;
}

static size_t scan_scalar(str in) {
    size_t i = 0;
    while (i < in.n && in.p[i] != ',' && in.p[i] != '}' && in.p[i] != ']' && !is_space(in.p[i])) i++;
    return i;
}

/* Copies what of the value is there. */
static err copy_value(struct kube_cut *c, str in, size_t *ret_n) {
    size_t n = 0;
    bool ended = false;
    if (c->phase == IN_STRING) {
        n = scan_string(c, in);
        ended = c->quote == QUOTE_NONE;
        size_t text = ended ? n - 1 : n;
        if (c->value == THE_TYPE) {
            if (c->type_n + text > KUBE_CUT_WORD) return ERR_PROTO;
            memcpy(c->type + c->type_n, in.p, text);
            c->type_n += (uint32_t)text;
        }
    } else if (c->phase == IN_NEST) {
        TRY(scan_nest(c, in, &n));
        ended = c->depth == 0;
    } else {
        n = scan_scalar(in);
        ended = n < in.n;
    }
    put(c, str_upto(in, n));
    if (ended) c->phase = AFTER;
    *ret_n = n;
    return OK;
}

/* A key's rest. One of KUBE_CUT_WORD bytes or more is no key that an object or its metadata has at this level. */
static size_t copy_key(struct kube_cut *c, str in) {
    size_t n = scan_string(c, in), room = KUBE_CUT_WORD - c->word_n, kept = n < room ? n : room;
    memcpy(c->word + c->word_n, in.p, kept);
    c->word_n += (uint32_t)kept;
    bool ended = c->quote == QUOTE_NONE;
    if (ended) c->phase = COLON;
    return n;
}

/* One byte of structure: a bracket, a comma, a colon, a quote. */
static err take_mark(struct kube_cut *c, char ch) {
    bool array = c->levels[c->level].array;
    switch (c->phase) {
    case START:
        if (ch != '{' || (c->form == KUBE_CUT_LIST && c->ended)) return ERR_PROTO;
        c->level = 0;
        c->levels[0].what = TOP, c->levels[0].array = false, c->levels[0].any = false;
        c->type_n = 0, c->sink = NULL;
        buf_clear(&c->object);
        c->phase = FIRST_KEY;
        return OK;
    case FIRST_KEY:
    case KEY:
        if (ch == '}' && c->phase == FIRST_KEY) {
            pop_level(c);
            return OK;
        }
        if (ch != '"') return ERR_PROTO;
        c->word[0] = ch, c->word_n = 1, c->quote = QUOTE_IN;
        c->phase = IN_KEY;
        return OK;
    case COLON:
        if (ch != ':') return ERR_PROTO;
        if (c->word_n == KUBE_CUT_WORD && c->levels[c->level].what != TOP) return ERR_PROTO;
        route_key(c);
        put_key(c);
        c->phase = VALUE;
        return OK;
    case FIRST_ITEM:
        if (ch == ']') {
            pop_level(c);
            return OK;
        }
        return open_value(c, ch);
    case VALUE: return open_value(c, ch);
    default: break;
    }
    assert(c->phase == AFTER);
    if (ch == ',') {
        c->phase = array ? VALUE : KEY;
        return OK;
    }
    if (ch != (array ? ']' : '}')) return ERR_PROTO;
    pop_level(c);
    return OK;
}

err kube_cut_push(struct kube_cut *c, str bytes) {
    while (bytes.n && !c->stopped) {
        size_t n = 1;
        if (c->phase == IN_KEY)
            n = copy_key(c, bytes);
        else if (c->phase == IN_STRING || c->phase == IN_NEST || c->phase == IN_SCALAR)
            TRY(copy_value(c, bytes, &n));
        else if (!is_space(bytes.p[0]))
            TRY(take_mark(c, bytes.p[0]));
        bytes = str_from(bytes, n);
    }
    return OK;
}
