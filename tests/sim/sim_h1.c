/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "sim.h"

static size_t find(str s, const char *what) {
    const char *p = s.n ? memmem(s.p, s.n, what, strlen(what)) : NULL;
    return p ? (size_t)(p - s.p) : SIZE_MAX;
}

str sim_h1_field(str head, const char *name) {
    size_t n = strlen(name);
    for (size_t at; (at = find(head, "\r\n")) != SIZE_MAX;) {
        head = str_from(head, at + 2);
        if (head.n > n + 1 && strncasecmp(head.p, name, n) == 0 && head.p[n] == ':') {
            str v = str_from(head, n + 1);
            return str_trim(str_upto(v, find(v, "\r\n")));
        }
    }
    return (str){0};
}

static uint64_t number(str s, unsigned base) {
    uint64_t v = 0;
    if (!s.n || s.n > 15) fake_fail("no number: \"" STR_FMT "\"", STR_ARG(s));
    for (size_t i = 0; i < s.n; i++) {
        char c = str_lower(s.p[i]);
        unsigned d = c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
        if (d >= base) fake_fail("no number: \"" STR_FMT "\"", STR_ARG(s));
        v = v * base + d;
    }
    return v;
}

static void ended(struct sim_h1 *h) {
    h->state = SIM_HEAD;
    h->end(h);
}

static bool read_head(struct sim_h1 *h) {
    str all = buf_str(&h->b);
    size_t n = find(all, "\r\n\r\n");
    if (n == SIZE_MAX) return false;
    str head = str_upto(all, n + 2);
    h->no_body = h->raw = false;
    str length = sim_h1_field(head, "Content-Length"), coding = sim_h1_field(head, "Transfer-Encoding");
    bool interim = !h->request && head.n > 12 && head.p[9] == '1';
    if (length.p && coding.p) fake_fail("both Content-Length and Transfer-Encoding");
    h->left = length.p ? number(length, 10) : 0;
    h->head(h, head);
    if (h->stopped) return false;
    buf_consume(&h->b, n + 4);
    if (h->raw) h->state = SIM_TO_CLOSE;
    if (interim) return true;
    if (h->no_body || (length.p && !h->left) || (h->request && !length.p && !coding.p))
        ended(h);
    else if (length.p)
        h->state = SIM_LENGTH;
    else
        h->state = coding.p ? SIM_CHUNK_HEAD : SIM_TO_CLOSE;
    return true;
}

static bool read_bytes(struct sim_h1 *h) {
    size_t n = h->b.n < h->left ? h->b.n : h->left;
    if (!n) return false;
    h->left -= n;
    h->body(h, str_upto(buf_str(&h->b), n));
    if (h->stopped) return false;
    buf_consume(&h->b, n);
    if (h->left) return false;
    if (h->state == SIM_LENGTH)
        ended(h);
    else
        h->state = SIM_CHUNK_END;
    return true;
}

static bool read_line(struct sim_h1 *h) {
    str all = buf_str(&h->b);
    size_t n = find(all, "\r\n");
    if (n == SIZE_MAX) return false;
    if (h->state == SIM_CHUNK_HEAD) {
        h->left = number(str_upto(all, n), 16);
        h->state = h->left ? SIM_CHUNK : SIM_TRAILERS;
    } else if (h->state == SIM_CHUNK_END) {
        if (n) fake_fail("a chunk is longer than it says");
        h->state = SIM_CHUNK_HEAD;
    } else if (!n) { /* the end of the trailers */
        buf_consume(&h->b, 2);
        ended(h);
        return true;
    }
    buf_consume(&h->b, n + 2);
    return true;
}

static bool step(struct sim_h1 *h) {
    switch ((enum sim_h1_state)h->state) {
    case SIM_HEAD: return h->b.n && read_head(h);
    case SIM_LENGTH:
    case SIM_CHUNK: return read_bytes(h);
    case SIM_CHUNK_HEAD:
    case SIM_CHUNK_END:
    case SIM_TRAILERS: return read_line(h);
    case SIM_TO_CLOSE:
        if (h->b.n) h->body(h, buf_str(&h->b));
        buf_clear(&h->b);
        return false;
    }
    return false;
}

void sim_h1_read(struct sim_h1 *h, str bytes) {
    if (h->stopped) return;
    buf_add(&h->b, bytes);
    while (!h->stopped && step(h)) {}
}

/* ---- bodies ---- */

static char body_at(uint64_t key, size_t i) {
    return (char)('a' + (key * 7 + i + (i >> 5) * 11 + (i >> 11) * 3) % 26);
}

void sim_body_add(struct buf *b, uint64_t key, size_t from, size_t n) {
    for (size_t i = 0; i < n; i++) buf_add_char(b, body_at(key, from + i));
}

void sim_body_check(uint64_t key, size_t from, str bytes, const char *whose, uint32_t id) {
    for (size_t i = 0; i < bytes.n; i++)
        if (bytes.p[i] != body_at(key, from + i))
            fake_fail("request %u: byte %zu of the %s is not what was sent: \"" STR_FMT "\"", id, from + i,
                      whose, STR_ARG(str_upto(str_from(bytes, i), 60)));
}
