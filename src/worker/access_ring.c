/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/access_ring.h"

#include "base/num.h"

void access_ring_init(struct access_ring *r, size_t capacity) {
    assert(capacity && (capacity & (capacity - 1)) == 0);
    r->bytes = base_alloc(capacity);
    r->capacity = capacity;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
}

void access_ring_fini(struct access_ring *r) {
    free(r->bytes);
    r->bytes = NULL;
}

err access_ring_put(struct access_ring *r, str line) {
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    if (line.n > r->capacity - (head - tail)) return ERR_LIMIT;
    size_t at = head & (r->capacity - 1), first = num_min(line.n, r->capacity - at);
    memcpy(r->bytes + at, line.p, first);
    memcpy(r->bytes, line.p + first, line.n - first);
    atomic_store_explicit(&r->head, head + line.n, memory_order_release);
    return OK;
}

size_t access_ring_take(struct access_ring *r, char *p, size_t n) {
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    size_t most = num_min(head - tail, n), at = tail & (r->capacity - 1),
           first = num_min(most, r->capacity - at);
    memcpy(p, r->bytes + at, first);
    memcpy(p + first, r->bytes, most - first);
    size_t whole = most;
    while (whole && p[whole - 1] != '\n') whole--;
    if (whole == 0) whole = most;
    atomic_store_explicit(&r->tail, tail + whole, memory_order_release);
    return whole;
}
