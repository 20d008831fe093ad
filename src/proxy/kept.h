/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "upstream/upstream.h"

/* What came of a request's body and can not be sent yet, or may have to be sent again: pooled buffers in a row. All zero: nothing. */
struct kept {
    char *first, *last; /* each begins with a pointer to the next */
    size_t n;           /* bytes in all */
};
/* A place in it; all zero: its begin. */
struct kept_at {
    const char *piece; /* NULL: before the first */
    size_t begin, n;   /* bytes before that piece, and before the place */
};
enum { KEPT_PIECE_BYTES = CONN_BUFFER_BYTES - sizeof(char *) };
void kept_add(struct kept *k, struct pool *buffers, str bytes);
/* The bytes from a place on, as far as they lie in a row; "" at the end. They stay where they are until kept_drop(). */
str kept_next(const struct kept *k, struct kept_at *at);
/* A place n bytes further, n as kept_next() gave or less. */
static inline void kept_step(struct kept_at *at, size_t n) { at->n += n; }
/* Its end. */
static inline struct kept_at kept_end(const struct kept *k) {
    return (struct kept_at){k->last, k->n ? (k->n - 1) / KEPT_PIECE_BYTES * KEPT_PIECE_BYTES : 0, k->n};
}
/* What follows a place goes out, as far as it is taken. whole: no more will come but the trailers, NULL: none. sent: all has gone. */
err kept_send(const struct kept *k, struct kept_at *at, struct upstream_loan *to, bool whole,
              const struct http_msg *trailers, bool *sent);
/* What lies before a place and is not borrowed any more is given back: nobody may ask for it again. Returns how many bytes. */
size_t kept_trim(struct kept *k, struct pool *buffers, const struct kept_at *at);
void kept_drop(struct kept *k, struct pool *buffers);
