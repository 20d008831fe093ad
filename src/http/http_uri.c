/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_uri.h"

#include "base/ip.h"
#include "base/num.h"
#include "http/http_chars.h"

enum { HOST_BYTES_MAX = 255 };

static err read_port(str text, uint16_t *ret) {
    if (text.n == 0) { /* port is *DIGIT: none is as good as absent [RFC 3986 3.2.3] */
        *ret = 0;
        return OK;
    }
    return num_parse_port(text, ret) == OK ? OK : ERR_PROTO;
}

/* "[" IPv6 "]" and what follows; IPvFuture and zones are not served. */
static err read_literal(str s, str *ret_host, str *ret_rest) {
    size_t close = str_find(s, ']');
    struct ip ip;
    if (close == s.n) return ERR_PROTO;
    if (ip_parse((str){s.p + 1, close - 1}, &ip) != OK || ip.family != 6) return ERR_PROTO;
    *ret_host = str_upto(s, close + 1);
    *ret_rest = str_from(s, close + 1);
    return OK;
}

/* *ret_upper: it has capitals. */
static err read_name(str s, str *ret_host, str *ret_rest, bool *ret_upper) {
    unsigned before = HTTP_CHAR_DOT, all = 0,
             twice = 0; /* a dot after a dot, or at the start: an empty label */
    size_t n = 0;
    for (; n < s.n; n++) {
        unsigned c = http_chars[(unsigned char)s.p[n]];
        if (!(c & HTTP_CHAR_NAME)) break;
        twice |= c & before;
        before = c;
        all |= c;
    }
    if (n == 0 || n > HOST_BYTES_MAX || twice & HTTP_CHAR_DOT) return ERR_PROTO;
    *ret_host = str_upto(s, before & HTTP_CHAR_DOT ? n - 1 : n);
    *ret_rest = str_from(s, n);
    *ret_upper = all & HTTP_CHAR_UPPER;
    return OK;
}

/* The host as it stands. */
static err read_authority(str s, str *ret_host, uint16_t *ret_port, bool *ret_upper) {
    str host = S(""), rest = S("");
    uint16_t port = 0;
    *ret_upper = s.n && s.p[0] == '['; /* perhaps: hexadecimal digits */
    if (s.n) TRY(s.p[0] == '[' ? read_literal(s, &host, &rest) : read_name(s, &host, &rest, ret_upper));
    if (rest.n) {
        if (rest.p[0] != ':') return ERR_PROTO;
        TRY(read_port(str_from(rest, 1), &port));
    }
    *ret_host = host;
    *ret_port = port;
    return OK;
}

bool http_uri_authority_ok(str authority) {
    str host;
    uint16_t port;
    bool upper;
    return read_authority(authority, &host, &port, &upper) == OK;
}

err http_uri_split_authority(struct arena *a, str authority, str *ret_host, uint16_t *ret_port) {
    str host;
    uint16_t port;
    bool upper;
    TRY(read_authority(authority, &host, &port, &upper));
    if (upper) {
        char *p = arena_raw(a, host.n + 1);
        for (size_t i = 0; i < host.n; i++) p[i] = str_lower(host.p[i]);
        host.p = p;
    }
    *ret_host = host;
    *ret_port = port;
    return OK;
}

/* How many bytes at the start need no look: no escape, no dot that begins a segment. */
static size_t plain_length(str path) {
    size_t i = 0;
    while (i < path.n) {
        if (!http_chars_has(path.p[i], HTTP_CHAR_PLAIN) && (path.p[i] != '.' || path.p[i - 1] == '/')) break;
        i++;
    }
    return i;
}

/* One byte or escape of a path, decoded when that does not change what it means [RFC 3986 2.3]; *ret_n bytes were read, up to three
 * written at w. 0: refused. */
static size_t decode(str s, char *w, size_t *ret_n) {
    static const char digits[] = "0123456789ABCDEF";
    *ret_n = 1;
    *w = s.p[0];
    if (s.p[0] != '%') return http_chars_has(s.p[0], HTTP_CHAR_PLAIN) || s.p[0] == '.';
    int high = s.n > 2 ? num_hex(s.p[1]) : -1, low = s.n > 2 ? num_hex(s.p[2]) : -1;
    if (high < 0 || low < 0) return 0;
    *ret_n = 3;
    char c = (char)(high << 4 | low);
    if (c == 0 || c == '\\') return 0;
    if (http_chars_has(c, HTTP_CHAR_NAME)) { /* the characters of a host name are just the unreserved ones */
        *w = c;
        return 1;
    }
    w[1] = digits[high], w[2] = digits[low];
    return 3;
}

