/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/scalar.h"
#include "schema/schema.h"
#include "text/base64.h"
#include "text/node.h"

enum { SECRET_DIGITS = 12, TEXT_BYTES_MAX = 128 };

struct encoder {
    struct arena *a;
    bool reveal;
    unsigned depth;
};
struct any_list {
    const void *p;
    uint32_t n;
};

static struct node *integer(struct encoder *e, int64_t v) {
    return node_scalar(e->a, arena_printf(e->a, "%lld", (long long)v), false);
}

static struct node *string(struct encoder *e, const struct field *f, str s) {
    if (f->flags & FIELD_SECRET && !e->reveal)
        return node_scalar(e->a,
                           arena_printf(e->a, "sha256:" STR_FMT,
                                        STR_ARG(str_upto(base64_sha256_hex(e->a, s), SECRET_DIGITS))),
                           true);
    bool bytes = f->type == FIELD_BYTES || f->type == FIELD_BYTES_MAP;
    return node_scalar(e->a, bytes ? base64_encode(e->a, s) : s, true);
}

static struct node *printed(struct encoder *e, void (*print)(struct buf *b, int64_t v), int64_t v) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    print(&b, v);
    struct node *n = node_scalar(e->a, arena_str(e->a, buf_str(&b)), true);
    buf_fini(&b);
    return n;
}

static bool is_initial(const struct field *f, str text) {
    return f->initial && !(f->flags & FIELD_REQUIRED) && str_eq(str_of(f->initial), text);
}

static struct node *encode_str(struct encoder *e, const struct field *f, str s) {
    bool required = f->flags & FIELD_REQUIRED;
    if (!s.p) return required ? string(e, f, S("")) : NULL;
    return is_initial(f, s) ? NULL : string(e, f, s);
}

static struct node *encode_enum(struct encoder *e, const struct field *f, uint8_t v) {
    const char *word = v ? f->values[v - 1] : f->flags & FIELD_REQUIRED ? f->initial : NULL;
    return !word || is_initial(f, str_of(word)) ? NULL : node_scalar(e->a, str_of(word), true);
}

static struct node *encode_int(struct encoder *e, const struct field *f, int64_t v, bool set) {
    if (!set) return NULL;
    struct node *n = integer(e, v);
    return is_initial(f, n->scalar) ? NULL : n;
}

static struct node *encode_map(struct encoder *e, const struct field *f, const struct str_map *m) {
    if (m->n == 0 && !(f->flags & FIELD_KEEP_EMPTY)) return NULL;
    struct node *n = node_new(e->a, NODE_MAP), **last = &n->child;
    for (uint32_t i = 0; i < m->n; i++) node_append(n, &last, m->p[i].key, string(e, f, m->p[i].value));
    return n;
}

static struct node *encode_struct(struct encoder *e, const struct schema *s, const char *obj);

static struct node *encode_list(struct encoder *e, const struct field *f, const struct any_list *list) {
    if (list->n == 0 && !(f->flags & FIELD_KEEP_EMPTY)) return NULL;
    struct node *n = node_new(e->a, NODE_SEQ), **last = &n->child;
    for (uint32_t i = 0; i < list->n; i++) {
        struct node *item;
        if (f->type == FIELD_LIST)
            item = encode_struct(e, f->of, (const char *)list->p + i * f->of->size);
        else if (f->type == FIELD_STR_LIST)
            item = string(e, f, ((const str *)list->p)[i]);
        else if (f->type == FIELD_INT_LIST)
            item = integer(e, ((const int64_t *)list->p)[i]);
        else
            item = node_scalar(e->a, str_of(f->values[((const uint8_t *)list->p)[i] - 1]), true);
        node_append(n, &last, (str){0}, item);
    }
    return n;
}

static struct node *encode_bool(struct encoder *e, const struct field *f, bool v, bool set) {
    str word = v ? S("true") : S("false");
    return !set || is_initial(f, word) ? NULL : node_scalar(e->a, word, false);
}

static struct node *encode_inner(struct encoder *e, const struct field *f, const char *p) {
    bool required = f->flags & FIELD_REQUIRED;
    bool empty_counts = f->initial && !str_eq(str_of(f->initial), S("{}"));
    if (empty_counts) return encode_struct(e, f->of, p);
    if (!required && schema_equal(f->of, p, arena_bytes(e->a, f->of->size))) return NULL; /* not given */
    struct node *n = encode_struct(e, f->of, p);
    return n->n || required ? n : NULL;
}

/* NULL: left out. */
static struct node *encode_field(struct encoder *e, const struct field *f, const char *obj) {
    const void *p = obj + f->offset;
    bool required = f->flags & FIELD_REQUIRED;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: return encode_str(e, f, *(const str *)p);
    case FIELD_BOOL: {
        bool v = *(const bool *)p;
        return encode_bool(e, f, v, v || f->initial || required);
    }
    case FIELD_OPT_BOOL:
        return encode_bool(e, f, ((const struct opt_bool *)p)->v, ((const struct opt_bool *)p)->set);
    case FIELD_INT: {
        int64_t v = *(const int64_t *)p;
        return encode_int(e, f, v, v || f->initial || required);
    }
    case FIELD_OPT_INT:
        return encode_int(e, f, ((const struct opt_int *)p)->v, ((const struct opt_int *)p)->set);
    case FIELD_ENUM: return encode_enum(e, f, *(const uint8_t *)p);
    case FIELD_DURATION: {
        const struct opt_int *o = p;
        struct node *n = o->set ? printed(e, scalar_duration_print, o->v) : NULL;
        return n && is_initial(f, n->scalar) ? NULL : n;
    }
    case FIELD_TIME: return *(const int64_t *)p ? printed(e, scalar_time_print, *(const int64_t *)p) : NULL;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: return encode_map(e, f, p);
    case FIELD_INT_OR_STR: {
        const struct int_or_str *v = p;
        return !v->set ? NULL : v->s.p ? string(e, f, v->s) : integer(e, v->i);
    }
    case FIELD_STRUCT: return encode_inner(e, f, obj + f->offset);
    case FIELD_OPT_STRUCT: return *(void *const *)p ? encode_struct(e, f->of, *(void *const *)p) : NULL;
    case FIELD_LIST:
    case FIELD_STR_LIST:
    case FIELD_ENUM_LIST:
    case FIELD_INT_LIST: return encode_list(e, f, p);
    case FIELD_IGNORED: return NULL;
    }
    return NULL;
}

static struct node *encode_struct(struct encoder *e, const struct schema *s, const char *obj) {
    assert(e->depth < SCHEMA_DEPTH_MAX);
    e->depth++;
    struct node *n = node_new(e->a, NODE_MAP), **last = &n->child;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct field *f = &s->fields[i];
        struct node *value = f->name ? encode_field(e, f, obj) : NULL;
        if (value) node_append(n, &last, str_of(f->name), value);
    }
    e->depth--;
    return n;
}

struct node *schema_encode(struct arena *a, const struct schema *s, const void *obj, bool reveal) {
    struct encoder e = {.a = a, .reveal = reveal};
    return encode_struct(&e, s, obj);
}
