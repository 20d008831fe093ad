/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "schema/breach.h"
#include "schema/scalar.h"
#include "schema/schema.h"
#include "text/base64.h"
#include "text/yaml.h"

enum { FIELDS_MAX = 64, DISTANCE_MAX = 2 };

struct decoder {
    struct arena *a;
    struct findings *f;
    unsigned depth;
    uint32_t broken; /* breaches of fields; those of rules are not counted */
};
struct any_list {
    void *p;
    uint32_t n;
};
typedef struct breach_step step;

/* Past the maximum breaches are only counted, so that a hostile document costs no more than its length. */
static bool is_full(const struct decoder *d) { return d->f->n >= d->f->n_max; }

__attribute__((format(printf, 5, 6))) static void report(struct decoder *d, const struct node *n,
                                                         const step *at, str remedy, const char *fmt, ...) {
    d->broken++;
    if (is_full(d)) {
        d->f->n++;
        return;
    }
    va_list args;
    va_start(args, fmt);
    str words = arena_vprintf(d->f->arena, fmt, args);
    va_end(args);
    finding_add(d->f, FINDING_SCHEMA, n->line, n->column, breach_path(d->f->arena, at), remedy, STR_FMT,
                STR_ARG(words));
}

static const char *what_is(const struct node *n) {
    switch (n->kind) {
    case NODE_NULL: return "null";
    case NODE_MAP: return "object";
    case NODE_SEQ: return "array";
    case NODE_SCALAR: break;
    }
    switch (yaml_meaning(n)) {
    case YAML_IS_NULL: return "null";
    case YAML_IS_BOOL: return "boolean";
    case YAML_IS_INT:
    case YAML_IS_FLOAT: return "number";
    case YAML_IS_STRING: break;
    }
    return "string";
}

static void wrong_type(struct decoder *d, const struct node *n, const step *at, const char *wanted) {
    str remedy = {0};
    bool scalar = n->kind == NODE_SCALAR && !n->quoted && yaml_meaning(n) != YAML_IS_STRING;
    if (scalar && strcmp(wanted, "string") == 0)
        remedy = arena_printf(d->f->arena, "put it in quotes: \"" STR_FMT "\"", STR_ARG(n->scalar));
    report(d, n, at, remedy, "expected %s, got %s", wanted, what_is(n));
}

