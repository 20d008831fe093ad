/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* One block, structs first, then strings. Filled by the same walk that measures it: with p == NULL nothing is written. */
struct compile_block {
    char *p;
    size_t structs, strings; /* bytes used of each */
    size_t strings_at;       /* where strings begin: all that structs take */
};
/* n structs of a size that is a multiple of 8; NULL while it is measured. */
void *compile_block_array(struct compile_block *b, uint32_t n, size_t size);
str compile_block_str(struct compile_block *b, str s);
str *compile_block_strs(struct compile_block *b, const str *v, uint32_t n);
