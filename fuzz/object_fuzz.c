/* fuzz: api, 250000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: what decodes prints as JSON and as YAML that decode to an equal object with the same hashes; what does not has findings. */
#include "api/parcel.h"
#include "text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct object *decode(struct arena *a, str text, uint32_t line, err *ret_err) {
    struct node *root = NULL;
    str message = {0};
    uint32_t at_line = 0, at_column = 0;
    struct object *o = NULL;
    *ret_err = yaml_parse(a, text, line, &root, &message, &at_line, &at_column);
    if (*ret_err != OK || !root) return NULL;
    struct findings f;
    finding_init(&f, a);
    *ret_err = api_decode(a, root, S("file"), &f, &o);
    assert(*ret_err == OK ? o && f.n == 0 : !o && (f.n > 0 || *ret_err == ERR_ABSENT));
    struct buf b;
    buf_init(&b, 1 << 20);
    for (const struct finding *one = f.first; one; one = one->next) {
        assert(one->line > 0 && one->column > 0 && one->message.n);
        finding_print(&b, one);
    }
    buf_fini(&b);
    return o;
}

static void check_again(struct arena *a, const struct object *o, str text) {
    err e = OK;
    struct object *again = decode(a, text, 1, &e);
    if (e == ERR_LIMIT) return; /* JSON may be larger than what it was printed from */
    assert(again);
    assert(schema_equal(api_type_of(o->kind)->schema, o, again));
    assert(api_hash(o) == api_hash(again) && api_hash_spec(o) == api_hash_spec(again));
    api_free(again);
}

/* JSON replaces what is no UTF-8 and YAML refuses some characters, so only text of printable ASCII is compared. */
static bool is_comparable(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\n' && (s.p[i] < ' ' || s.p[i] > '~')) return false;
    return !memmem(s.p, s.n, "\\", 1);
}

static void check_document(struct arena *a, str text, uint32_t line) {
    err e = OK;
    struct object *o = decode(a, text, line, &e);
    if (!o) return;
    const struct schema *s = api_type_of(o->kind)->schema;
    struct buf b;
    buf_init(&b, 8 << 20);
    schema_json(&b, s, o, true, true);
    if (is_comparable(text) && !b.overflow) check_again(a, o, buf_str(&b));
    buf_clear(&b);
    schema_yaml(&b, s, o, 0);
    if (o->kind != KIND_SECRET && is_comparable(text) && !b.overflow) check_again(a, o, buf_str(&b));
    buf_fini(&b);
    size_t bytes = 0;
    char *block = schema_pack(s, o, 16, &bytes);
    assert(schema_equal(s, o, block + 16) && schema_hash(s, o) == schema_hash(s, block + 16));
    free(block);
    struct parcel *p = parcel_new(o, NULL);
    const struct object *again = parcel_open(a, p);
    assert(schema_equal(s, o, again) && api_hash(o) == api_hash(again));
    parcel_free(p);
    api_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str text = {(const char *)data, size}, document;
    uint32_t line = 1, at = 0;
    while (yaml_next_document(&text, &line, &document, &at)) {
        struct arena *a = arena_new();
        check_document(a, document, at);
        arena_free(a);
    }
    return 0;
}
