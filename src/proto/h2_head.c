/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2_head.h"

#include "base/num.h"
#include "http/http_chars.h"
#include "http/http_uri.h"
#include "proto/h1_scan.h"
#include "proto/hop.h"

enum {
    LINE_FRAMING = 4,         /* ": " and CRLF */
    PSEUDO_FIELDS_MAX = 5,    /* of a request, with :protocol */
    KEPT_BYTES_MAX = 8 << 10, /* of a buffer that outlives its section */
};

void h2_head_init(struct h2_head *h, uint32_t fields_max) {
    *h = (struct h2_head){.lines_max = fields_max + PSEUDO_FIELDS_MAX};
    buf_init(&h->bytes, UINT32_MAX);
}

void h2_head_limit(struct h2_head *h, uint32_t fields_max) { h->lines_max = fields_max + PSEUDO_FIELDS_MAX; }

void h2_head_fini(struct h2_head *h) {
    buf_fini(&h->bytes);
    free(h->lines);
    h->lines = NULL;
}

void h2_head_begin(struct h2_head *h, uint32_t bytes_max) {
    if (h->lines_cap < h->lines_max) {
        free(h->lines);
        h->lines = base_alloc(h->lines_max * sizeof *h->lines);
        h->lines_cap = h->lines_max;
    }
    if (h->bytes.cap > KEPT_BYTES_MAX) buf_fini(&h->bytes);
    buf_clear(&h->bytes);
    h->lines_n = h->size = 0;
    h->bytes_max = bytes_max;
    h->bad = h->too_large = false;
}

void h2_head_line(struct h2_head *h, str name, str value) {
    if (h->too_large) return;
    size_t all = (size_t)h->size + name.n + value.n + LINE_FRAMING;
    if (h->lines_n == h->lines_max || all > h->bytes_max) {
        h->too_large = true;
        return;
    }
    h->size = (uint32_t)all;
    struct h2_line *l = &h->lines[h->lines_n++];
    *l = (struct h2_line){.name_at = (uint32_t)h->bytes.n, .name_n = (uint32_t)name.n};
    buf_add(&h->bytes, name);
    l->value_at = (uint32_t)h->bytes.n, l->value_n = (uint32_t)value.n;
    buf_add(&h->bytes, value);
}

/* ---- what all sections have in common ---- */

/* The pseudo fields [RFC 9113 8.3]; not given: absent. */
struct pseudo {
    str method, scheme, authority, path, status, protocol;
    bool twice, other;
};
struct seen {
    uint32_t once, again; /* bits of the known fields that came; that came more than once */
    uint32_t cookies;
};

/* A message with room for the fields, and a copy of the section's bytes, in one block. */
static struct http_msg *new_message(const struct h2_head *h, struct arena *a, bool is_request,
                                    const char **ret_bytes) {
    enum { ROOM_FOR_MORE = 9 }; /* Host, and what the gateway itself adds */
    struct block {
        struct http_msg m;
        struct http_field fields[];
    };
    uint32_t cap = h->lines_n + ROOM_FOR_MORE;
    struct block *b = arena_raw(a, sizeof *b + cap * sizeof *b->fields + h->bytes.n);
    char *copy = (char *)&b->fields[cap];
    if (h->bytes.n) memcpy(copy, h->bytes.p, h->bytes.n);
    http_msg_init(&b->m, a, is_request);
    b->m.version = 20;
    b->m.keep_alive = true;
    b->m.fields = b->fields;
    b->m.fields_cap = cap;
    *ret_bytes = copy;
    return &b->m;
}

static void take_pseudo(struct pseudo *p, str name, str value) {
    str *at = str_eq(name, S(":method"))      ? &p->method
              : str_eq(name, S(":scheme"))    ? &p->scheme
              : str_eq(name, S(":authority")) ? &p->authority
              : str_eq(name, S(":path"))      ? &p->path
              : str_eq(name, S(":status"))    ? &p->status
              : str_eq(name, S(":protocol"))  ? &p->protocol
                                              : NULL;
    if (!at) {
        p->other = true;
        return;
    }
    p->twice |= at->p != NULL;
    *at = value;
}

/* A token in lower case [RFC 9113 8.2.1]. */
static bool name_ok(str name) {
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = http_chars[(unsigned char)name.p[i]];
        if (!(c & HTTP_CHAR_TOKEN) || c & HTTP_CHAR_UPPER) return false;
    }
    return name.n > 0;
}
/* No white space around it [RFC 9113 8.2.1]. */
static bool value_ok(str value) { return h1_scan_is_value(value) && str_trim(value).n == value.n; }

