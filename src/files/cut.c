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

static void add(struct cut *c, uint32_t *cap, str doc, uint64_t at, uint32_t line) {
    if (c->n == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        c->marks = base_realloc(c->marks, *cap * sizeof *c->marks);
        c->places = base_realloc(c->places, *cap * sizeof *c->places);
    }
    c->places[c->n] = (uint32_t)at;
    c->marks[c->n++] = (struct cut_mark){hash_text(doc), (uint32_t)doc.n, line};
}

/* Up to its last end of line. */
static str whole_rows(str s) {
    size_t last = str_rfind(s, '\n');
    return last < s.n ? str_upto(s, last + 1) : (str){s.p, 0};
}

/* Each document is hashed at once, while it is near. The last one of a piece that is not the text's end may go on behind it: the next piece
 * begins with it. Markers are rows, so pieces end with one. */
struct cut cut_text(struct window *w) {
    struct cut c = {0};
    uint32_t cap = 0, line = 1;
    uint64_t at = 0;
    size_t wanted = WINDOW_BYTES;
    for (bool end = false; !end;) {
        str piece = window_read(w, at, wanted);
        end = piece.n < wanted;
        str text = end ? piece : whole_rows(piece), rest = text, doc;
        uint32_t now = line, doc_line;
        size_t taken = 0;
        while (yaml_next_document(&rest, &now, &doc, &doc_line) && (end || rest.n)) {
            add(&c, &cap, doc, at + (size_t)(doc.p - text.p), doc_line);
            taken = (size_t)(rest.p - text.p), line = now;
        }
        at += taken;
        wanted = taken ? WINDOW_BYTES : wanted * 2;
        if (at + wanted > 2 * (uint64_t)CUT_BYTES_MAX) c.trouble = "is larger than 256 MiB";
        if (w->trouble) c.trouble = strerror(w->trouble);
        if (c.trouble) break;
    }
    return c;
}

bool cut_read(const struct cut *c, uint32_t i, struct window *w, str *ret) {
    *ret = window_read(w, c->places[i], c->marks[i].bytes);
    return ret->n == c->marks[i].bytes && hash_text(*ret) == c->marks[i].hash;
}
