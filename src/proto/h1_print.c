/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_print.h"

#include "base/num.h"
#include "http/http_chars.h"
#include "proto/h1_scan.h"
#include "proto/hop.h"

struct writer {
    char *w;
};
static inline void put(struct writer *w, str s) {
    if (s.n) memcpy(w->w, s.p, s.n);
    w->w += s.n;
}
static inline void put_crlf(struct writer *w) {
    memcpy(w->w, "\r\n", 2);
    w->w += 2;
}
static void put_number(struct writer *w, uint64_t v) {
    char digits[NUM_DIGITS_MAX];
    put(w, num_print(v, digits));
}

/* The fields as they lie in the buffer they were read from, line after line: copied in one go as long as none is left out. The bytes
 * between the strs are compared, so that what is copied is always "name: value CRLF". */
struct run {
    const char *p;
    size_t n;
};
static inline bool is_line(const struct http_field *f) {
    const char *after = f->name.p + f->name.n;
    return f->value.p == after + 2 && memcmp(after, ": ", 2) == 0;
}
static inline bool joins(const struct run *r, const struct http_field *f) {
    if (r->n == 0) return false;
    const char *end = r->p + r->n;
    return f->name.p == end + 2 && memcmp(end, "\r\n", 2) == 0;
}
static inline void put_run(struct writer *w, struct run *r) {
    if (r->n == 0) return;
    put(w, (str){r->p, r->n});
    put_crlf(w);
    r->n = 0;
}

/* A name of the table is a token. */
static inline bool name_ok(const struct http_field *f) {
    return f->id != FIELD_OTHER || (f->name.n && http_chars_all(f->name.p, f->name.n, HTTP_CHAR_TOKEN));
}

static err put_fields(struct writer *w, const struct http_msg *m, uint32_t without, bool options) {
    struct run run = {0};
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || without >> f->id & 1 || (options && hop_names(m, f->name))) continue;
        if (is_line(f)) {
            if (!joins(&run, f)) {
                put_run(w, &run);
                run.p = f->name.p;
            }
            run.n = (size_t)(f->value.p + f->value.n - run.p);
            continue;
        }
        put_run(w, &run);
        if (!name_ok(f) || !h1_scan_is_value(f->value)) return ERR_PROTO;
        put(w, f->name);
        put(w, S(": "));
        put(w, f->value);
        put_crlf(w);
    }
    put_run(w, &run);
    return OK;
}

static void put_framing(struct writer *w, const struct h1_print *how) {
    if (how->body == HTTP_BODY_LENGTH) {
        put(w, S("Content-Length: "));
        put_number(w, how->length);
        put_crlf(w);
    } else if (how->body == HTTP_BODY_CHUNKED) {
        put(w, S("Transfer-Encoding: chunked\r\n"));
    }
    if (how->upgrade.n) {
        put(w, S("Upgrade: "));
        put(w, how->upgrade);
        put_crlf(w);
    }
    if (how->options) {
        put(w, S("Connection: "));
        put(w, str_of(how->options));
        put_crlf(w);
    }
    put_crlf(w);
}

/* What is to be known of the fields before they are written. */
struct measure {
    size_t room;  /* at most; what any first line and framing take besides is added */
    bool options; /* a Connection field may be among them */
};
static struct measure measure(const struct http_msg *m, size_t more) {
    struct measure got = {.room = 192 + more + 4 * (size_t)m->fields_n,
                          .options = http_msg_may_have(m, FIELD_CONNECTION)};
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        got.room += f->name.n + f->value.n;
    }
    return got;
}

/* Nothing in it that would end the line or begin another part of it. */
static bool target_ok(const struct http_msg *m) {
    bool path =
        m->path.n && (m->path.p[0] == '/' || str_eq(m->path, S("*"))) && str_find(m->path, '?') == m->path.n;
    bool query = m->query.n == 0 || m->query.p[0] == '?';
    return path && query && h1_scan_is_target(m->path) && h1_scan_is_target(m->query) &&
           h1_scan_is_target(m->authority);
}

static inline bool upgrade_ok(const struct h1_print *how) {
    return !how->upgrade.n || h1_scan_is_value(how->upgrade);
}

err h1_print_request(struct h1_out *o, const struct http_msg *m, const struct h1_print *how) {
    bool method = m->method.n && http_chars_all(m->method.p, m->method.n, HTTP_CHAR_TOKEN);
    if (!method || !target_ok(m) || !upgrade_ok(how)) return ERR_PROTO;
    struct measure all = measure(m, m->method.n + m->path.n + m->query.n + m->authority.n + how->upgrade.n);
    if (!h1_out_takes(o, all.room)) return ERR_AGAIN;
    char *start = h1_out_room(o, all.room);
    struct writer w = {start};
    put(&w, m->method);
    put(&w, S(" "));
    put(&w, m->path);
    put(&w, m->query);
    put(&w, S(" HTTP/1.1\r\nHost: "));
    put(&w, m->authority);
    put_crlf(&w);
    TRY(put_fields(&w, m, HOP_LEFT_OUT | HOP_BIT(HOST), all.options));
    if (how->options && hop_takes_trailers(m)) put(&w, S("TE: trailers\r\n"));
    put_framing(&w, how);
    h1_out_added(o, (size_t)(w.w - start));
    return OK;
}

err h1_print_response(struct h1_out *o, const struct http_msg *m, const struct h1_print *how) {
    struct measure all = measure(m, how->upgrade.n);
    if (m->status < 100 || m->status > 999 || !upgrade_ok(how)) return ERR_PROTO;
    if (!h1_out_takes(o, all.room)) return ERR_AGAIN;
    char *start = h1_out_room(o, all.room);
    struct writer w = {start};
    put(&w, S("HTTP/1.1 "));
    put_number(&w, m->status);
    put(&w, S(" "));
    put(&w, http_status_reason(m->status));
    put_crlf(&w);
    TRY(put_fields(&w, m, HOP_LEFT_OUT, all.options));
    put_framing(&w, how);
    h1_out_added(o, (size_t)(w.w - start));
    return OK;
}

err h1_print_last_chunk(struct h1_out *o, const struct http_msg *trailers) {
    struct measure all = {.room = 8};
    if (trailers) all = measure(trailers, 0);
    if (!h1_out_takes(o, all.room)) return ERR_AGAIN;
    char *start = h1_out_room(o, all.room);
    struct writer w = {start};
    put(&w, S("0\r\n"));
    if (trailers) TRY(put_fields(&w, trailers, HOP_LEFT_OUT | HOP_BIT(HOST), all.options));
    put_crlf(&w);
    h1_out_added(o, (size_t)(w.w - start));
    return OK;
}

void h1_print_chunk(struct h1_out *o, size_t n) {
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t at = sizeof digits;
    do digits[--at] = hex[n & 15];
    while (n >>= 4);
    struct writer w = {h1_out_room(o, sizeof digits + 2)};
    put(&w, (str){digits + at, sizeof digits - at});
    put_crlf(&w);
    h1_out_added(o, sizeof digits - at + 2);
}
