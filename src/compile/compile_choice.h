/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* How to find the first of a long list's alternatives by its most selective header or query parameter; NULL when trying one after the other
 * is as good. The list: positions first to first + n - 1 of the shard. */
const struct host_choice *compile_choice_make(struct arena **a, const struct host_alternative *alternatives,
                                              const struct host_condition *conditions, uint32_t first,
                                              uint32_t n);
