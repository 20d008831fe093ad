/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json.h"

#include <jansson.h>

struct reader {
    struct arena *a;
    bool too_deep;
};

static struct node *take(struct reader *r, const json_t *j, unsigned depth);

static void take_members(struct reader *r, const json_t *j, struct node *n, unsigned depth) {
    struct node **last = &n->child;
    json_t *object = (json_t *)(uintptr_t)j; /* its iterator is not const; nothing is changed */
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        str key = {json_object_iter_key(it), json_object_iter_key_len(it)};
        node_append(n, &last, arena_str(r->a, key), take(r, json_object_iter_value(it), depth + 1));
    }
}

static void take_items(struct reader *r, const json_t *j, struct node *n, unsigned depth) {
    struct node **last = &n->child;
    for (size_t i = 0; i < json_array_size(j); i++)
        node_append(n, &last, (str){0}, take(r, json_array_get(j, i), depth + 1));
}

static struct node *take_number(struct reader *r, const json_t *j) {
    char text[64];
    size_t n = json_dumpb(j, text, sizeof text, JSON_ENCODE_ANY);
    return node_scalar(r->a, arena_str(r->a, (str){text, n}), false);
}

static struct node *take(struct reader *r, const json_t *j, unsigned depth) {
    struct node *n;
    if (depth > JSON_DEPTH_MAX) {
        r->too_deep = true;
        return node_new(r->a, NODE_NULL);
    }
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        n = node_new(r->a, NODE_MAP);
        take_members(r, j, n, depth);
        return n;
    case JSON_ARRAY:
        n = node_new(r->a, NODE_SEQ);
        take_items(r, j, n, depth);
        return n;
    case JSON_STRING:
        return node_scalar(r->a, arena_str(r->a, (str){json_string_value(j), json_string_length(j)}), true);
    case JSON_INTEGER:
    case JSON_REAL: return take_number(r, j);
    case JSON_TRUE: return node_scalar(r->a, S("true"), false);
    case JSON_FALSE: return node_scalar(r->a, S("false"), false);
    case JSON_NULL: break;
    }
    return node_new(r->a, NODE_NULL);
}

err json_parse(struct arena *a, str text, struct node **ret, str *ret_message) {
    if (text.n > JSON_BYTES_MAX) {
        *ret_message = arena_printf(a, "is longer than %d bytes", JSON_BYTES_MAX);
        return ERR_LIMIT;
    }
    json_error_t e;
    json_t *j = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!j) {
        bool deep = json_error_code(&e) == json_error_stack_overflow;
        *ret_message = arena_printf(a, "byte %d: %s", e.position, e.text);
        return deep ? ERR_LIMIT : ERR_PROTO;
    }
    struct reader r = {.a = a};
    struct node *n = take(&r, j, 1);
    json_decref(j);
    if (r.too_deep) {
        *ret_message = arena_printf(a, "is nested deeper than %d", JSON_DEPTH_MAX);
        return ERR_LIMIT;
    }
    *ret = n;
    return OK;
}
