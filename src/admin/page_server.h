/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "io/loop.h"

/* A small HTTP/1.1 server for short answers, on the h1 codec: one question at a time a connection, bodies of requests are counted and
 * dropped, everything bounded. For admin pages and for `postern echo`; traffic goes through worker/. */
struct page_server;
struct page_request {
    struct arena *arena; /* the head's; gone with the answer */
    const struct http_msg *head;
    uint64_t body_bytes;
    struct page_conn *conn; /* page_server.c's; NULL: the client went away meanwhile */
};
struct page_server_config {
    uint32_t conns_max; /* more are closed as they come */
    uint32_t head_bytes_max;
    uint64_t deadline_us; /* for a request to arrive, for its answer, and for the next one to begin */
    uint64_t body_bytes_max;
    /* A request is complete. page_server_answer() may be called from within, or later, once. */
    void (*ask)(void *arg, struct page_request *r);
    void *arg;
};
struct page_server *page_server_new(struct loop *l, const struct page_server_config *c);
/* Requests not answered yet stay their askers', who still answer them (into nothing). NULL is fine. */
void page_server_free(struct page_server *s);
DEFINE_CLEANUP(page_server)
/* Accepts on a listening socket (TCP or Unix) from now on; it is the server's and closed with it. At most 4. */
err page_server_listen(struct page_server *s, int fd);
/* Bytes are copied; the request is gone afterwards. fields (may be none) are added to Content-Type and the framing. */
struct page_answer {
    uint16_t status;
    str content_type, body;
    const struct http_field *fields;
    uint32_t fields_n;
};
void page_server_answer(struct page_request *r, const struct page_answer *a);
/* Takes what waits at its listening sockets, then closes them; connections go on. */
void page_server_close_doors(struct page_server *s);
uint32_t page_server_conns(const struct page_server *s);
