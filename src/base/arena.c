/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/num.h"

struct block {
    struct block *next;
    size_t used, cap;
    _Alignas(16) char bytes[];
};
struct arena {
    struct block *head; /* the newest */
    size_t size;
};
enum { ALIGN = 16 }; /* of malloc; no wider type is kept in an arena */
enum { FIRST_BYTES = 2048, GROWN_BYTES_MAX = 256 << 10 };

struct arena *arena_new(void) {
    return base_zalloc(sizeof(struct arena));
}

static void drop_blocks(struct block *b, const struct block *last) {
    while (b != last) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_free(struct arena *a) {
    if (!a) return;
    drop_blocks(a->head, NULL);
    free(a);
}

void arena_reset(struct arena *a) {
    if (!a->head) return;
    struct block *first = a->head;
    while (first->next) first = first->next;
    drop_blocks(a->head, first);
    a->head = first;
    first->used = 0;
    a->size = sizeof *first + first->cap;
}

void *arena_raw(struct arena *a, size_t n) {
    n = num_round_up(n ? n : 1, ALIGN);
    if (!a->head || a->head->cap - a->head->used < n) {
        size_t cap = a->head ? a->head->cap * 2 : FIRST_BYTES;
        if (cap > GROWN_BYTES_MAX) cap = GROWN_BYTES_MAX;
        if (cap < n) cap = n;
        struct block *b = base_alloc(sizeof *b + cap);
        *b = (struct block){.next = a->head, .cap = cap};
        a->head = b;
        a->size += sizeof *b + cap;
    }
    void *p = a->head->bytes + a->head->used;
    a->head->used += n;
    return p;
}

void *arena_bytes(struct arena *a, size_t n) { return memset(arena_raw(a, n), 0, n); }

size_t arena_size(const struct arena *a) { return a->size; }

str arena_str(struct arena *a, str s) {
    char *p = arena_raw(a, s.n + 1);
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (str){p, s.n};
}

str arena_joined(struct arena *a, const str *parts, size_t n) {
    size_t all = 0;
    for (size_t i = 0; i < n; i++) all += parts[i].n;
    char *p = arena_raw(a, all + 1), *at = p;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n) memcpy(at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    *at = 0;
    return (str){p, all};
}

str arena_vprintf(struct arena *a, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    size_t room = a->head ? a->head->cap - a->head->used : 0;
    char *left = room ? a->head->bytes + a->head->used : NULL; /* where most fit: one pass for them */
    int n = vsnprintf(left, room, fmt, args);
    assert(n >= 0);
    char *p = arena_raw(a, (size_t)n + 1);
    if (p != left || (size_t)n >= room) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (str){p, (size_t)n};
}

str arena_printf(struct arena *a, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    str s = arena_vprintf(a, fmt, args);
    va_end(args);
    return s;
}
