/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>

#include "base/str.h"

/* Lines from one thread to one other: the worker writes, whoever writes the access log takes. Neither waits. */
struct access_ring {
    char *bytes; /* capacity: a power of two */
    size_t capacity;
    _Atomic size_t head; /* written so far; the producer's */
    _Atomic size_t tail; /* taken so far; the consumer's */
};
void access_ring_init(struct access_ring *r, size_t capacity);
void access_ring_fini(struct access_ring *r);
/* All of the line, or ERR_LIMIT and nothing. */
err access_ring_put(struct access_ring *r, str line);
/* Whole lines, as many as fit in n; a line longer than n comes in parts. */
size_t access_ring_take(struct access_ring *r, char *p, size_t n);
