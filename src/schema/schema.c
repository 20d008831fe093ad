/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

#include "base/hash.h"
#include "text/node.h"

struct any_list {
    const void *p;
    uint32_t n;
};

str schema_map_get(const struct str_map *m, str key) {
    uint32_t low = 0, high = m->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int d = str_cmp(m->p[mid].key, key);
        if (d == 0) return m->p[mid].value;
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return (str){0};
}

void schema_json(struct buf *b, const struct schema *s, const void *obj, bool indented, bool reveal) {
    OWNED(arena) a = arena_new();
    node_json(b, schema_encode(a, s, obj, reveal), indented);
}

void schema_yaml(struct buf *b, const struct schema *s, const void *obj, unsigned indent) {
    OWNED(arena) a = arena_new();
    node_yaml(b, schema_encode(a, s, obj, false), indent);
}

static uint64_t join_str(uint64_t h, str s) { return hash_join(h, s.p ? hash_str(s) : 0); }

static uint64_t hash_struct(uint64_t h, const struct schema *s, const char *obj);

static uint64_t hash_list(uint64_t h, const struct field *f, const struct any_list *list) {
    h = hash_join(h, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        if (f->type == FIELD_LIST)
            h = hash_struct(h, f->of, (const char *)list->p + i * f->of->size);
        else if (f->type == FIELD_STR_LIST)
            h = join_str(h, ((const str *)list->p)[i]);
        else if (f->type == FIELD_INT_LIST)
            h = hash_join(h, (uint64_t)((const int64_t *)list->p)[i]);
        else
            h = hash_join(h, ((const uint8_t *)list->p)[i]);
    }
    return h;
}

static uint64_t hash_map(uint64_t h, const struct str_map *m) {
    h = hash_join(h, m->n);
    for (uint32_t i = 0; i < m->n; i++) h = join_str(join_str(h, m->p[i].key), m->p[i].value);
    return h;
}

static uint64_t hash_field(uint64_t h, const struct field *f, const char *obj) {
    const void *p = obj + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: return join_str(h, *(const str *)p);
    case FIELD_BOOL: return hash_join(h, *(const bool *)p);
    case FIELD_INT:
    case FIELD_TIME: return hash_join(h, (uint64_t) * (const int64_t *)p);
    case FIELD_OPT_INT:
    case FIELD_DURATION: {
        const struct opt_int *o = p;
        return hash_join(hash_join(h, o->set), o->set ? (uint64_t)o->v : 0);
    }
    case FIELD_OPT_BOOL: {
        const struct opt_bool *o = p;
        return hash_join(hash_join(h, o->set), o->set && o->v);
    }
    case FIELD_ENUM: return hash_join(h, *(const uint8_t *)p);
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: return hash_map(h, p);
    case FIELD_INT_OR_STR: {
        const struct int_or_str *v = p;
        return join_str(hash_join(h, v->set), v->s) ^ (v->set && !v->s.p ? (uint64_t)v->i : 0);
    }
    case FIELD_STRUCT: return hash_struct(h, f->of, p);
    case FIELD_OPT_STRUCT: {
        const char *one = *(void *const *)p;
        return one ? hash_struct(hash_join(h, 1), f->of, one) : hash_join(h, 0);
    }
    case FIELD_LIST:
    case FIELD_STR_LIST:
    case FIELD_ENUM_LIST:
    case FIELD_INT_LIST: return hash_list(h, f, p);
    case FIELD_IGNORED: return h;
    }
    return h;
}

static uint64_t hash_struct(uint64_t h, const struct schema *s, const char *obj) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name) h = hash_field(h, &s->fields[i], obj);
    return h;
}

uint64_t schema_hash(const struct schema *s, const void *obj) { return hash_struct(0, s, obj); }

static bool same_str(str x, str y) { return !x.p == !y.p && str_eq(x, y); }

static bool equal_maps(const struct str_map *x, const struct str_map *y) {
    if (x->n != y->n) return false;
    for (uint32_t i = 0; i < x->n; i++)
        if (!same_str(x->p[i].key, y->p[i].key) || !same_str(x->p[i].value, y->p[i].value)) return false;
    return true;
}

static bool equal_lists(const struct field *f, const struct any_list *x, const struct any_list *y) {
    if (x->n != y->n) return false;
    for (uint32_t i = 0; i < x->n; i++) {
        bool same;
        if (f->type == FIELD_LIST)
            same = schema_equal(f->of, (const char *)x->p + i * f->of->size,
                                (const char *)y->p + i * f->of->size);
        else if (f->type == FIELD_STR_LIST)
            same = same_str(((const str *)x->p)[i], ((const str *)y->p)[i]);
        else if (f->type == FIELD_INT_LIST)
            same = ((const int64_t *)x->p)[i] == ((const int64_t *)y->p)[i];
        else
            same = ((const uint8_t *)x->p)[i] == ((const uint8_t *)y->p)[i];
        if (!same) return false;
    }
    return true;
}

static bool equal_fields(const struct field *f, const char *x_obj, const char *y_obj) {
    const void *x = x_obj + f->offset, *y = y_obj + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: return same_str(*(const str *)x, *(const str *)y);
    case FIELD_BOOL: return *(const bool *)x == *(const bool *)y;
    case FIELD_INT:
    case FIELD_TIME: return *(const int64_t *)x == *(const int64_t *)y;
    case FIELD_OPT_INT:
    case FIELD_DURATION: {
        const struct opt_int *a = x, *b = y;
        return a->set == b->set && (!a->set || a->v == b->v);
    }
    case FIELD_OPT_BOOL: {
        const struct opt_bool *a = x, *b = y;
        return a->set == b->set && (!a->set || a->v == b->v);
    }
    case FIELD_ENUM: return *(const uint8_t *)x == *(const uint8_t *)y;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: return equal_maps(x, y);
    case FIELD_INT_OR_STR: {
        const struct int_or_str *a = x, *b = y;
        return a->set == b->set && same_str(a->s, b->s) && (!a->set || a->s.p || a->i == b->i);
    }
    case FIELD_STRUCT: return schema_equal(f->of, x, y);
    case FIELD_OPT_STRUCT: {
        const void *a = *(void *const *)x, *b = *(void *const *)y;
        return a && b ? schema_equal(f->of, a, b) : a == b;
    }
    case FIELD_LIST:
    case FIELD_STR_LIST:
    case FIELD_ENUM_LIST:
    case FIELD_INT_LIST: return equal_lists(f, x, y);
    case FIELD_IGNORED: return true;
    }
    return false;
}

bool schema_equal(const struct schema *s, const void *x, const void *y) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name && !equal_fields(&s->fields[i], x, y)) return false;
    return true;
}
