/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdarg.h>

#include "base/str.h"

/* Memory that dies together. All of it is aligned to 16 bytes, and zeroed but for arena_raw(). */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */
DEFINE_CLEANUP(arena)
/* Forgets everything but keeps the first block: for scratch that is used again and again. */
void arena_reset(struct arena *a);
void *arena_bytes(struct arena *a, size_t n);
/* Not zeroed: for what is written whole before it is read. */
void *arena_raw(struct arena *a, size_t n);
/* Bytes taken from the system. */
size_t arena_size(const struct arena *a);
#define arena_make(a, type)         ((type *)arena_bytes((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_bytes((a), sizeof(type) * (count)))
/* A copy, followed by a NUL that is not counted. */
str arena_str(struct arena *a, str s);
/* The parts one after the other, which is a fraction of what arena_printf() costs: for names that are made for every object. */
str arena_joined(struct arena *a, const str *parts, size_t n);
#define ARENA_JOIN(a, ...)                                                                                   \
    arena_joined((a), (const str[]){__VA_ARGS__}, sizeof((const str[]){__VA_ARGS__}) / sizeof(str))
__attribute__((format(printf, 2, 3))) str arena_printf(struct arena *a, const char *fmt, ...);
str arena_vprintf(struct arena *a, const char *fmt, va_list args);
