/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_block.h"

void *compile_block_array(struct compile_block *b, uint32_t n, size_t size) {
    size_t at = b->structs;
    assert(size % 8 == 0);
    b->structs += n * size;
    return b->p ? b->p + at : NULL;
}

str compile_block_str(struct compile_block *b, str s) {
    size_t at = b->strings_at + b->strings;
    b->strings += s.n;
    if (!b->p || !s.n) return S("");
    memcpy(b->p + at, s.p, s.n);
    return (str){b->p + at, s.n};
}

str *compile_block_strs(struct compile_block *b, const str *v, uint32_t n) {
    str *to = compile_block_array(b, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++) {
        str s = compile_block_str(b, v[i]);
        if (to) to[i] = s;
    }
    return to;
}
