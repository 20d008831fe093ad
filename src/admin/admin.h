/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator asks: /healthz /readyz /metrics /plan /table /status /explain, over HTTP on the admin address and, the same, on the
 * control socket, which `postern status` and `postern explain` speak to. Runs in the loop thread.
 * In:    requests, answers rendered by control/.     Out: questions to control/, responses.
 * Own:   its listening sockets and connections (bounded in number, size and time). Doors beside: metrics.h access_log.h.
 * Never: a secret; a page that blocks the loop thread. */
#pragma once
#include "base/buf.h"
#include "base/ip.h"
#include "io/loop.h"

struct admin;
struct admin_request; /* one question, waiting for its answer */
struct admin_config {
    struct ip ip;
    uint16_t port;           /* 0: no TCP */
    const char *socket_path; /* the control socket; NULL: none */
    /* page: "/status"; query without "?". The answer may come at once or later, always from the loop thread. */
    void (*ask)(void *arg, struct admin_request *r, str page, str query);
    void *arg;
};
err admin_new(struct loop *l, const struct admin_config *c, struct admin **ret);
void admin_free(struct admin *a);
/* Answers; the bytes are copied. The request is gone afterwards (also when its client went away meanwhile). */
void admin_answer(struct admin_request *r, uint16_t status, str content_type, str body);

/* "127.0.0.1:9901", "[::1]:9901", ":9901", "9901", "0" (none: ip.family 0 and port 0). */
err admin_parse_address(str s, struct ip *ret_ip, uint16_t *ret_port);
/* The control socket that follows from an admin address: in $XDG_RUNTIME_DIR, /run (root) or /tmp, one per address and user. Into p. */
void admin_socket_path(const struct ip *ip, uint16_t port, char p[108]);
/* Client: GET of a page over the control socket, blocking, bounded by 10 s. ERR_IO: nobody there. */
err admin_get(const char *socket_path, str page_and_query, uint16_t *ret_status, struct buf *ret_body);
