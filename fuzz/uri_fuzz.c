/* fuzz: http, 2000000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Authorities, paths and queries: nothing crashes, what is accepted is a fixed point and holds nothing that the policy refuses. */
#include "http/http_chars.h"
#include "http/http_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static void try_path(struct arena *a, str path) {
    str once, again;
    if (http_uri_normal_path(a, path, &once) != OK) return;
    check(once.n > 0 && once.n <= path.n);
    check(http_uri_normal_path(a, once, &again) == OK && str_eq(once, again));
    if (str_eq(once, S("*"))) return;
    check(once.p[0] == '/');
    for (str rest = once; rest.p;) {
        str segment = str_cut(&rest, '/');
        check(!str_eq(segment, S(".")) && !str_eq(segment, S("..")));
        check(http_chars_all(segment.p, segment.n, HTTP_CHAR_TARGET) && str_find(segment, '\\') == segment.n);
    }
}

static void try_authority(struct arena *a, str authority) {
    str host, again;
    uint16_t port, port_again;
    err e = http_uri_split_authority(a, authority, &host, &port);
    check((e == OK) == http_uri_authority_ok(authority));
    if (e != OK) return;
    for (size_t i = 0; i < host.n; i++) check(!http_chars_has(host.p[i], HTTP_CHAR_UPPER));
    check(http_uri_split_authority(a, host, &again, &port_again) == OK && str_eq(host, again) &&
          port_again == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    OWNED(arena) a = arena_new();
    str s = arena_str(a, (str){(const char *)data, size});
    char *exact = base_alloc(size ? size : 1); /* of just that size: what is read beyond it is seen */
    if (size) memcpy(exact, data, size);
    str bounded = {exact, size};
    try_path(a, bounded);
    try_authority(a, bounded);
    str value = http_uri_query_param(a, bounded, S("a"));
    check(value.n <= size);
    check(http_field_id_of(bounded) == http_field_id_of(s));
    (void)http_method_of(bounded);
    free(exact);
    return 0;
}