/* Pseudo fields come first; fields of a connection have no place at all [RFC 9113 8.2.2]. */
static err read_lines(const struct h2_head *h, const char *bytes, struct http_msg *m, struct pseudo *p,
                      struct seen *seen) {
    bool ok = !h->bad;
    for (uint32_t i = 0; i < h->lines_n; i++) {
        const struct h2_line *l = &h->lines[i];
        str name = {bytes + l->name_at, l->name_n}, value = {bytes + l->value_at, l->value_n};
        if (name.n && name.p[0] == ':') {
            ok &= m->fields_n == 0 && h1_scan_is_value(value);
            take_pseudo(p, name, value);
            continue;
        }
        ok &= name_ok(name) && value_ok(value);
        enum http_field_id id = http_field_id_of(name);
        uint32_t bit = id == FIELD_OTHER ? 0 : UINT32_C(1) << id;
        seen->again |= seen->once & bit;
        seen->once |= bit;
        seen->cookies += str_eq(name, S("cookie"));
        http_msg_add_known(m, id, name, value);
        if (id == FIELD_TE) ok &= str_ieq(value, S("trailers"));
    }
    enum {
        FORBIDDEN = (int)(HOP_BIT(CONNECTION) | HOP_BIT(KEEP_ALIVE) | HOP_BIT(PROXY_CONNECTION) |
                          HOP_BIT(TRANSFER_ENCODING) | HOP_BIT(UPGRADE))
    };
    ok &= !(seen->once & (uint32_t)FORBIDDEN);
    if (seen->once & HOP_BIT(HTTP2_SETTINGS)) hop_drop(m, HOP_BIT(HTTP2_SETTINGS));
    return ok && !p->twice && !p->other ? OK : ERR_PROTO;
}

static str value_of(const struct http_msg *m, enum http_field_id id) {
    return http_msg_find_id(m, id)->value;
}

/* Content-Length, once, and only with a body when it is not 0 [RFC 9113 8.1.1]. */
static err read_length(struct http_msg *m, const struct seen *seen, bool end) {
    m->body = end ? HTTP_BODY_NONE : HTTP_BODY_CHUNKED;
    if (!(seen->once & HOP_BIT(CONTENT_LENGTH))) return OK;
    if (seen->again & HOP_BIT(CONTENT_LENGTH)) return ERR_PROTO;
    if (num_parse(value_of(m, FIELD_CONTENT_LENGTH), INT64_MAX, &m->content_length) != OK) return ERR_PROTO;
    m->body = HTTP_BODY_LENGTH;
    return OK;
}

/* ---- requests ---- */

static bool scheme_ok(str s) { return str_ieq(s, S("http")) || str_ieq(s, S("https")); }

/* With :protocol CONNECT has what other requests have. For WebSocket it means what GET with Upgrade means in HTTP/1.1, and is told as that;
 * for anything else it stays CONNECT. Bytes of a tunnel have no length [RFC 8441 4]. */
static err read_protocol(struct http_msg *m, const struct pseudo *p, const struct seen *seen) {
    if (m->method_id != HTTP_CONNECT || !p->authority.p || seen->once & HOP_BIT(CONTENT_LENGTH))
        return ERR_PROTO;
    if (!p->protocol.n || !http_chars_all(p->protocol.p, p->protocol.n, HTTP_CHAR_TOKEN)) return ERR_PROTO;
    if (!str_ieq(p->protocol, S("websocket"))) return OK;
    m->upgrade = S("websocket");
    m->method = S("GET"), m->method_id = HTTP_GET;
    return OK;
}

/* The path and its query; CONNECT has neither, nor a scheme, and names a host with a port [RFC 9113 8.3.1] [RFC 9113 8.5]. */
static err read_target(struct http_msg *m, const struct pseudo *p) {
    m->path = S("*");
    if (m->method_id == HTTP_CONNECT && !p->protocol.p) {
        str host;
        uint16_t port;
        if (p->path.p || p->scheme.p || !p->authority.p) return ERR_PROTO;
        TRY(http_uri_split_authority(m->arena, p->authority, &host, &port));
        return host.n && port ? OK : ERR_PROTO;
    }
    if (!p->scheme.p || !scheme_ok(p->scheme) || p->path.n == 0) return ERR_PROTO;
    size_t mark = str_find(p->path, '?');
    m->path = str_upto(p->path, mark);
    m->query = str_from(p->path, mark);
    if (!h1_scan_is_target(p->path)) return ERR_PROTO;
    if (m->path.n && m->path.p[0] == '/') return OK;
    return str_eq(m->path, S("*")) && m->query.n == 0 && m->method_id == HTTP_OPTIONS ? OK : ERR_PROTO;
}

/* One authority, said by :authority, Host or both alike; further on it is Host, too, as every rule about fields expects [RFC 9113 8.3.1]. */
static err read_host(struct http_msg *m, const struct pseudo *p, const struct seen *seen) {
    bool host = seen->once & HOP_BIT(HOST);
    uint16_t port;
    if (seen->again & HOP_BIT(HOST)) return ERR_PROTO;
    if (!p->authority.p && !host) return ERR_PROTO;
    m->authority = p->authority.p ? p->authority : value_of(m, FIELD_HOST);
    if (p->authority.p && host && !str_ieq(value_of(m, FIELD_HOST), m->authority)) return ERR_PROTO;
    if (!host) http_msg_add_known(m, FIELD_HOST, S("host"), m->authority);
    return http_uri_split_authority(m->arena, m->authority, &m->host, &port);
}

