/* SPDX-License-Identifier: Apache-2.0 */
#include "files/cut.h"

#include "base/hash.h"
#include "text/yaml.h"

static uint64_t word_at(const char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Four chains at a time: one alone waits for each of its products. Never 0. */
static uint64_t hash_text(str s) {
    uint64_t a = 1, b = 2, c = 3, d = 4;
    size_t i = 0;
    for (; i + 64 <= s.n; i += 64) {
        const char *p = s.p + i;
        a = hash_join(a ^ word_at(p), word_at(p + 8));
        b = hash_join(b ^ word_at(p + 16), word_at(p + 24));
        c = hash_join(c ^ word_at(p + 32), word_at(p + 40));
        d = hash_join(d ^ word_at(p + 48), word_at(p + 56));
    }
    for (; i + 16 <= s.n; i += 16) a = hash_join(a ^ word_at(s.p + i), word_at(s.p + i + 8));
    return hash_bytes(s.p + i, s.n - i, hash_join(hash_join(a, b), hash_join(c, d)) ^ s.n) | 1;
}

/* Each document is hashed at once, while it is near. */
struct cut cut_text(str text) {
    struct cut c = {0};
    uint32_t cap = 0, line = 1, at;
    str doc;
    while (yaml_next_document(&text, &line, &doc, &at)) {
        if (c.n == cap) {
            cap = cap ? cap * 2 : 16;
            c.marks = base_realloc(c.marks, cap * sizeof *c.marks);
            c.texts = base_realloc((void *)c.texts, cap * sizeof *c.texts);
        }
        c.texts[c.n] = doc.p;
        c.marks[c.n++] = (struct cut_mark){hash_text(doc), (uint32_t)doc.n, at};
    }
    return c;
}