static str list_words(struct arena *a, const char *const *words) {
    struct buf b;
    buf_init(&b, 2048);
    for (; *words; words++) buf_printf(&b, "%s%s", b.n ? ", " : "", *words);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static int word_index(const char *const *words, str s) {
    for (int i = 0; words[i]; i++)
        if (str_eq(str_of(words[i]), s)) return i;
    return -1;
}

static void not_one_of(struct decoder *d, const struct node *n, const step *at, str s,
                       const char *const *words) {
    str all = list_words(d->f->arena, words);
    report(d, n, at, (str){0}, "unsupported value \"" STR_FMT "\"; supported: " STR_FMT,
           STR_ARG(str_upto(s, 100)), STR_ARG(all));
}

static void check_pattern(struct decoder *d, const struct pattern *p, const struct node *n, const step *at,
                          str s) {
    if (!p->holds(s))
        report(d, n, at, (str){0}, "invalid value \"" STR_FMT "\": %s", STR_ARG(str_upto(s, 100)), p->says);
}

static void check_length(struct decoder *d, const struct node *n, const step *at, size_t length, int64_t min,
                         int64_t max, const char *unit) {
    if (max > 0 && length > (size_t)max)
        report(d, n, at, (str){0}, "has %zu %s; at most %lld are allowed", length, unit, (long long)max);
    else if (length < (size_t)min && length == 0)
        report(d, n, at, (str){0}, "must not be empty");
    else if (length < (size_t)min)
        report(d, n, at, (str){0}, "has %zu %s; at least %lld are needed", length, unit, (long long)min);
}

static void check_number(struct decoder *d, const struct node *n, const step *at, int64_t v, int64_t min,
                         int64_t max) {
    if (max > 0 && (v < min || v > max))
        report(d, n, at, (str){0}, "%lld is out of range: must be from %lld to %lld", (long long)v,
               (long long)min, (long long)max);
    else if (min != 0 && v < min)
        report(d, n, at, (str){0}, "%lld is out of range: must be at least %lld", (long long)v,
               (long long)min);
}

static bool take_string(struct decoder *d, const struct node *n, const step *at, str *ret) {
    if (n->kind == NODE_SCALAR && yaml_meaning(n) == YAML_IS_STRING) {
        *ret = arena_str(d->a, n->scalar);
        return true;
    }
    wrong_type(d, n, at, "string");
    return false;
}

static bool take_int(struct decoder *d, const struct node *n, const step *at, int64_t *ret) {
    if (yaml_int(n, ret)) return true;
    wrong_type(d, n, at, "integer");
    return false;
}

/* What all strings have: as a field (min, max) or as an item or value (item_max). */
static void check_string(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                         str s, bool item) {
    uint32_t before = d->f->n;
    if (item)
        check_length(d, n, at, f->item_max ? scalar_length(s) : 0, f->item_max ? f->item_min : 0, f->item_max,
                     "characters");
    else if (f->max > 0 || f->min != 0)
        check_length(d, n, at, scalar_length(s), f->min, f->max, "characters");
    if (d->f->n != before) return;
    if (f->values && word_index(f->values, s) < 0) not_one_of(d, n, at, s, f->values);
    if (f->pattern) check_pattern(d, f->pattern, n, at, s);
}

static void take_enum(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                      uint8_t *p) {
    str s;
    if (!take_string(d, n, at, &s)) return;
    int i = word_index(f->values, s);
    if (i >= 0)
        *p = (uint8_t)(i + 1);
    else if (f->initial && str_eq(s, str_of(f->initial)))
        *p = 0;
    else
        not_one_of(d, n, at, s, f->values);
}

static void take_number(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                        void *p) {
    int64_t v;
    if (!take_int(d, n, at, &v)) return;
    char text[24];
    str s = {text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v)};
    if (f->values && word_index(f->values, s) < 0)
        not_one_of(d, n, at, s, f->values);
    else
        check_number(d, n, at, v, f->min, f->max);
    if (f->type == FIELD_OPT_INT)
        *(struct opt_int *)p = (struct opt_int){v, true};
    else
        *(int64_t *)p = v;
}

static void take_bool(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                      void *p) {
    bool v;
    if (n->kind != NODE_SCALAR || !yaml_bool(n, &v))
        wrong_type(d, n, at, "boolean");
    else if (f->type == FIELD_OPT_BOOL)
        *(struct opt_bool *)p = (struct opt_bool){v, true};
    else
        *(bool *)p = v;
}

static void take_duration(struct decoder *d, const struct node *n, const step *at, struct opt_int *p) {
    str s;
    if (!take_string(d, n, at, &s)) return;
    if (scalar_duration_parse(s, &p->v) == OK)
        p->set = true;
    else
        report(d, n, at, (str){0},
               "invalid duration \"" STR_FMT "\": up to four whole numbers with h, m, s or ms, as 1m30s",
               STR_ARG(str_upto(s, 100)));
}

static void take_time(struct decoder *d, const struct node *n, const step *at, int64_t *p) {
    str s;
    if (take_string(d, n, at, &s) && scalar_time_parse(s, p) != OK)
        report(d, n, at, (str){0}, "invalid time \"" STR_FMT "\": must be as 2026-01-31T12:00:00Z",
               STR_ARG(str_upto(s, 100)));
}

static void take_bytes(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                       int64_t max, str *p) {
    str s;
    if (!take_string(d, n, at, &s)) return;
    if (base64_decode(d->a, s, p) != OK)
        report(d, n, at, (str){0}, "is no base64");
    else
        check_length(d, n, at, p->n, f->type == FIELD_BYTES ? f->min : 0, max, "bytes");
}

static void take_int_or_str(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                            struct int_or_str *p) {
    p->set = true;
    if (yaml_int(n, &p->i))
        check_number(d, n, at, p->i, f->min, f->max);
    else if (n->kind == NODE_SCALAR && yaml_meaning(n) == YAML_IS_STRING) {
        p->s = arena_str(d->a, n->scalar);
        if (f->pattern) check_pattern(d, f->pattern, n, at, p->s);
    } else
        wrong_type(d, n, at, "integer or string");
}

