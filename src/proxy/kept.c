/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/kept.h"

static char *next_of(const char *piece) {
    char *next;
    memcpy(&next, piece, sizeof next);
    return next;
}
static void set_next(char *piece, char *next) { memcpy(piece, &next, sizeof next); }

void kept_add(struct kept *k, struct pool *buffers, str bytes) {
    while (bytes.n) {
        size_t used = k->n % KEPT_PIECE_BYTES;
        if (!used) {
            bool fresh;
            char *piece = pool_take(buffers, &fresh);
            set_next(piece, NULL);
            if (k->last)
                set_next(k->last, piece);
            else
                k->first = piece;
            k->last = piece;
        }
        size_t n = bytes.n < KEPT_PIECE_BYTES - used ? bytes.n : KEPT_PIECE_BYTES - used;
        memcpy(k->last + sizeof(char *) + used, bytes.p, n);
        k->n += n;
        bytes = str_from(bytes, n);
    }
}

str kept_next(const struct kept *k, struct kept_at *at) {
    if (at->n == k->n) return S("");
    if (!at->piece) {
        at->piece = k->first;
    } else if (at->n - at->begin == KEPT_PIECE_BYTES) {
        at->piece = next_of(at->piece);
        at->begin = at->n;
    }
    size_t from = at->n - at->begin;
    size_t to = at->piece == k->last ? k->n - at->begin : KEPT_PIECE_BYTES;
    return (str){at->piece + sizeof(char *) + from, to - from};
}

err kept_send(const struct kept *k, struct kept_at *at, struct upstream_loan *to, bool whole,
              const struct http_msg *trailers, bool *sent) {
    for (str s; (s = kept_next(k, at)).n;) {
        bool last = whole && !trailers && at->n + s.n == k->n;
        if (upstream_pending(to) > CONN_HIGH_WATER_BYTES) return OK;
        err e = upstream_submit_body(to, s, last);
        if (e == ERR_AGAIN) return OK;
        if (e != OK) return e;
        kept_step(at, s.n);
        *sent = last;
    }
    if (!whole || *sent) return OK;
    *sent = true;
    return upstream_submit_end(to, trailers);
}

size_t kept_trim(struct kept *k, struct pool *buffers, const struct kept_at *at) {
    size_t n = 0;
    while (at->piece && k->first != at->piece) {
        char *next = next_of(k->first);
        pool_give(buffers, k->first);
        k->first = next;
        n += KEPT_PIECE_BYTES;
    }
    return n;
}

void kept_drop(struct kept *k, struct pool *buffers) {
    for (char *piece = k->first, *next; piece; piece = next) {
        next = next_of(piece);
        pool_give(buffers, piece);
    }
    *k = (struct kept){0};
}
