/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/redirect.h"

#include "filter/path_change.h"

static uint16_t well_known_port(str scheme) {
    if (str_eq(scheme, S("http"))) return 80;
    return str_eq(scheme, S("https")) ? 443 : 0;
}

/* The filter's; else the well-known one of its scheme; else the listener's.                    [GW HTTPRequestRedirectFilter.port] */
static uint16_t port_of(const struct table_filter *f, const struct filter_context *cx) {
    if (f->port) return f->port;
    uint16_t port = well_known_port(f->scheme);
    return port ? port : cx->listener_port;
}

/* A request without a host (HTTP/1.0) gets a reference without one [RFC 9110 10.2.2]. */
str redirect_location(const struct table_filter *f, const struct filter_context *cx,
                      const struct http_msg *request) {
    struct arena *a = request->arena;
    str scheme = f->scheme.n ? f->scheme : cx->tls ? S("https") : S("http");
    str host = f->hostname.n ? f->hostname : cx->host;
    str path = path_change_apply(a, f, cx, request->path);
    str query = request->query;
    if (path.p[0] != '/') path = S("/");                             /* "*" is no path of a resource */
    while (path.n > 1 && path.p[1] == '/') path = str_from(path, 1); /* "//x" would name a host */
    if (!host.n) return arena_printf(a, STR_FMT STR_FMT, STR_ARG(path), STR_ARG(query));
    uint16_t port = port_of(f, cx);
    if (port == well_known_port(scheme))
        return arena_printf(a, STR_FMT "://" STR_FMT STR_FMT STR_FMT, STR_ARG(scheme), STR_ARG(host),
                            STR_ARG(path), STR_ARG(query));
    return arena_printf(a, STR_FMT "://" STR_FMT ":%u" STR_FMT STR_FMT, STR_ARG(scheme), STR_ARG(host), port,
                        STR_ARG(path), STR_ARG(query));
}