static int compare_pairs(const void *x, const void *y) {
    return str_cmp(((const struct str_pair *)x)->key, ((const struct str_pair *)y)->key);
}

static void duplicate_key(struct decoder *d, const struct node *n, const step *at, str key) {
    const struct node *last = n;
    for (const struct node *c = n->child; c && !is_full(d); c = c->next)
        if (str_eq(c->key, key)) last = c;
    report(d, last, &(step){at, key, 0}, S("remove one of them"), "duplicate key");
}

static void take_map(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                     struct str_map *p) {
    if (n->kind != NODE_MAP) {
        wrong_type(d, n, at, "object");
        return;
    }
    p->p = arena_array(d->a, struct str_pair, n->n);
    for (const struct node *c = n->child; c; c = c->next) {
        step in = {at, c->key, 0};
        struct str_pair *pair = &p->p[p->n];
        if (c->kind == NODE_NULL && f->flags & FIELD_DROP_NULL) continue;
        pair->key = arena_str(d->a, c->key);
        if (f->key_pattern) check_pattern(d, f->key_pattern, c, &in, c->key);
        if (c->kind == NODE_NULL)
            pair->value = S("");
        else if (f->type == FIELD_BYTES_MAP)
            take_bytes(d, f, c, &in, f->item_max, &pair->value);
        else if (take_string(d, c, &in, &pair->value))
            check_string(d, f, c, &in, pair->value, true);
        p->n++;
    }
    if (f->max > 0 || f->min != 0) check_length(d, n, at, p->n, f->min, f->max, "entries");
    qsort(p->p, p->n, sizeof *p->p, compare_pairs);
    for (uint32_t i = 1; i < p->n; i++)
        if (str_eq(p->p[i].key, p->p[i - 1].key)) duplicate_key(d, n, at, p->p[i].key);
}

static void take_struct(struct decoder *d, const struct schema *s, const struct node *n, const step *at,
                        void *obj);

static bool fields_equal(const struct field *f, const void *x, const void *y) {
    struct schema one = {.fields = f, .n = 1};
    return schema_equal(&one, x, y);
}

static const struct field *field_named(const struct schema *s, str name) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name && str_eq(str_of(s->fields[i].name), name)) return &s->fields[i];
    return NULL;
}

static bool same_keys(const struct field *f, const char *x, const char *y) {
    str rest = str_of(f->keys);
    while (rest.p) {
        const struct field *key = field_named(f->of, str_cut(&rest, ','));
        assert(key);
        if (!fields_equal(key, x, y)) return false;
    }
    return true;
}

static const struct node *item_at(const struct node *seq, uint32_t i) {
    const struct node *n = seq->child;
    while (n && i--) n = n->next;
    return n ? n : seq;
}

