/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder share: a document in, an object or its findings out. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api.h"
#include "text/yaml.h"

static inline struct node *decode_parse(struct arena *a, str text) {
    struct node *root = NULL;
    str message = {0};
    uint32_t line = 0, column;
    if (yaml_parse(a, text, 1, &root, &message, &line, &column) != OK)
        fail_msg("%u: %.*s\n%.*s", line, STR_ARG(message), STR_ARG(text));
    return root;
}

/* The object of a good document, to api_free(). */
static inline struct object *decode_good(str text) {
    OWNED(arena) a = arena_new();
    struct findings f;
    struct object *o = NULL;
    finding_init(&f, a);
    if (api_decode(a, decode_parse(a, text), S("good.yaml"), &f, &o) != OK) {
        struct buf b;
        buf_init(&b, 1 << 16);
        for (const struct finding *one = f.first; one; one = one->next)
            finding_print(&b, one), buf_add_char(&b, '\n');
        fail_msg("%.*s", STR_ARG(buf_str(&b)));
    }
    assert_int_equal(f.n, 0);
    return o;
}

/* Expects one finding, at this path and with this message. */
static inline void decode_refused(str text, const char *path, const char *message) {
    OWNED(arena) a = arena_new();
    struct findings f;
    struct object *o = NULL;
    finding_init(&f, a);
    err e = api_decode(a, decode_parse(a, text), S("bad.yaml"), &f, &o);
    struct buf b;
    buf_init(&b, 1 << 16);
    for (const struct finding *one = f.first; one; one = one->next)
        finding_print(&b, one), buf_add_char(&b, '\n');
    if (e != ERR_PROTO || f.n != 1)
        fail_msg("%.*s\nwanted at %s: %s\n%.*s", STR_ARG(text), path, message, STR_ARG(buf_str(&b)));
    if (!str_eq(f.first->path, str_of(path)) || !str_eq(f.first->message, str_of(message)))
        fail_msg("wanted at %s: %s\n%.*s", path, message, STR_ARG(buf_str(&b)));
    assert_true(f.first->line > 0 && f.first->column > 0);
    assert_null(o);
    buf_fini(&b);
}

static inline str decode_json(struct arena *a, const struct object *o) {
    struct buf b;
    buf_init(&b, 1 << 20);
    schema_json(&b, api_type_of(o->kind)->schema, o, false, true);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* Printed and read again it is the same object. */
static inline void decode_round_trip(const struct object *o) {
    OWNED(arena) a = arena_new();
    str text = decode_json(a, o);
    struct object *again = decode_good(text);
    assert_string_equal(text.p, decode_json(a, again).p);
    assert_true(schema_equal(api_type_of(o->kind)->schema, o, again));
    assert_true(api_hash(o) == api_hash(again) && api_hash_spec(o) == api_hash_spec(again));
    api_free(again);
}

static inline bool decode_is(str s, const char *z) { return str_eq(s, str_of(z)); }
