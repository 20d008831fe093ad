/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

uint64_t clock_monotonic_us(void);
int64_t clock_wall_us(void); /* since 1970 */
static inline int64_t clock_wall_s(void) { return clock_wall_us() / 1000000; }
/* A descriptor that can be read once somebody has set the wall clock; the time that runs on does not wake it. -1: errno. */
int clock_watch(void);
/* Reads it: was the clock set since? */
bool clock_was_set(int watch);
/* "2026-11-23T04:05:06.789Z" */
void clock_print_rfc3339(struct buf *b, int64_t wall_us);