/* Ends the segment of p that begins at start and ends at *n: "." and ".." go [RFC 3986 5.2.4]. Each segment begins behind its "/". */
static err end_segment(char *p, size_t start, size_t *n) {
    str segment = {p + start, *n - start};
    if (str_eq(segment, S("."))) *n = start;
    if (!str_eq(segment, S(".."))) return OK;
    if (start < 2) return ERR_PROTO; /* above the root */
    for (*n = start - 1; p[*n - 1] != '/';) (*n)--;
    return OK;
}

err http_uri_normal_path(struct arena *a, str path, str *ret_path) {
    if (str_eq(path, S("*"))) {
        *ret_path = path;
        return OK;
    }
    if (path.n == 0 || path.p[0] != '/') return ERR_PROTO;
    size_t n = plain_length(path);
    if (n == path.n) {
        *ret_path = path;
        return OK;
    }
    char *p = arena_raw(a, path.n + 1);
    memcpy(p, path.p, n);
    size_t start = n; /* of the segment that is being written */
    while (p[start - 1] != '/') start--;
    for (size_t i = n, used; i < path.n; i += used) {
        size_t wrote = decode(str_from(path, i), p + n, &used);
        if (wrote == 0) return ERR_PROTO;
        if (path.p[i] == '/') {
            size_t end = n;
            TRY(end_segment(p, start, &end));
            /* a segment that went leaves the slash before it as this one */
            n = end == n ? n + 1 : end;
            p[n - 1] = '/';
            start = n;
        } else {
            n += wrote;
        }
    }
    TRY(end_segment(p, start, &n));
    *ret_path = (str){p, n};
    return OK;
}

/* Percent-decoded in a; a bad escape stays as it is. */
static str decoded(struct arena *a, str s) {
    if (str_find(s, '%') == s.n) return s;
    char *p = arena_raw(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? num_hex(s.p[i + 1]) : -1;
        int low = high < 0 ? -1 : num_hex(s.p[i + 2]);
        p[n++] = (char)(low < 0 ? s.p[i] : high << 4 | low);
        if (low >= 0) i += 2;
    }
    return (str){p, n};
}

str http_uri_query_param(struct arena *a, str query, str name) {
    str rest = query.n && query.p[0] == '?' ? str_from(query, 1) : query;
    while (rest.n) {
        str value = str_cut(&rest, '&');
        str key = str_cut(&value, '=');
        if (key.n == 0 && value.n == 0) continue;
        if (str_eq(decoded(a, key), name)) return value.p ? decoded(a, value) : S("");
    }
    return (str){0};
}

static bool stays_in_query(char c) {
    return http_chars_has(c, HTTP_CHAR_NAME) || c == '/' || c == ':' || c == '@' || c == ',';
}

static void add_encoded(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (stays_in_query(s.p[i]))
            buf_add_char(b, s.p[i]);
        else
            buf_printf(b, "%%%02X", (unsigned char)s.p[i]);
    }
}

static void add_parameter(struct buf *b, str name, str value) {
    buf_add_char(b, b->n ? '&' : '?');
    add_encoded(b, name);
    buf_add_char(b, '=');
    add_encoded(b, value);
}

/* Each part as it is, but for those of the name: the first becomes `value`, if there is one. */
static str query_changed(struct arena *a, str query, str name, str value) {
    struct buf b;
    buf_init(&b, query.n + 3 * (name.n + value.n) + 4);
    bool placed = !value.p;
    str rest = query.n && query.p[0] == '?' ? str_from(query, 1) : query;
    while (rest.n) {
        str part = str_cut(&rest, '&'), key = part;
        key = str_cut(&key, '=');
        bool same = str_eq(decoded(a, key), name);
        if (same && !placed) add_parameter(&b, name, value);
        placed |= same;
        if (same) continue;
        buf_add_char(&b, b.n ? '&' : '?');
        buf_add(&b, part);
    }
    if (!placed) add_parameter(&b, name, value);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

str http_uri_query_without(struct arena *a, str query, str name) {
    return query_changed(a, query, name, (str){0});
}

str http_uri_query_with(struct arena *a, str query, str name, str value) {
    return query_changed(a, query, name, value.p ? value : S(""));
}
