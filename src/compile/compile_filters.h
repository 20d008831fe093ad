/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compile_block.h"

/* Filters of a rule, a target or a listener. */
uint64_t compile_filters_hash(uint64_t h, const struct plan_filter *v, uint32_t n);
/* Those that name backends hold them, once the block is written. */
struct table_filter *compile_filters_put(struct compiler *c, struct compile_block *b,
                                         const struct plan_filter *v, uint32_t n);
/* Lets go of the backends that they name. */
void compile_filters_release(struct compiler *c, const struct table_filter *v, uint32_t n);