static void check_keys(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                       const struct any_list *list) {
    const char *items = list->p;
    size_t size = f->of->size;
    for (uint32_t i = 1; i < list->n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (same_keys(f, items + i * size, items + j * size)) {
                report(d, item_at(n, i), &(step){at, {0}, i}, (str){0},
                       "the same %s as in [%u]; items must differ in it", f->keys, j);
                break;
            }
}

/* false: no list that is to be read. */
static bool open_list(struct decoder *d, const struct field *f, const struct node *n, const step *at) {
    if (n->kind != NODE_SEQ) {
        wrong_type(d, n, at, "array");
        return false;
    }
    uint32_t before = d->f->n;
    check_length(d, n, at, n->n, f->min, f->max > 0 ? f->max : SCHEMA_ITEMS_MAX, "items");
    return d->f->n == before;
}

static void take_list(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                      struct any_list *p) {
    if (!open_list(d, f, n, at)) return;
    uint32_t before = d->broken;
    char *items = arena_bytes(d->a, f->of->size * n->n);
    p->p = items;
    for (const struct node *c = n->child; c; c = c->next, p->n++)
        take_struct(d, f->of, c, &(step){at, {0}, p->n}, items + p->n * f->of->size);
    if (f->keys && d->broken == before) check_keys(d, f, n, at, p);
}

static void take_str_list(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                          struct any_list *p) {
    if (!open_list(d, f, n, at)) return;
    str *items = arena_array(d->a, str, n->n);
    p->p = items;
    for (const struct node *c = n->child; c; c = c->next, p->n++) {
        step in = {at, {0}, p->n};
        if (!take_string(d, c, &in, &items[p->n])) continue;
        check_string(d, f, c, &in, items[p->n], true);
        for (uint32_t j = 0; f->flags & FIELD_UNIQUE && j < p->n; j++)
            if (str_eq(items[j], items[p->n])) {
                report(d, c, &in, (str){0}, "duplicate value \"" STR_FMT "\"",
                       STR_ARG(str_upto(items[j], 100)));
                break;
            }
    }
}

static void take_int_list(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                          struct any_list *p) {
    if (!open_list(d, f, n, at)) return;
    int64_t *items = arena_array(d->a, int64_t, n->n);
    p->p = items;
    for (const struct node *c = n->child; c; c = c->next, p->n++) {
        step in = {at, {0}, p->n};
        if (!take_int(d, c, &in, &items[p->n])) continue;
        check_number(d, c, &in, items[p->n], f->item_min, f->item_max);
        for (uint32_t j = 0; f->flags & FIELD_UNIQUE && j < p->n; j++)
            if (items[j] == items[p->n]) {
                report(d, c, &in, (str){0}, "duplicate value %lld", (long long)items[j]);
                break;
            }
    }
}

static void take_enum_list(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                           struct any_list *p) {
    if (!open_list(d, f, n, at)) return;
    uint8_t *items = arena_array(d->a, uint8_t, n->n);
    p->p = items;
    for (const struct node *c = n->child; c; c = c->next, p->n++)
        take_enum(d, f, c, &(step){at, {0}, p->n}, &items[p->n]);
}

/* Members that are null are not given. */
static void check_members(struct decoder *d, const struct field *f, const struct node *n, const step *at) {
    int64_t given = 0;
    if (n->kind != NODE_MAP || f->min == 0) return;
    for (const struct node *c = n->child; c; c = c->next) given += c->kind != NODE_NULL;
    if (given < f->min) check_length(d, n, at, (size_t)given, f->min, 0, "members");
}

static void take_value(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                       void *obj) {
    void *p = (char *)obj + f->offset;
    switch (f->type) {
    case FIELD_STR:
        if (take_string(d, n, at, p)) check_string(d, f, n, at, *(str *)p, false);
        break;
    case FIELD_BOOL:
    case FIELD_OPT_BOOL: take_bool(d, f, n, at, p); break;
    case FIELD_INT:
    case FIELD_OPT_INT: take_number(d, f, n, at, p); break;
    case FIELD_ENUM: take_enum(d, f, n, at, p); break;
    case FIELD_DURATION: take_duration(d, n, at, p); break;
    case FIELD_TIME: take_time(d, n, at, p); break;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: take_map(d, f, n, at, p); break;
    case FIELD_BYTES: take_bytes(d, f, n, at, f->max, p); break;
    case FIELD_INT_OR_STR: take_int_or_str(d, f, n, at, p); break;
    case FIELD_STRUCT:
        take_struct(d, f->of, n, at, p);
        check_members(d, f, n, at);
        break;
    case FIELD_OPT_STRUCT:
        *(void **)p = arena_bytes(d->a, f->of->size);
        take_struct(d, f->of, n, at, *(void **)p);
        break;
    case FIELD_LIST: take_list(d, f, n, at, p); break;
    case FIELD_STR_LIST: take_str_list(d, f, n, at, p); break;
    case FIELD_ENUM_LIST: take_enum_list(d, f, n, at, p); break;
    case FIELD_INT_LIST: take_int_list(d, f, n, at, p); break;
    case FIELD_IGNORED: break;
    }
}

/* The default, read as if it stood in the document where the struct does. */
static void take_default(struct decoder *d, const struct field *f, const struct node *n, const step *at,
                         void *obj) {
    str text = str_of(f->initial);
    struct node value = {.line = n->line, .column = n->column};
    struct node item = {.kind = NODE_MAP, .line = n->line, .column = n->column};
    if (f->type == FIELD_STR) {
        *(str *)((char *)obj + f->offset) = text;
        return;
    }
    if (str_eq(text, S("{}")))
        value.kind = NODE_MAP;
    else if (str_eq(text, S("[{}]")))
        value.kind = NODE_SEQ, value.child = &item, value.n = 1;
    else if (f->of) {
        struct node *whole = NULL;
        str message;
        uint32_t line, column;
        err e = yaml_parse(d->a, text, 1, &whole, &message, &line, &column);
        assert(e == OK && whole);
        if (e == OK) value.kind = whole->kind, value.child = whole->child, value.n = whole->n;
    } else
        value.kind = NODE_SCALAR, value.scalar = text,
        value.quoted = f->type == FIELD_ENUM || f->type == FIELD_DURATION;
    take_value(d, f, &value, at, obj);
}

static void unknown_field(struct decoder *d, const struct schema *s, const struct node *c, const step *at) {
    const char *near = NULL;
    unsigned best = DISTANCE_MAX + 1;
    for (uint32_t i = 0; i < s->n && !is_full(d); i++) {
        if (!s->fields[i].name) continue;
        unsigned distance = str_distance(c->key, str_of(s->fields[i].name));
        if (distance < best && distance < c->key.n) best = distance, near = s->fields[i].name;
    }
    struct node where = {.line = c->key_line, .column = c->key_column};
    str remedy = near ? arena_printf(d->f->arena, "did you mean \"%s\"?", near) : (str){0};
    report(d, &where, &(step){at, str_upto(c->key, 100), 0}, remedy, "unknown field \"" STR_FMT "\"",
           STR_ARG(str_upto(c->key, 100)));
}

static void take_child(struct decoder *d, const struct schema *s, const struct node *c, const step *at,
                       void *obj, uint32_t *seen_lines, bool *given) {
    const struct field *f = field_named(s, c->key);
    if (!f) {
        unknown_field(d, s, c, at);
        return;
    }
    size_t i = (size_t)(f - s->fields);
    step in = {at, str_of(f->name), 0};
    if (seen_lines[i]) {
        struct node where = {.line = c->key_line, .column = c->key_column};
        report(d, &where, &in, S("remove one of them"), "duplicate field; it was given on line %u",
               seen_lines[i]);
        return;
    }
    seen_lines[i] = c->key_line ? c->key_line : 1;
    if (c->kind == NODE_NULL) return;
    given[i] = true;
    take_value(d, f, c, &in, obj);
}

static void take_struct(struct decoder *d, const struct schema *s, const struct node *n, const step *at,
                        void *obj) {
    assert(d->depth < SCHEMA_DEPTH_MAX && s->n <= FIELDS_MAX);
    if (n->kind != NODE_MAP) {
        wrong_type(d, n, at, "object");
        return;
    }
    d->depth++;
    uint32_t before = d->broken, seen_lines[FIELDS_MAX] = {0};
    bool given[FIELDS_MAX] = {0};
    for (const struct node *c = n->child; c; c = c->next) take_child(d, s, c, at, obj, seen_lines, given);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct field *f = &s->fields[i];
        if (given[i] || !f->name) continue;
        step in = {at, str_of(f->name), 0};
        if (f->initial)
            take_default(d, f, n, &in, obj);
        else if (f->flags & FIELD_REQUIRED)
            report(d, n, &in, (str){0}, "is required");
    }
    if (s->rules && d->broken == before) {
        struct schema_check c = {.findings = d->f, .node = n, .line = n->line, .column = n->column, .at = at};
        s->rules(&c, obj);
    }
    d->depth--;
}

err schema_decode(struct arena *a, const struct schema *s, const struct node *n, str path, struct findings *f,
                  void *obj) {
    struct decoder d = {.a = a, .f = f};
    uint32_t before = f->n;
    step root = {NULL, path.p ? path : S(""), 0};
    take_struct(&d, s, n, &root, obj);
    return f->n == before ? OK : ERR_PROTO;
}
