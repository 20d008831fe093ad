/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

/* A struct is its fields that are not as usual, each: a number, then the value; then 0. The number is twice how many fields the table goes on
 * since the one before (at least one), plus one when the value is the odd one that is told by that alone: no string where one is usual, an
 * empty one where none is, a 0 where another number is usual. What is usual is the table's default for strings, words and plain numbers, and
 * "not given" for all else. Numbers are seven bits a byte, the least first; those that may be negative with the sign lowest; strings a number
 * and their bytes. */
struct any_list {
    void *p;
    uint32_t n;
};

static void put_number(struct buf *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7) buf_add_char(b, (char)(v | 0x80));
    buf_add_char(b, (char)v);
}

static void put_signed(struct buf *b, int64_t v) { put_number(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); }

static void put_str(struct buf *b, str s) {
    put_number(b, s.n);
    buf_add(b, s);
}

/* Where it may also be not given: then 0, else 1 + its length. */
static void put_item(struct buf *b, str s) {
    put_number(b, s.p ? (uint64_t)s.n + 1 : 0);
    if (s.p) buf_add(b, s);
}

/* How the value of a field differs from the usual one. */
enum shape { AS_USUAL, ODD, TOLD };

static uint8_t usual_word(const struct field *f) {
    for (uint8_t i = 0; f->initial && f->values[i]; i++)
        if (strcmp(f->values[i], f->initial) == 0) return (uint8_t)(i + 1);
    return 0;
}

static int64_t usual_number(const struct field *f) { return f->initial ? strtoll(f->initial, NULL, 10) : 0; }

static enum shape shape_of_number(int64_t v, int64_t usual) { return v == usual ? AS_USUAL : v ? TOLD : ODD; }

static enum shape shape_of_str(const struct field *f, str s) {
    if (!f->initial || f->type != FIELD_STR) return !s.p ? AS_USUAL : s.n ? TOLD : ODD;
    return !s.p ? ODD : str_eq(s, str_of(f->initial)) ? AS_USUAL : TOLD;
}

/* STRUCT: TOLD, although all in it may be as usual. */
static enum shape shape_of(const struct field *f, const char *obj) {
    const void *p = obj + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: return shape_of_str(f, *(const str *)p);
    case FIELD_BOOL: return *(const bool *)p ? TOLD : AS_USUAL;
    case FIELD_INT: return shape_of_number(*(const int64_t *)p, usual_number(f));
    case FIELD_TIME: return shape_of_number(*(const int64_t *)p, 0);
    case FIELD_OPT_INT:
    case FIELD_DURATION: return ((const struct opt_int *)p)->set ? TOLD : AS_USUAL;
    case FIELD_OPT_BOOL: return ((const struct opt_bool *)p)->set ? TOLD : AS_USUAL;
    case FIELD_ENUM: return shape_of_number(*(const uint8_t *)p, usual_word(f));
    case FIELD_INT_OR_STR: return ((const struct int_or_str *)p)->set ? TOLD : AS_USUAL;
    case FIELD_STRUCT: return TOLD;
    case FIELD_OPT_STRUCT: return *(void *const *)p ? TOLD : AS_USUAL;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: return ((const struct str_map *)p)->n ? TOLD : AS_USUAL;
    case FIELD_LIST:
    case FIELD_STR_LIST:
    case FIELD_ENUM_LIST:
    case FIELD_INT_LIST: return ((const struct any_list *)p)->n ? TOLD : AS_USUAL;
    case FIELD_IGNORED: return AS_USUAL;
    }
    return AS_USUAL;
}

static void put_list(struct buf *b, const struct field *f, const struct any_list *list) {
    put_number(b, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        if (f->type == FIELD_LIST)
            schema_bytes_put(b, f->of, (const char *)list->p + i * f->of->size);
        else if (f->type == FIELD_STR_LIST)
            put_item(b, ((const str *)list->p)[i]);
        else if (f->type == FIELD_INT_LIST)
            put_signed(b, ((const int64_t *)list->p)[i]);
        else
            buf_add_char(b, (char)((const uint8_t *)list->p)[i]);
    }
}

static void put_map(struct buf *b, const struct str_map *m) {
    put_number(b, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        put_item(b, m->p[i].key);
        put_item(b, m->p[i].value);
    }
}

static void put_int_or_str(struct buf *b, const struct int_or_str *v) {
    put_item(b, v->s);
    if (!v->s.p) put_signed(b, v->i);
}

static void put_value(struct buf *b, const struct field *f, const char *obj) {
    const void *p = obj + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: put_str(b, *(const str *)p); break;
    case FIELD_INT:
    case FIELD_TIME: put_signed(b, *(const int64_t *)p); break;
    case FIELD_OPT_INT:
    case FIELD_DURATION: put_signed(b, ((const struct opt_int *)p)->v); break;
    case FIELD_OPT_BOOL: buf_add_char(b, ((const struct opt_bool *)p)->v); break;
    case FIELD_ENUM: buf_add_char(b, *(const char *)p); break;
    case FIELD_INT_OR_STR: put_int_or_str(b, p); break;
    case FIELD_STRUCT: schema_bytes_put(b, f->of, p); break;
    case FIELD_OPT_STRUCT: schema_bytes_put(b, f->of, *(void *const *)p); break;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: put_map(b, p); break;
    case FIELD_LIST:
    case FIELD_STR_LIST:
    case FIELD_ENUM_LIST:
    case FIELD_INT_LIST: put_list(b, f, p); break;
    case FIELD_BOOL:
    case FIELD_IGNORED: break;
    }
}

