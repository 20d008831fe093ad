/* fuzz: text, 2500000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any PEM, cut at the first NUL into chain and key: it is read, or a message says why not. */
#include "text/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str key = {(const char *)data, size}, chain = str_cut(&key, '\0'), message = {0};
    if (!key.p) key = chain;
    struct arena *a = arena_new();
    struct x509_info info = {0};
    err e = x509_read_pair(a, chain, key, &info, &message);
    assert(e == OK ? info.key_kind != KEY_UNKNOWN && info.not_before_s <= INT64_MAX : message.n > 0);
    for (uint32_t i = 0; e == OK && i < info.names_n; i++) assert(info.names[i].p);
    arena_free(a);
    return 0;
}
