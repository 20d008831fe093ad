/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "files/window.h"

/* A text cut into its documents, and what each is known again by. */
/* Apart from the documents, so that 100,000 of them are compared without a look at each. */
struct cut_mark {
    uint64_t hash; /* of its text; 0: to be decoded again whatever it says */
    uint32_t bytes, line;
};
struct cut {
    struct cut_mark *marks; /* free() both */
    uint32_t *places;       /* where each begins in the text */
    uint32_t n;
    const char *trouble; /* why the text could not be read to its end: nothing is to be made of it */
};
enum { CUT_BYTES_MAX = 256 << 20 }; /* of the whole text */
struct cut cut_text(struct window *w);
/* The text at that place as it is now; false when that is not what was cut any more. */
bool cut_read(const struct cut *c, uint32_t i, struct window *w, str *ret);
static inline bool cut_is_same(const struct cut_mark *a, const struct cut_mark *b) {
    return a->hash == b->hash && a->bytes == b->bytes;
}
