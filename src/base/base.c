/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

const char *base_err_name(err e) {
    static const char *const names[] = {
        [OK] = "ok",           [ERR_AGAIN] = "again", [ERR_END] = "end",       [ERR_LIMIT] = "limit",
        [ERR_PROTO] = "proto", [ERR_IO] = "io",       [ERR_ABSENT] = "absent", [ERR_REFUSED] = "refused",
    };
    return (size_t)e < COUNT_OF(names) ? names[e] : "unknown";
}

void base_out_of_memory(size_t bytes) {
    fprintf(stderr, "level=fatal msg=\"out of memory\" bytes=%zu\n", bytes);
    abort();
}

void *base_alloc(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    if (!p) base_out_of_memory(bytes);
    return p;
}

void *base_zalloc(size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) base_out_of_memory(bytes);
    return p;
}

void *base_realloc(void *p, size_t bytes) {
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) base_out_of_memory(bytes);
    return q;
}