void schema_bytes_put(struct buf *b, const struct schema *s, const void *obj) {
    uint32_t last = 0; /* 1 + index of the field told last */
    for (uint32_t i = 0; i < s->n; i++) {
        const struct field *f = &s->fields[i];
        enum shape shape = shape_of(f, obj);
        if (shape == AS_USUAL) continue;
        size_t before = b->n;
        put_number(b, (uint64_t)(i + 1 - last) << 1 | (shape == ODD));
        size_t value = b->n;
        if (shape == TOLD) put_value(b, f, obj);
        if (f->type == FIELD_STRUCT && b->n == value + 1)
            b->n = before; /* nothing but its end */
        else
            last = i + 1;
    }
    put_number(b, 0);
}

static uint64_t get_number(const char **at) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t) * (*at)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
}

static int64_t get_signed(const char **at) {
    uint64_t v = get_number(at);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static str get_bytes(const char **at, size_t n) {
    str s = {*at, n};
    *at += n;
    return s;
}

static str get_item(const char **at) {
    uint64_t n = get_number(at);
    return n ? get_bytes(at, n - 1) : (str){0};
}

static void get_list(struct arena *a, const struct field *f, const char **at, struct any_list *list) {
    list->n = (uint32_t)get_number(at);
    size_t size = f->type == FIELD_LIST       ? f->of->size
                  : f->type == FIELD_STR_LIST ? sizeof(str)
                  : f->type == FIELD_INT_LIST ? sizeof(int64_t)
                                              : sizeof(uint8_t);
    list->p = arena_bytes(a, list->n * size);
    for (uint32_t i = 0; i < list->n; i++) {
        if (f->type == FIELD_LIST)
            *at = schema_bytes_get(a, f->of, *at, (char *)list->p + i * size);
        else if (f->type == FIELD_STR_LIST)
            ((str *)list->p)[i] = get_item(at);
        else if (f->type == FIELD_INT_LIST)
            ((int64_t *)list->p)[i] = get_signed(at);
        else
            ((uint8_t *)list->p)[i] = (uint8_t) * (*at)++;
    }
}

static void get_map(struct arena *a, const char **at, struct str_map *m) {
    m->n = (uint32_t)get_number(at);
    m->p = arena_array(a, struct str_pair, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        m->p[i].key = get_item(at);
        m->p[i].value = get_item(at);
    }
}

static void get_value(struct arena *a, const struct field *f, const char **at, void *p) {
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: {
        size_t n = get_number(at);
        *(str *)p = get_bytes(at, n);
        break;
    }
    case FIELD_BOOL: *(bool *)p = true; break;
    case FIELD_INT:
    case FIELD_TIME: *(int64_t *)p = get_signed(at); break;
    case FIELD_OPT_INT:
    case FIELD_DURATION: *(struct opt_int *)p = (struct opt_int){get_signed(at), true}; break;
    case FIELD_OPT_BOOL: *(struct opt_bool *)p = (struct opt_bool){*(*at)++, true}; break;
    case FIELD_ENUM: *(uint8_t *)p = (uint8_t) * (*at)++; break;
    case FIELD_INT_OR_STR: {
        struct int_or_str *v = p;
        *v = (struct int_or_str){.s = get_item(at), .set = true};
        if (!v->s.p) v->i = get_signed(at);
        break;
    }
    case FIELD_STRUCT: *at = schema_bytes_get(a, f->of, *at, p); break;
    case FIELD_OPT_STRUCT:
        *(void **)p = arena_bytes(a, f->of->size);
        *at = schema_bytes_get(a, f->of, *at, *(void **)p);
        break;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: get_map(a, at, p); break;
    case FIELD_LIST:
    case FIELD_STR_LIST:
    case FIELD_ENUM_LIST:
    case FIELD_INT_LIST: get_list(a, f, at, p); break;
    case FIELD_IGNORED: break;
    }
}

static void get_usual(struct arena *a, const struct field *f, void *p) {
    static const char nothing[1] = {0};
    if (f->type == FIELD_STRUCT)
        schema_bytes_get(a, f->of, nothing, p);
    else if (!f->initial)
        ;
    else if (f->type == FIELD_STR)
        *(str *)p = str_of(f->initial);
    else if (f->type == FIELD_ENUM)
        *(uint8_t *)p = usual_word(f);
    else if (f->type == FIELD_INT)
        *(int64_t *)p = usual_number(f);
}

/* The struct is zeroed, which is the odd value of all but a string that is usually not given. */
static void get_odd(const struct field *f, void *p) {
    bool empty = f->type == FIELD_BYTES || (f->type == FIELD_STR && !f->initial);
    if (empty) *(str *)p = S("");
}

const char *schema_bytes_get(struct arena *a, const struct schema *s, const char *bytes, void *obj) {
    const char *at = bytes;
    uint64_t told = get_number(&at);
    uint64_t next = told >> 1; /* 1 + index of the field told next; 0: none */
    for (uint32_t i = 0; i < s->n; i++) {
        const struct field *f = &s->fields[i];
        void *p = (char *)obj + f->offset;
        if (next != i + 1) {
            get_usual(a, f, p);
            continue;
        }
        if (told & 1)
            get_odd(f, p);
        else
            get_value(a, f, &at, p);
        told = get_number(&at);
        next = told ? next + (told >> 1) : 0;
    }
    assert(!told);
    return at;
}
