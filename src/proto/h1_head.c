/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h1_head.h"

#include "base/num.h"
#include "http/http_chars.h"
#include "http/http_uri.h"
#include "proto/hop.h"

struct seen {
    uint32_t once, again; /* bits of the known fields that came; that came more than once */
};

struct http_msg *h1_head_new(struct arena *a, bool is_request, str bytes, const struct h1_section *s,
                             const char **ret_bytes) {
    enum { ROOM_FOR_MORE = 8 }; /* fields that the gateway itself adds */
    struct block {
        struct http_msg m;
        struct http_field fields[];
    };
    uint32_t cap = s->lines + ROOM_FOR_MORE;
    struct block *b = arena_raw(a, sizeof *b + cap * sizeof *b->fields + bytes.n + H1_SCAN_PADDING);
    char *copy = (char *)&b->fields[cap];
    memcpy(copy, bytes.p, bytes.n);
    memset(copy + bytes.n, 0, H1_SCAN_PADDING);
    http_msg_init(&b->m, a, is_request);
    b->m.fields = b->fields;
    b->m.fields_cap = cap;
    *ret_bytes = copy;
    return &b->m;
}

static inline bool is_space(char c) { return c == ' ' || c == '\t'; }

/* field-line = field-name ":" OWS field-value OWS; no space before the colon, no folded line [RFC 9112 5]. */
static inline err read_field(const char *p, const char *end, struct http_field *f) {
    const char *colon = h1_scan_name(p);
    if (*colon != ':' || colon == p) return ERR_PROTO;
    const char *v = colon + 1;
    while (is_space(*v)) v++; /* the CR at the end is no space */
    while (end > v && is_space(end[-1])) end--;
    f->name = (str){p, (size_t)(colon - p)};
    f->value = (str){v, (size_t)(end - v)};
    f->id = (uint8_t)http_field_id_of(f->name);
    f->gone = false;
    return OK;
}

static err read_fields(const char *bytes, const struct h1_section *s, uint32_t first, struct http_msg *m,
                       struct seen *seen) {
    const char *p = bytes + (first ? s->ends[first - 1] + 2 : 0);
    struct http_field *f = m->fields;
    uint32_t once = 0, again = 0;
    for (uint32_t i = first; i < s->lines; i++, f++) {
        const char *end = bytes + s->ends[i];
        TRY(read_field(p, end, f));
        uint32_t bit = UINT32_C(1) << f->id;
        again |= once & bit;
        once |= bit;
        p = end + 2;
    }
    m->fields_n = s->lines - first;
    m->ids = once;
    *seen = (struct seen){.once = once & ~HOP_BIT(OTHER), .again = again & ~HOP_BIT(OTHER)};
    return OK;
}

struct options {
    bool close, keep, upgrade;
};
/* One option of Connection: what it means, or the name of a field to drop. Host and framing are not the sender's to name: they
 * are written anew. */
static err take_option(struct http_msg *m, str option, struct options *o) {
    if (str_ieq(option, S("close"))) {
        o->close = true;
    } else if (http_field_id_of(option) == FIELD_KEEP_ALIVE) {
        o->keep = true;
    } else if (str_ieq(option, S("upgrade"))) {
        o->upgrade = true;
    } else if (!http_chars_all(option.p, option.n, HTTP_CHAR_TOKEN)) {
        return ERR_PROTO;
    } else if (!str_ieq(option, S("te")) && !str_ieq(option, S("host"))) {
        http_msg_remove(m, option);
    }
    return OK;
}
static err take_options(struct http_msg *m, str value, struct options *o) {
    if (http_field_id_of(value) == FIELD_KEEP_ALIVE) { /* what most say, and all of it */
        o->keep = true;
        return OK;
    }
    while (value.n) {
        str option = str_trim(str_cut(&value, ','));
        if (option.n) TRY(take_option(m, option, o));
    }
    return OK;
}

/* [RFC 9112 9.3] [RFC 9110 7.6.1] */
static err read_connection(struct http_msg *m, const struct seen *seen) {
    struct options o = {.keep = m->version >= 11};
    if (seen->once & HOP_BIT(CONNECTION)) {
        for (uint32_t i = 0; i < m->fields_n; i++)
            if (m->fields[i].id == FIELD_CONNECTION) TRY(take_options(m, m->fields[i].value, &o));
    }
    m->keep_alive = o.keep && !o.close;
    if (o.upgrade && seen->once & HOP_BIT(UPGRADE) && m->version >= 11)
        m->upgrade = http_msg_joined(m, m->arena, S("Upgrade"));
    if (seen->once & (uint32_t)HOP_BY_HOP) hop_drop(m, HOP_BY_HOP);
    return OK;
}

static str value_of(const struct http_msg *m, enum http_field_id id) {
    for (uint32_t i = 0; i < m->fields_n; i++)
        if (m->fields[i].id == id) return m->fields[i].value;
    return S("");
}

