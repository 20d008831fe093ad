/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/cors.h"

#include "base/num.h"

static const str request_method = S("Access-Control-Request-Method"),
                 request_headers = S("Access-Control-Request-Headers"),
                 allow_origin = S("Access-Control-Allow-Origin"),
                 allow_credentials = S("Access-Control-Allow-Credentials"),
                 allow_methods = S("Access-Control-Allow-Methods"),
                 allow_headers = S("Access-Control-Allow-Headers"),
                 expose_headers = S("Access-Control-Expose-Headers"), max_age = S("Access-Control-Max-Age");

static bool is_any(str s) { return str_eq(s, S("*")); }

bool cors_is_preflight(const struct http_msg *request) {
    return request->method_id == HTTP_OPTIONS && http_msg_find(request, S("Origin")) &&
           http_msg_find(request, request_method);
}

/* Scheme and host in any case, the port of the scheme where none is given. [RFC 6454 4] */
static err parse_origin(str s, struct table_origin *ret) {
    size_t colon = str_find(s, ':');
    str scheme = str_upto(s, colon), rest = str_from(s, colon);
    if (!str_starts(rest, S("://"))) return ERR_PROTO;
    rest = str_from(rest, 3);
    size_t end = rest.n && rest.p[0] == '[' ? str_find(rest, ']') + 1 : str_find(rest, ':');
    if (!end || end > rest.n) return ERR_PROTO;
    struct table_origin o = {scheme, str_upto(rest, end), str_ieq(scheme, S("https")) ? 443 : 80};
    str port = str_from(rest, end);
    if (port.n) {
        uint64_t v;
        if (port.p[0] != ':' || num_parse(str_from(port, 1), UINT16_MAX, &v) != OK) return ERR_PROTO;
        o.port = (uint32_t)v;
    }
    *ret = o;
    return OK;
}

/* "*" stands for any number of labels to the left. [GW HTTPCORSFilter.allowOrigins] */
static bool host_holds(str wanted, str host) {
    if (wanted.p[0] != '*') return str_ieq(wanted, host);
    str tail = str_from(wanted, 1);
    return host.n > tail.n && str_ieq(str_from(host, host.n - tail.n), tail);
}

static bool is_allowed(const struct table_cors *c, str origin) {
    if (!origin.n) return false;
    if (c->any_origin) return true;
    struct table_origin o;
    if (parse_origin(origin, &o) != OK) return false;
    for (uint32_t i = 0; i < c->origins_n; i++) {
        const struct table_origin *w = &c->origins[i];
        if (w->port == o.port && str_ieq(w->scheme, o.scheme) && host_holds(w->host, o.host)) return true;
    }
    return false;
}

/* Whoever keeps the response must not show it to another origin, unless all get the same. [RFC 9110 12.5.5] */
static void vary(const struct table_cors *c, struct http_msg *m, str by) {
    if (c->any_origin && !c->credentials && str_eq(by, S("Origin"))) return;
    http_msg_add(m, S("Vary"), by);
}

/* To whom, and what of it scripts may see: on every response. */
static void say_origin(const struct table_cors *c, str origin, struct http_msg *m) {
    http_msg_add(m, allow_origin, c->any_origin && !c->credentials ? S("*") : origin);
    if (c->credentials) http_msg_add(m, allow_credentials, S("true"));
    if (c->expose.n && !(c->credentials && is_any(c->expose))) http_msg_add(m, expose_headers, c->expose);
}

static str joined(const struct http_msg *m, struct arena *a, str name) {
    str v = http_msg_joined(m, a, name);
    return v.p ? v : S("");
}

/* A list, or for "*" what was asked for: with credentials "*" means nothing, and of headers it leaves out Authorization.
 *                                                                                            [Fetch CORS protocol] */
static void say_list(struct http_msg *m, str name, str allowed, str asked) {
    str value = is_any(allowed) ? asked : allowed;
    if (value.n) http_msg_add(m, name, value);
}

void cors_answer(const struct table_cors *c, const struct http_msg *request, struct http_msg *response) {
    struct arena *a = response->arena;
    str origin = joined(request, a, S("Origin"));
    vary(c, response, S("Origin"));
    if (is_any(c->methods)) vary(c, response, request_method);
    if (is_any(c->headers)) vary(c, response, request_headers);
    if (!is_allowed(c, origin)) return;
    say_origin(c, origin, response);
    say_list(response, allow_methods, c->methods, joined(request, a, request_method));
    say_list(response, allow_headers, c->headers, joined(request, a, request_headers));
    http_msg_add(response, max_age, c->max_age);
}

void cors_respond(const struct table_cors *c, str origin, struct http_msg *response) {
    const str ours[] = {allow_origin,  allow_credentials, allow_methods,
                        allow_headers, expose_headers,    max_age};
    for (size_t i = 0; i < COUNT_OF(ours); i++) http_msg_remove(response, ours[i]);
    vary(c, response, S("Origin"));
    if (is_allowed(c, origin)) say_origin(c, origin, response);
}
