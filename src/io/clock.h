/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

uint64_t clock_monotonic_us(void);
int64_t clock_wall_us(void); /* since 1970 */
static inline int64_t clock_wall_s(void) { return clock_wall_us() / 1000000; }
