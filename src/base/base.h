/* SPDX-License-Identifier: Apache-2.0 */
/* Base: the alphabet. Errors, borrowed strings, memory by lifespan, intrusive lists, maps, heaps, numbers, hashes.
 * In:    arguments.      Out: values; memory from the arena that the caller names.
 * Own:   nothing outlives what the caller holds. Doors beside this one: str.h arena.h buf.h link.h map.h heap.h index.h
 *        num.h hash.h stats.h rng.h ip.h pool.h.
 * Never: a clock, a file, a lock, a mutable variable. */
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __clang__ /* clang refuses to poison what a fortified libc defines as macros */
#pragma GCC poison strcpy strcat sprintf strtok atoi gets
#endif

/* The code is the return value; ignoring one does not compile. Words for humans travel apart. */
typedef enum [[nodiscard]] err{
    OK = 0,      ERR_AGAIN, /* no progress now; come back on the next event. Not a failure. */
    ERR_END,                /* the peer finished cleanly */
    ERR_LIMIT,              /* a bound was reached */
    ERR_PROTO,              /* the peer or the input broke its grammar */
    ERR_IO,                 /* the system refused */
    ERR_ABSENT,             /* no such thing */
    ERR_REFUSED,            /* understood and not allowed, or not served by this binary */
} err;

/* The code's name in lower case ("proto"), for logs. Static. */
const char *base_err_name(err e);

/* Ends the process with one line on standard error: memory is gone. What a peer can grow has a budget, so no
 * peer gets here. */
_Noreturn void base_out_of_memory(size_t bytes);

/* malloc, calloc, realloc that never return NULL. Freed with free(). */
void *base_alloc(size_t bytes);
void *base_zalloc(size_t bytes);
void *base_realloc(void *p, size_t bytes);

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        err try_ = (call);                                                                                   \
        if (try_ != OK) return try_;                                                                         \
    } while (0)

/* A local that owns says so in its declaration: OWNED(arena) a = arena_new(); */
#define OWNED(type) __attribute__((cleanup(type##_cleanup))) struct type *
#define DEFINE_CLEANUP(type)                                                                                 \
    static inline void type##_cleanup(struct type **p) { type##_free(*p); }
#define TAKE(p)                                                                                              \
    ({                                                                                                       \
        typeof(p) taken_ = (p);                                                                              \
        (p) = NULL;                                                                                          \
        taken_;                                                                                              \
    })

#define container_of(ptr, type, member)                                                                      \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* assert = we have the proof; on in release too. assert_slow = debug and fuzz builds only. */
#ifdef POSTERN_SLOW_ASSERTS
#define assert_slow(x) assert(x)
#else
#define assert_slow(x) ((void)sizeof(x))
#endif
