/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_out.h"

#include "base/num.h"

void h1_out_init(struct h1_out *o) {
    o->first = o->end = 0;
    o->pending = 0;
    /* kept bytes, a head on top, and as much again that was written and not yet dropped */
    buf_init(&o->bytes, 4 * (size_t)H1_OUT_BYTES_MAX);
    buf_init(&o->spare, 4 * (size_t)H1_OUT_BYTES_MAX);
}

void h1_out_fini(struct h1_out *o) {
    buf_fini(&o->bytes);
    buf_fini(&o->spare);
}

void h1_out_clear(struct h1_out *o) {
    o->first = o->end = 0;
    o->pending = 0;
    buf_clear(&o->bytes);
    if (o->bytes.cap > H1_OUT_KEPT_BYTES_MAX) buf_fini(&o->bytes);
    if (o->spare.cap > H1_OUT_KEPT_BYTES_MAX) buf_fini(&o->spare);
}

bool h1_out_takes(const struct h1_out *o, size_t n) {
    return n <= H1_OUT_BYTES_MAX && o->pending <= H1_OUT_BYTES_MAX - n;
}

static str piece_str(const struct h1_out *o, const struct h1_piece *piece) {
    return (str){piece->p ? piece->p : o->bytes.p + piece->from, piece->n};
}

void h1_out_keep(struct h1_out *o) {
    if (o->pending == 0) return;
    bool own = o->end == o->first + 1 && !o->pieces[o->first].p;
    if (own && o->pieces[o->first].from < H1_OUT_KEPT_BYTES_MAX) return;
    buf_clear(&o->spare);
    err e = buf_reserve(&o->spare, o->pending);
    assert(e == OK);
    for (uint32_t i = o->first; i < o->end; i++) buf_add(&o->spare, piece_str(o, &o->pieces[i]));
    struct buf was = o->bytes;
    o->bytes = o->spare, o->spare = was;
    o->pieces[0] = (struct h1_piece){.n = o->bytes.n};
    o->first = 0, o->end = 1;
}

/* Makes sure that a piece can be added. */
static void make_piece_room(struct h1_out *o) {
    if (o->end < H1_OUT_PIECES) return;
    memmove(o->pieces, o->pieces + o->first, (o->end - o->first) * sizeof *o->pieces);
    o->end -= o->first;
    o->first = 0;
    if (o->end == H1_OUT_PIECES) h1_out_keep(o);
}

char *h1_out_room(struct h1_out *o, size_t n) {
    make_piece_room(o);
    /* written bytes at the front are dropped when they are many: whoever never catches up must not make it grow */
    if (o->bytes.n > 2 * (size_t)H1_OUT_BYTES_MAX) h1_out_keep(o);
    err e = buf_reserve(&o->bytes, n);
    assert(e == OK);
    return o->bytes.p + o->bytes.n;
}

void h1_out_added(struct h1_out *o, size_t n) {
    struct h1_piece *last = o->end > o->first ? &o->pieces[o->end - 1] : NULL;
    if (n == 0) return;
    if (last && !last->p && last->from + last->n == o->bytes.n)
        last->n += n;
    else
        o->pieces[o->end++] = (struct h1_piece){.from = o->bytes.n, .n = n};
    o->bytes.n += n;
    o->pending += n;
}

void h1_out_add(struct h1_out *o, str s) {
    if (s.n == 0) return;
    memcpy(h1_out_room(o, s.n), s.p, s.n);
    h1_out_added(o, s.n);
}

void h1_out_borrow(struct h1_out *o, str s) {
    if (s.n <= H1_OUT_COPIED_MAX) {
        h1_out_add(o, s);
        return;
    }
    make_piece_room(o);
    o->pieces[o->end++] = (struct h1_piece){.p = s.p, .n = s.n};
    o->pending += s.n;
}

size_t h1_out_write(const struct h1_out *o, str *out, size_t out_max) {
    size_t n = num_min(out_max, o->end - o->first);
    for (size_t i = 0; i < n; i++) out[i] = piece_str(o, &o->pieces[o->first + i]);
    return n;
}

bool h1_out_wrote(struct h1_out *o, size_t n) {
    assert(n <= o->pending);
    o->pending -= n;
    if (o->pending == 0) {
        h1_out_clear(o);
        return true;
    }
    while (n) {
        struct h1_piece *piece = &o->pieces[o->first];
        size_t part = num_min(n, piece->n);
        if (piece->p)
            piece->p += part;
        else
            piece->from += part;
        piece->n -= part;
        n -= part;
        if (piece->n == 0) o->first++;
    }
    return false;
}