static err read_expect(struct http_msg *m, const struct seen *seen, bool end) {
    if (!(seen->once & HOP_BIT(EXPECT))) return OK;
    if (seen->again & HOP_BIT(EXPECT) || !str_ieq(value_of(m, FIELD_EXPECT), S("100-continue")))
        return ERR_PROTO;
    m->expect_continue = !end;
    return OK;
}

/* A client may send the pairs of its Cookie apart; they are one field again before they go anywhere else [RFC 9113 8.2.3]. Empty ones would
 * leave white space at an end [RFC 9110 5.5]. */
static void join_cookies(struct http_msg *m) {
    size_t n = 0;
    for (uint32_t i = 0; i < m->fields_n; i++)
        if (str_eq(m->fields[i].name, S("cookie"))) n += m->fields[i].value.n + 2;
    char *p = arena_raw(m->arena, n), *w = p;
    struct http_field *first = NULL;
    for (uint32_t i = 0; i < m->fields_n; i++) {
        struct http_field *f = &m->fields[i];
        if (!str_eq(f->name, S("cookie"))) continue;
        if (w != p && f->value.n) memcpy(w, "; ", 2), w += 2;
        if (f->value.n) memcpy(w, f->value.p, f->value.n);
        w += f->value.n;
        if (first)
            f->gone = true;
        else
            first = f;
    }
    first->value = (str){p, (size_t)(w - p)};
}

static err read_request(const struct h2_head *h, const char *bytes, struct http_msg *m, bool end,
                        enum http_reason *ret_why) {
    struct pseudo p = {0};
    struct seen seen = {0};
    *ret_why = REASON_BAD_REQUEST;
    err e = read_lines(h, bytes, m, &p, &seen);
    if (p.method.p) {
        m->method = p.method;
        m->method_id = (uint8_t)http_method_of(p.method);
    }
    if (h->too_large) {
        *ret_why = REASON_HEAD_TOO_LARGE;
        return ERR_LIMIT;
    }
    TRY(e);
    if (p.status.p || !p.method.n || !http_chars_all(p.method.p, p.method.n, HTTP_CHAR_TOKEN))
        return ERR_PROTO;
    if (p.protocol.p) TRY(read_protocol(m, &p, &seen));
    TRY(read_target(m, &p));
    TRY(read_length(m, &seen, end || m->upgrade.n));
    *ret_why = REASON_BAD_HOST;
    TRY(read_host(m, &p, &seen));
    *ret_why = REASON_EXPECTATION_FAILED;
    TRY(read_expect(m, &seen, end));
    if (seen.cookies > 1) join_cookies(m);
    return OK;
}

err h2_head_request(const struct h2_head *h, struct arena *a, bool end, uint32_t line_bytes_max,
                    struct http_msg **ret, enum http_reason *ret_why) {
    const char *bytes;
    struct http_msg *m = new_message(h, a, true, &bytes);
    *ret = m;
    TRY(read_request(h, bytes, m, end, ret_why));
    if (m->path.n + m->query.n > line_bytes_max) {
        *ret_why = REASON_URI_TOO_LONG;
        return ERR_LIMIT;
    }
    if (end && m->content_length) {
        *ret_why = REASON_BAD_REQUEST;
        return ERR_PROTO;
    }
    return OK;
}

/* ---- responses and trailers ---- */

err h2_head_response(const struct h2_head *h, struct arena *a, bool end, uint8_t method_id,
                     struct http_msg **ret) {
    struct pseudo p = {0};
    struct seen seen = {0};
    const char *bytes;
    uint64_t status;
    struct http_msg *m = new_message(h, a, false, &bytes);
    *ret = m;
    if (h->too_large) return ERR_LIMIT;
    TRY(read_lines(h, bytes, m, &p, &seen));
    if (p.method.p || p.path.p || p.scheme.p || p.authority.p || p.protocol.p || p.status.n != 3)
        return ERR_PROTO;
    TRY(num_parse(p.status, 599, &status));
    if (status < 100 || status == 101) return ERR_PROTO; /* [RFC 9113 8.6] */
    m->status = (uint16_t)status;
    TRY(read_length(m, &seen, end));
    if (status < 200 || status == 204) m->body = HTTP_BODY_NONE, m->content_length = 0;
    bool bodyless = status == 204 || status == 304 || method_id == HTTP_HEAD;
    return status < 200 ? end ? ERR_PROTO : OK : end && !bodyless && m->content_length ? ERR_PROTO : OK;
}

err h2_head_trailers(const struct h2_head *h, struct arena *a, bool is_request, struct http_msg **ret) {
    struct pseudo p = {0};
    struct seen seen = {0};
    const char *bytes;
    struct http_msg *m = new_message(h, a, is_request, &bytes);
    *ret = m;
    if (h->too_large) return ERR_LIMIT;
    TRY(read_lines(h, bytes, m, &p, &seen));
    bool pseudo = p.method.p || p.path.p || p.scheme.p || p.authority.p || p.status.p || p.protocol.p;
    if (seen.once & (uint32_t)HOP_NO_TRAILER) hop_drop(m, HOP_NO_TRAILER);
    return pseudo ? ERR_PROTO : OK;
}
