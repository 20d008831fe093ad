/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* All zero. The size is hidden from the compiler, whose own way with some hundred bytes takes several times as long as the library's. */
static inline void clear_bytes(void *p, size_t n) {
    __asm__("" : "+r"(n));
    __builtin_memset(p, 0, n);
}
