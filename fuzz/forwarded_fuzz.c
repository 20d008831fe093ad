/* fuzz: http, 600000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* A list of Forwarded: nothing crashes, every byte of it is in one element, memory is bounded by its length, and what is read is the same
 * when it is printed and read again. */
#include "http/http_forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static void try_address(struct arena *a, const struct http_forwarded *f) {
    struct ip ip, again;
    if (!f->node.p || http_forwarded_address(f->node, &ip) != OK) return;
    struct buf b, text;
    struct http_forwarded g;
    buf_init(&b, 1 << 20);
    buf_init(&text, 64);
    ip_print(&text, &ip);
    http_forwarded_print(&b, buf_str(&text), f->host.p ? f->host : S(""), f->proto.p ? f->proto : S(""));
    check(!b.overflow && http_forwarded_read(a, buf_str(&b), &g) == OK);
    check(http_forwarded_address(g.node, &again) == OK && ip_eq(&ip, &again));
    check(str_eq(g.host, f->host) && str_eq(g.proto, f->proto));
    buf_fini(&b);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    OWNED(arena) a = arena_new();
    str list = arena_str(a, (str){(const char *)data, size});
    while (list.n) {
        size_t before = list.n;
        struct http_forwarded f;
        str element = http_forwarded_last(&list);
        check(list.n < before && element.n <= before);
        size_t used = arena_size(a);
        if (http_forwarded_read(a, element, &f) != OK) continue;
        check(arena_size(a) - used <= element.n + (1 << 16));
        try_address(a, &f);
    }
    return 0;
}
