/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* A text cut into its documents, and what each is known again by. */
/* Apart from the documents, so that 100,000 of them are compared without a look at each. */
struct cut_mark {
    uint64_t hash; /* of its text; 0: to be decoded again whatever it says */
    uint32_t bytes, line;
};
struct cut {
    struct cut_mark *marks; /* free() both */
    const char **texts;
    uint32_t n;
};
struct cut cut_text(str text);
static inline bool cut_is_same(const struct cut_mark *a, const struct cut_mark *b) {
    return a->hash == b->hash && a->bytes == b->bytes;
}
