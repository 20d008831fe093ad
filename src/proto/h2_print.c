/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2_print.h"

#include "base/num.h"
#include "http/http_chars.h"
#include "proto/h1_scan.h"
#include "proto/hop.h"

enum { PSEUDO_AND_OWN_MAX = 8 }; /* fields besides the message's */

void h2_print_fini(struct h2_print *p) {
    free(p->v);
    free(p->scratch);
    *p = (struct h2_print){0};
}

static void begin(struct h2_print *p, const struct http_msg *m) {
    size_t most = m->fields_n + PSEUDO_AND_OWN_MAX;
    if (most > p->cap) {
        p->v = base_realloc(p->v, most * sizeof *p->v);
        p->cap = most;
    }
    p->n = 0;
}

static void put(struct h2_print *p, str name, str value) {
    p->v[p->n++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                                .value = (uint8_t *)(uintptr_t)value.p,
                                .namelen = name.n,
                                .valuelen = value.n,
                                .flags = NGHTTP2_NV_FLAG_NONE};
}

/* The library copies names in lower case. A value begins and ends without white space [RFC 9113 8.2.1]. */
static err put_fields(struct h2_print *p, const struct http_msg *m, uint32_t without) {
    bool options = http_msg_may_have(m, FIELD_CONNECTION);
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || without >> f->id & 1 || (options && hop_names(m, f->name))) continue;
        if (f->name.n == 0 || !http_chars_all(f->name.p, f->name.n, HTTP_CHAR_TOKEN)) return ERR_PROTO;
        if (!h1_scan_is_value(f->value)) return ERR_PROTO;
        put(p, f->name, str_trim(f->value));
    }
    return OK;
}

static void put_length(struct h2_print *p, struct h2_length length) {
    if (!length.told) return;
    char digits[NUM_DIGITS_MAX];
    str text = num_print(length.bytes, digits);
    memcpy(p->number, text.p, text.n);
    put(p, S("content-length"), (str){p->number, text.n});
}

/* As in HTTP/1: nothing in it that would end a request line or begin another part of it. */
static bool target_ok(const struct http_msg *m) {
    bool path =
        m->path.n && (m->path.p[0] == '/' || str_eq(m->path, S("*"))) && str_find(m->path, '?') == m->path.n;
    bool query = m->query.n == 0 || m->query.p[0] == '?';
    return path && query && h1_scan_is_target(m->path) && h1_scan_is_target(m->query) &&
           h1_scan_is_target(m->authority);
}

/* Mostly they still lie side by side. */
static str whole_path(struct h2_print *p, const struct http_msg *m) {
    size_t n = m->path.n + m->query.n;
    if (m->query.n == 0) return m->path;
    if (m->path.p + m->path.n == m->query.p) return (str){m->path.p, n};
    if (n > p->scratch_cap) {
        p->scratch = base_realloc(p->scratch, n);
        p->scratch_cap = n;
    }
    memcpy(p->scratch, m->path.p, m->path.n);
    memcpy(p->scratch + m->path.n, m->query.p, m->query.n);
    return (str){p->scratch, n};
}

err h2_print_request(struct h2_print *p, const struct http_msg *m, struct h2_length length, bool tls,
                     bool tunnel) {
    bool method = m->method.n && http_chars_all(m->method.p, m->method.n, HTTP_CHAR_TOKEN);
    if (!method || !target_ok(m)) return ERR_PROTO;
    begin(p, m);
    put(p, S(":method"), tunnel ? S("CONNECT") : m->method);
    if (tunnel) put(p, S(":protocol"), S("websocket"));
    put(p, S(":scheme"), tls ? S("https") : S("http"));
    if (m->authority.n) put(p, S(":authority"), m->authority);
    put(p, S(":path"), whole_path(p, m));
    TRY(put_fields(p, m, HOP_LEFT_OUT | HOP_BIT(HOST)));
    if (!tunnel && hop_takes_trailers(m)) put(p, S("te"), S("trailers"));
    put_length(p, length);
    return OK;
}

err h2_print_response(struct h2_print *p, const struct http_msg *m, struct h2_length length) {
    if (m->status < 100 || m->status > 999) return ERR_PROTO;
    begin(p, m);
    char digits[NUM_DIGITS_MAX];
    memcpy(p->status, num_print(m->status == 101 ? 200 : m->status, digits).p, 3);
    put(p, S(":status"), (str){p->status, 3});
    TRY(put_fields(p, m, HOP_LEFT_OUT));
    put_length(p, length);
    return OK;
}

err h2_print_trailers(struct h2_print *p, const struct http_msg *m) {
    begin(p, m);
    return put_fields(p, m, HOP_LEFT_OUT | HOP_BIT(HOST));
}

struct h2_trailers *h2_print_copy(const struct h2_print *p) {
    size_t bytes = 0;
    for (size_t i = 0; i < p->n; i++) bytes += p->v[i].namelen + p->v[i].valuelen;
    struct h2_trailers *t = base_alloc(sizeof *t + p->n * sizeof *t->v + bytes);
    uint8_t *w = (uint8_t *)&t->v[p->n];
    t->n = p->n;
    for (size_t i = 0; i < p->n; i++) {
        nghttp2_nv v = p->v[i];
        memcpy(w, v.name, v.namelen);
        v.name = w, w += v.namelen;
        if (v.valuelen) memcpy(w, v.value, v.valuelen);
        v.value = w, w += v.valuelen;
        t->v[i] = v;
    }
    return t;
}
