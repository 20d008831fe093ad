/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_forwarded.h"

#include "http/http_chars.h"

/* Is the quote at i one that begins or ends a string? Not with an odd number of backslashes before it. */
static bool is_bare(str s, size_t i) {
    size_t n = 0;
    while (n < i && s.p[i - n - 1] == '\\') n++;
    return n % 2 == 0;
}

str http_forwarded_last(str *list) {
    str s = *list;
    bool quoted = false;
    for (size_t i = s.n; i > 0; i--) {
        char c = s.p[i - 1];
        if (c == '"' && is_bare(s, i - 1)) quoted = !quoted;
        if (c != ',' || quoted) continue;
        *list = str_upto(s, i - 1);
        return str_trim(str_from(s, i));
    }
    *list = str_upto(s, 0);
    return str_trim(s);
}

/* ---- one element ---- */

static str take_token(str *s) {
    size_t n = 0;
    while (n < s->n && http_chars_has(s->p[n], HTTP_CHAR_TOKEN)) n++;
    str token = str_upto(*s, n);
    *s = str_from(*s, n);
    return token;
}

/* After the opening quote. A value without escapes is the element's.                      [RFC 9110 5.6.4] */
static err take_quoted(struct arena *a, str *s, str *ret) {
    size_t end = 0, escapes = 0, n = 0;
    for (; end < s->n && s->p[end] != '"'; end++) {
        if (s->p[end] == '\\') escapes++, end++;
        if (end == s->n || !http_chars_has(s->p[end], HTTP_CHAR_VALUE)) return ERR_PROTO;
    }
    if (end == s->n) return ERR_PROTO;
    *ret = str_upto(*s, end);
    *s = str_from(*s, end + 1);
    if (!escapes) return OK;
    char *p = arena_raw(a, end - escapes);
    for (size_t i = 0; i < end; i++) {
        if (ret->p[i] == '\\') i++;
        p[n++] = ret->p[i];
    }
    *ret = (str){p, n};
    return OK;
}

static bool take_char(str *s, char c) {
    if (!s->n || s->p[0] != c) return false;
    *s = str_from(*s, 1);
    return true;
}

/* Of parameters that nobody here knows, the form alone is looked at. */
static err take_pair(struct arena *a, str *s, struct http_forwarded *f) {
    str name = take_token(s), value;
    if (!name.n || !take_char(s, '=')) return ERR_PROTO;
    if (take_char(s, '"')) {
        TRY(take_quoted(a, s, &value));
    } else {
        value = take_token(s);
        if (!value.n) return ERR_PROTO;
    }
    str *to = str_ieq(name, S("for"))     ? &f->node
              : str_ieq(name, S("by"))    ? &f->by
              : str_ieq(name, S("host"))  ? &f->host
              : str_ieq(name, S("proto")) ? &f->proto
                                          : NULL;
    if (!to) return OK;
    if (to->p) return ERR_PROTO; /* "MUST NOT occur more than once" */
    *to = value;
    return OK;
}

err http_forwarded_read(struct arena *a, str element, struct http_forwarded *ret) {
    struct http_forwarded f = {0};
    for (;;) {
        while (take_char(&element, ';')) {} /* a pair may be empty */
        if (!element.n) break;
        TRY(take_pair(a, &element, &f));
        if (element.n && element.p[0] != ';') return ERR_PROTO;
    }
    *ret = f;
    return OK;
}

/* ---- nodes ---- */

static bool is_obscured(str s) {
    if (s.n < 2 || s.p[0] != '_') return false;
    for (size_t i = 1; i < s.n; i++) {
        char c = s.p[i], low = (char)(c | 0x20);
        bool ok = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!ok) return false;
    }
    return true;
}

static bool is_port(str s) {
    if (is_obscured(s)) return true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    return s.n >= 1 && s.n <= 5;
}

err http_forwarded_address(str node, struct ip *ret) {
    bool v6 = node.n && node.p[0] == '[';
    size_t end = str_find(node, v6 ? ']' : ':');
    if (v6 && end == node.n) return ERR_PROTO;
    str name = v6 ? str_upto(str_from(node, 1), end - 1) : str_upto(node, end);
    str rest = str_from(node, v6 ? end + 1 : end);
    struct ip ip;
    if (rest.n && (rest.p[0] != ':' || !is_port(str_from(rest, 1)))) return ERR_PROTO;
    if (!v6 && (str_ieq(name, S("unknown")) || is_obscured(name))) return ERR_ABSENT;
    TRY(ip_parse(name, &ip));
    if ((ip.family == 6) != v6) return ERR_PROTO;
    *ret = ip;
    return OK;
}

/* ---- printing ---- */

static void add_value(struct buf *b, str name, str value) {
    if (!value.n) return;
    buf_add(b, name);
    if (http_chars_all(value.p, value.n, HTTP_CHAR_TOKEN)) {
        buf_add(b, value);
        return;
    }
    buf_add(b, S("\""));
    if (!memchr(value.p, '"', value.n) && !memchr(value.p, '\\', value.n)) {
        buf_add(b, value);
    } else {
        for (size_t i = 0; i < value.n; i++) {
            if (value.p[i] == '"' || value.p[i] == '\\') buf_add_char(b, '\\');
            buf_add_char(b, value.p[i]);
        }
    }
    buf_add(b, S("\""));
}

void http_forwarded_print(struct buf *b, str ip, str host, str proto) {
    bool v6 = str_find(ip, ':') < ip.n;
    buf_add(b, v6 ? S("for=\"[") : S("for=")); /* [RFC 7239 6.1] */
    buf_add(b, ip);
    if (v6) buf_add(b, S("]\""));
    add_value(b, S(";host="), host);
    add_value(b, S(";proto="), proto);
}
