/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_msg.h"

static const str names[HTTP_FIELD_ID_COUNT] = {
    [FIELD_OTHER] = {"", 0},
#define NAME(id, text) [FIELD_##id] = {text, sizeof(text) - 1}
    NAME(CONNECTION, "connection"),
    NAME(CONTENT_LENGTH, "content-length"),
    NAME(CONTENT_TYPE, "content-type"),
    NAME(DATE, "date"),
    NAME(EXPECT, "expect"),
    NAME(FORWARDED, "forwarded"),
    NAME(HOST, "host"),
    NAME(HTTP2_SETTINGS, "http2-settings"),
    NAME(KEEP_ALIVE, "keep-alive"),
    NAME(LOCATION, "location"),
    NAME(PROXY_AUTHENTICATE, "proxy-authenticate"),
    NAME(PROXY_AUTHORIZATION, "proxy-authorization"),
    NAME(PROXY_CONNECTION, "proxy-connection"),
    NAME(SERVER, "server"),
    NAME(SET_COOKIE, "set-cookie"),
    NAME(TE, "te"),
    NAME(TRACEPARENT, "traceparent"),
    NAME(TRACESTATE, "tracestate"),
    NAME(TRAILER, "trailer"),
    NAME(TRANSFER_ENCODING, "transfer-encoding"),
    NAME(UPGRADE, "upgrade"),
    NAME(USER_AGENT, "user-agent"),
    NAME(VIA, "via"),
    NAME(X_FORWARDED_FOR, "x-forwarded-for"),
    NAME(X_FORWARDED_HOST, "x-forwarded-host"),
    NAME(X_FORWARDED_PORT, "x-forwarded-port"),
    NAME(X_FORWARDED_PROTO, "x-forwarded-proto"),
    NAME(X_REQUEST_ID, "x-request-id"),
#undef NAME
};

str http_field_name(enum http_field_id id) { return names[id]; }

static enum http_field_id candidate_of_10(char c) {
    if (c == 'u') return FIELD_USER_AGENT;
    if (c == 'c') return FIELD_CONNECTION;
    if (c == 't') return FIELD_TRACESTATE;
    return c == 'k' ? FIELD_KEEP_ALIVE : FIELD_SET_COOKIE;
}

/* The one name of the table that it can be, by its length and a letter. */
static enum http_field_id candidate(str name) {
    char c = (char)(name.p[0] | 0x20);
    switch (name.n) {
    case 2: return FIELD_TE;
    case 3: return FIELD_VIA;
    case 4: return c == 'h' ? FIELD_HOST : FIELD_DATE;
    case 6: return c == 's' ? FIELD_SERVER : FIELD_EXPECT;
    case 7: return c == 'u' ? FIELD_UPGRADE : FIELD_TRAILER;
    case 8: return FIELD_LOCATION;
    case 9: return FIELD_FORWARDED;
    case 10: return candidate_of_10(c);
    case 11: return FIELD_TRACEPARENT;
    case 12: return c == 'c' ? FIELD_CONTENT_TYPE : FIELD_X_REQUEST_ID;
    case 14: return c == 'c' ? FIELD_CONTENT_LENGTH : FIELD_HTTP2_SETTINGS;
    case 15: return FIELD_X_FORWARDED_FOR;
    case 16:
        if (c == 'p') return FIELD_PROXY_CONNECTION;
        return (name.p[12] | 0x20) == 'h' ? FIELD_X_FORWARDED_HOST : FIELD_X_FORWARDED_PORT;
    case 17: return c == 't' ? FIELD_TRANSFER_ENCODING : FIELD_X_FORWARDED_PROTO;
    case 18: return FIELD_PROXY_AUTHENTICATE;
    case 19: return FIELD_PROXY_AUTHORIZATION;
    default: return FIELD_OTHER;
    }
}

/* n bytes at p, without case, are those at lower: a letter (bit 0x40) may differ in bit 0x20, "-" and digits may not. */
static bool same8(const char *p, const char *lower) {
    uint64_t a, b;
    memcpy(&a, p, 8), memcpy(&b, lower, 8);
    return (a | (b & 0x4040404040404040u) >> 1) == b;
}
static bool same4(const char *p, const char *lower) {
    uint32_t a, b;
    memcpy(&a, p, 4), memcpy(&b, lower, 4);
    return (a | (b & 0x40404040u) >> 1) == b;
}
static bool same(const char *p, const char *lower, size_t n) {
    if (n < 4) {
        for (size_t i = 0; i < n; i++)
            if ((p[i] | 0x20) != lower[i]) return false; /* "te" and "via": letters only */
        return true;
    }
    if (n < 8) return same4(p, lower) && same4(p + n - 4, lower + n - 4);
    for (size_t i = 0; i + 8 < n; i += 8)
        if (!same8(p + i, lower + i)) return false;
    return same8(p + n - 8, lower + n - 8);
}

enum http_field_id http_field_id_of(str name) {
    if (name.n < 2) return FIELD_OTHER;
    enum http_field_id id = candidate(name);
    return id && same(name.p, names[id].p, name.n) ? id : FIELD_OTHER;
}
