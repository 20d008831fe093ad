/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator asks, over HTTP on the admin address and, the same, on the control socket, which `postern status` and `postern explain`
 * speak to. Runs in the loop thread. The pages, whose contents control/ renders:
 *   /healthz       200 "ok" while the loop thread turns
 *   /readyz        200 "ok" from when every worker serves by a first table until the process drains; else 503, and why
 *   /metrics       metrics_print(), in the form that is asked for
 *   /plan          plan_json()      /table   table_dump()
 *   /status        {"items":[{"apiVersion", "kind", "metadata": {"name", "namespace", "generation"}, "spec", "status"}, ...],
 *                  "findings":[{"file", "line", "column", "kind", "namespace", "name", "path", "message", "remedy"}, ...],
 *                  "warnings":[the same], ...}: each
 *                  GatewayClass, Gateway and Route that is ours, one a line (so that a reader needs no more memory than one takes),
 *                  spec and status as Kubernetes writes them (schema_json); findings begin on a line of their own
 *   /crash         how often the serving process has died, and what the last one told (io/crash.h)
 *   /explain       ?method=GET&url=ESCAPED[&h=ESCAPED "Name: value"]...[&format=json]: explain_run(); 400 when the query is wrong
 * In:    requests, answers rendered by control/.     Out: questions to control/, responses.
 * Own:   its listening sockets and connections (bounded in number, size and time). Doors beside: metrics.h access_writer.h.
 * Never: a secret; a page that blocks the loop thread. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/ip.h"
#include "io/loop.h"

struct admin;
struct admin_request; /* one question, waiting for its answer */
struct admin_config {
    struct ip ip;
    uint16_t port;           /* 0: no TCP */
    int tcp_fd;              /* listens already, instead of ip and port, and is the admin's then; 0: none */
    const char *socket_path; /* the control socket; NULL: none */
    bool takes_over;         /* from another process, which listens at socket_path now */
    /* page: "/status"; query without "?". The answer may come at once or later, always from the loop thread. */
    void (*ask)(void *arg, struct admin_request *r, str page, str query);
    void *arg;
};
err admin_new(struct loop *l, const struct admin_config *c, struct admin **ret);
void admin_free(struct admin *a);
/* Another process answers from now on: what was asked here is still answered. NULL is fine. */
void admin_hand_over(struct admin *a);
/* Answers; the bytes are copied. The request is gone afterwards (also when its client went away meanwhile). */
/* What the asker would like to have; "" when it does not say. */
str admin_accept(const struct admin_request *r);
void admin_answer(struct admin_request *r, uint16_t status, str content_type, str body);

/* Where it listens unless told otherwise, and where clients ask: "127.0.0.1:9901". */
extern const char admin_default_address[];
/* "127.0.0.1:9901", "[::1]:9901", ":9901", "9901", "0" (none: ip.family 0 and port 0). */
err admin_parse_address(str s, struct ip *ret_ip, uint16_t *ret_port);
/* The control socket that follows from an admin address: in $XDG_RUNTIME_DIR, /run (root) or /tmp, one per address and user. Into p. */
void admin_socket_path(const struct ip *ip, uint16_t port, char p[108]);
/* Client: GET of a page over the control socket, blocking, bounded by 10 s. ERR_IO: nobody there, or it did
 * not answer; ERR_REFUSED: the socket is another user's. */
err admin_get(const char *socket_path, str page_and_query, uint16_t *ret_status, struct buf *ret_body);

/* The next "name=value" of a query without "?", both unescaped into a ("+" stays); false at the end. */
bool admin_query_next(struct arena *a, str *query, str *ret_name, str *ret_value);
/* Adds s so that it can stand as a value in a query. */
void admin_query_escape(struct buf *b, str s);