/* A list that does not end in "chunked", or has it elsewhere, has no sure end: 400. Another coding below it is not served: 501.
 * [RFC 9112 6.1] [RFC 9112 6.3] */
static enum http_reason coding_refused(str list) {
    size_t comma = str_rfind(list, ',');
    if (comma == list.n || !str_ieq(str_trim(str_from(list, comma + 1)), S("chunked")))
        return REASON_BAD_REQUEST;
    for (str rest = str_upto(list, comma); rest.n;) {
        str coding = str_trim(str_cut(&rest, ','));
        bool named = coding.n && http_chars_all(coding.p, coding.n, HTTP_CHAR_TOKEN);
        if (!named || str_ieq(coding, S("chunked"))) return REASON_BAD_REQUEST;
    }
    return REASON_NOT_IMPLEMENTED;
}

/* How the body ends: one Content-Length, or one Transfer-Encoding that is "chunked", never both [RFC 9112 6.3]. Equal Content-Lengths
 * are refused, too: nobody sends them honestly. Leaves m->body as it is when neither came. */
static err read_framing(struct http_msg *m, const struct seen *seen, enum http_reason *ret_why) {
    uint32_t framing = seen->once & (HOP_BIT(CONTENT_LENGTH) | HOP_BIT(TRANSFER_ENCODING));
    *ret_why = REASON_BAD_REQUEST;
    if (!framing) return OK;
    if (framing == (HOP_BIT(CONTENT_LENGTH) | HOP_BIT(TRANSFER_ENCODING)) || framing & seen->again)
        return ERR_PROTO;
    if (framing == HOP_BIT(CONTENT_LENGTH)) {
        if (num_parse(value_of(m, FIELD_CONTENT_LENGTH), INT64_MAX, &m->content_length) != OK)
            return ERR_PROTO;
        m->body = HTTP_BODY_LENGTH;
        return OK;
    }
    if (m->version < 11) return ERR_PROTO; /* [RFC 9112 6.1] */
    str coding = value_of(m, FIELD_TRANSFER_ENCODING);
    if (!str_ieq(coding, S("chunked"))) {
        *ret_why = coding_refused(coding);
        return ERR_PROTO;
    }
    m->body = HTTP_BODY_CHUNKED;
    return OK;
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT, with case [RFC 9112 2.3]. Minor versions above 1 are read as 1.1. */
static err read_version(const char *p, const char *end, uint8_t *ret_version, enum http_reason *ret_why) {
    *ret_why = REASON_BAD_REQUEST;
    if (end - p != 8 || memcmp(p, "HTTP/", 5) != 0) return ERR_PROTO;
    bool digits = p[5] >= '0' && p[5] <= '9' && p[6] == '.' && p[7] >= '0' && p[7] <= '9';
    if (!digits) return ERR_PROTO;
    if (p[5] != '1') {
        *ret_why = REASON_VERSION;
        return ERR_PROTO;
    }
    *ret_version = p[7] == '0' ? 10 : 11;
    return OK;
}

/* absolute-form: "http://authority/path"; https, too, for a gateway in front may say so. An empty path is "/", for OPTIONS "*"
 * [RFC 9112 3.2.2] [RFC 9112 3.2.4]. */
static err read_absolute(struct http_msg *m, str target) {
    size_t scheme = target.n > 7 && str_ieq(str_upto(target, 7), S("http://"))    ? 7
                    : target.n > 8 && str_ieq(str_upto(target, 8), S("https://")) ? 8
                                                                                  : 0;
    if (scheme == 0) return ERR_PROTO;
    str rest = str_from(target, scheme);
    size_t slash = str_find(rest, '/');
    m->authority = str_upto(rest, slash);
    m->path = str_from(rest, slash);
    if (m->path.n == 0) m->path = m->method_id == HTTP_OPTIONS && m->query.n == 0 ? S("*") : S("/");
    return m->authority.n && http_uri_authority_ok(m->authority) ? OK : ERR_PROTO;
}

/* The four forms of a target [RFC 9112 3.2]; m->path holds what is before the query. */
static err read_target(struct http_msg *m) {
    str target = m->path;
    if (m->method_id == HTTP_CONNECT) { /* authority-form, with a port */
        str host;
        uint16_t port;
        m->authority = target;
        m->path = S("*");
        if (m->query.n || http_uri_split_authority(m->arena, target, &host, &port) != OK) return ERR_PROTO;
        return host.n && port ? OK : ERR_PROTO;
    }
    if (target.n == 0) return ERR_PROTO;
    if (target.p[0] == '/') return OK;
    if (target.p[0] == '*')
        return target.n == 1 && m->query.n == 0 && m->method_id == HTTP_OPTIONS ? OK : ERR_PROTO;
    return read_absolute(m, target);
}

/* request-line = method SP request-target SP HTTP-version, one space each [RFC 9112 3]. */
static err read_request_line(const char *p, const char *end, struct http_msg *m, enum http_reason *ret_why) {
    *ret_why = REASON_BAD_REQUEST;
    const char *space = h1_scan_name(p);
    if (*space != ' ' || space == p) return ERR_PROTO;
    const char *target = space + 1, *mark = h1_scan_target(target), *after = mark;
    while (*after == '?') after = h1_scan_target(after + 1);
    if (*after != ' ') return ERR_PROTO;
    TRY(read_version(after + 1, end, &m->version, ret_why));
    m->method = (str){p, (size_t)(space - p)};
    m->method_id = (uint8_t)http_method_of(m->method);
    m->path = (str){target, (size_t)(mark - target)};
    m->query = (str){mark, (size_t)(after - mark)};
    return read_target(m);
}

/* Exactly one Host in HTTP/1.1, at most one in 1.0, always valid; the target's authority goes before it and is then what Host says, too
 * [RFC 9112 3.2] [RFC 9112 3.2.2]. */
static err read_host(struct http_msg *m, const struct seen *seen) {
    if (seen->again & HOP_BIT(HOST)) return ERR_PROTO;
    if (!(seen->once & HOP_BIT(HOST))) return m->version >= 11 ? ERR_PROTO : OK;
    struct http_field *host = m->fields;
    while (host->id != FIELD_HOST) host++;
    if (m->authority.n) {
        bool ok = http_uri_authority_ok(host->value);
        host->value = m->authority;
        return ok ? OK : ERR_PROTO;
    }
    uint16_t port;
    m->authority = host->value;
    return http_uri_split_authority(m->arena, m->authority, &m->host, &port);
}

/* [RFC 9110 10.1.1]; of HTTP/1.0 it is not heard. */
static err read_expect(struct http_msg *m, const struct seen *seen, enum http_reason *ret_why) {
    if (!(seen->once & HOP_BIT(EXPECT))) return OK;
    if (m->version < 11) {
        hop_drop(m, HOP_BIT(EXPECT));
        return OK;
    }
    *ret_why = REASON_EXPECTATION_FAILED;
    if (seen->again & HOP_BIT(EXPECT) || !str_ieq(value_of(m, FIELD_EXPECT), S("100-continue")))
        return ERR_PROTO;
    m->expect_continue = m->body == HTTP_BODY_CHUNKED || (m->body == HTTP_BODY_LENGTH && m->content_length);
    return OK;
}

err h1_head_request(const char *bytes, const struct h1_section *s, struct http_msg *m,
                    enum http_reason *ret_why) {
    struct seen seen = {0};
    *ret_why = REASON_BAD_REQUEST;
    if (s->lines == 0) return ERR_PROTO;
    TRY(read_request_line(bytes, bytes + s->ends[0], m, ret_why));
    TRY(read_fields(bytes, s, 1, m, &seen));
    TRY(read_framing(m, &seen, ret_why));
    *ret_why = REASON_BAD_HOST;
    TRY(read_host(m, &seen));
    TRY(read_expect(m, &seen, ret_why));
    *ret_why = REASON_BAD_REQUEST;
    return read_connection(m, &seen);
}

/* status-line = HTTP-version SP 3DIGIT SP [ reason ]; a missing last space is common and has one reading [RFC 9112 4].
 * A status that is none of 1xx to 5xx is treated as a failure of the backend [RFC 9110 15]. */
static err read_status_line(const char *p, const char *end, struct http_msg *m) {
    enum http_reason why;
    if (end - p < 12) return ERR_PROTO;
    TRY(read_version(p, p + 8, &m->version, &why));
    if (p[8] != ' ' || (end - p > 12 && p[12] != ' ')) return ERR_PROTO;
    uint64_t status;
    TRY(num_parse((str){p + 9, 3}, 599, &status));
    if (status < 100) return ERR_PROTO;
    m->status = (uint16_t)status;
    return OK;
}

err h1_head_response(const char *bytes, const struct h1_section *s, uint8_t method_id, struct http_msg *m) {
    struct seen seen = {0};
    enum http_reason why;
    if (s->lines == 0) return ERR_PROTO;
    TRY(read_status_line(bytes, bytes + s->ends[0], m));
    TRY(read_fields(bytes, s, 1, m, &seen));
    bool bodyless = m->status < 200 || m->status == 204;
    m->body = bodyless || m->status == 304 || method_id == HTTP_HEAD ? HTTP_BODY_NONE : HTTP_BODY_TO_CLOSE;
    TRY(read_framing(m, &seen, &why));
    if (bodyless)
        m->body = HTTP_BODY_NONE, m->content_length = 0; /* whatever the fields say [RFC 9112 6.3] */
    return read_connection(m, &seen);
}

err h1_head_trailers(const char *bytes, const struct h1_section *s, struct http_msg *m) {
    struct seen seen = {0};
    TRY(read_fields(bytes, s, 0, m, &seen));
    if (seen.once & (uint32_t)HOP_NO_TRAILER) hop_drop(m, HOP_NO_TRAILER);
    return OK;
}
