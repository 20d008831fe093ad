/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* What waits to be written: own bytes (heads, chunk sizes, small bodies) in one buffer, and borrowed slices between them. */
enum {
    H1_OUT_PIECES = 32,            /* more are joined by copying */
    H1_OUT_BYTES_MAX = 2 << 20,    /* pending; nothing is taken above it */
    H1_OUT_COPIED_MAX = 512,       /* a slice up to this is copied: cheaper than a piece of its own */
    H1_OUT_KEPT_BYTES_MAX = 16384, /* of a buffer that is kept when all was written */
};
struct h1_piece {
    const char *p; /* NULL: `from` in bytes */
    size_t from, n;
};
struct h1_out {
    struct buf bytes, spare;
    struct h1_piece pieces[H1_OUT_PIECES];
    uint32_t first, end;
    size_t pending;
};
void h1_out_init(struct h1_out *o);
void h1_out_fini(struct h1_out *o);
void h1_out_clear(struct h1_out *o);
/* n more bytes may be submitted? */
bool h1_out_takes(const struct h1_out *o, size_t n);
/* Room for n own bytes, to be followed by h1_out_added() with as many as were used. */
char *h1_out_room(struct h1_out *o, size_t n);
void h1_out_added(struct h1_out *o, size_t n);
void h1_out_add(struct h1_out *o, str s);
/* Borrowed until the next write, unless kept. */
void h1_out_borrow(struct h1_out *o, str s);
size_t h1_out_write(const struct h1_out *o, str *out, size_t out_max);
/* true: that was all. */
bool h1_out_wrote(struct h1_out *o, size_t n);
void h1_out_keep(struct h1_out *o);
