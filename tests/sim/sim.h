/* SPDX-License-Identifier: Apache-2.0 */
/* One run: a worker with tables made of manifests, clients and backends around it on the fake kernel, and what has become of every request.
 * Bodies are functions of the request, so whoever gets one knows what it has to be. */
#pragma once
#include "control/pipeline.h"
#include "fake.h"
#include "http/http_reason.h"
#include "io/mailbox.h"
#include "worker/worker.h"

enum {
    SIM_REQUESTS_MAX = 256,
    SIM_RECEIPTS_MAX = 24,
    SIM_ROUTES = 6,
    SIM_BACKENDS = 5, /* a, b, c, one for mirrors, and one that is asked for authorization */
    SIM_MIRROR = 3,
    SIM_AUTH = 4,
    SIM_AUTH_BYTES = 4096, /* of a body that it is shown */
    SIM_ENDPOINTS = 3,
    SIM_CLIENTS_MAX = 16,
    SIM_PORT = 80,
    SIM_TLS_PORT = 443,
    SIM_PROXY_BYTES = 120,
    SIM_STRAYS_MAX = 6,
    SIM_KEPT_BYTES = 10000, /* of a body: more may be gone when it would have to be sent again */
};

/* ---- HTTP/1.1 as the test reads it: strictly; what it does not understand is a failure ---- */

enum sim_h1_state {
    SIM_HEAD,
    SIM_LENGTH,
    SIM_CHUNK_HEAD,
    SIM_CHUNK,
    SIM_CHUNK_END,
    SIM_TRAILERS,
    SIM_TO_CLOSE
};
struct sim_h1 {
    struct buf b;
    uint8_t state;
    uint64_t left;
    bool request, no_body, raw, stopped; /* no_body, raw: set by head(); raw: what follows is no HTTP */
    void (*head)(struct sim_h1 *h, str head);
    void (*body)(struct sim_h1 *h, str bytes);
    void (*end)(struct sim_h1 *h);
};
void sim_h1_read(struct sim_h1 *h, str bytes);
str sim_h1_field(str head, const char *name); /* not given: none */
/* n bytes of the body that has this key. */
void sim_body_add(struct buf *b, uint64_t key, size_t from, size_t n);
void sim_body_check(uint64_t key, size_t from, str bytes, const char *whose, uint32_t id);

/* ---- requests ---- */

enum sim_fault {
    SIM_WELL,
    SIM_SILENT,  /* no answer, ever */
    SIM_LATE,    /* seconds */
    SIM_GONE,    /* the connection ends before a head, or within it */
    SIM_CUT,     /* within a body */
    SIM_NO_HTTP, /* the answer is none */
};
struct sim_receipt { /* a backend has got it, once */
    uint8_t backend, fault;
    uint16_t status;
    size_t body_n;
    bool no_body;
    bool refused; /* told that nothing was done for it [RFC 9113 8.7] */
    bool torn;    /* closed with some of the request unread: a reset may be what comes */
    bool told;    /* how long it is, and its end comes apart: a client may be through with it before */
    bool whole;   /* all of the answer was sent, and its end */
    bool request; /* and all of the request came */
};
/* What went through a tunnel, both ways. */
enum { SIM_UP, SIM_DOWN }; /* from the client, from the backend */
struct sim_flows {
    size_t wanted[2], sent[2], got[2];
    bool begun[2], ended[2], end_seen[2];
    bool torn, hung; /* a side, or what carries it, ended it by force; a side says no more */
    uint64_t moved_us;
};
struct sim_request {
    uint32_t id;    /* from 1 */
    uint8_t client; /* as the PROXY protocol tells of it: 198.51.100.N; 0: not told */
    const char *method;
    uint8_t route;
    size_t body_n;
    bool chunked, expects, old, closes; /* old: HTTP/1.0 */
    bool tunnel;                        /* asks for WebSocket */
    struct sim_flows flows;
    bool begun, sent; /* the first byte, all of it */
    bool spoiled;     /* its client aborts, is slow, shuts its side: much is forgiven */
    bool gave_up;
    bool unhurried;  /* its client has hardly a window */
    bool after_idle; /* its connection may have been closed meanwhile */
    bool
        before_old; /* a body that lasts to the close is cut by a reset, and that by what is on its way before it */
    bool behind_close; /* one before it on its connection was the last, or was cut */
    uint8_t receipts_n;
    struct sim_receipt receipts[SIM_RECEIPTS_MAX];
    bool head, complete, over; /* of the answer: begun, all there, nothing more will come */
    uint16_t status;
    int from; /* the receipt; -1: an answer of the gateway's own */
    size_t got;
    char text[160]; /* of the gateway's own answer */
    uint8_t text_n;
    enum http_reason told; /* by it */
    uint32_t lines;        /* of the access log */
    uint16_t line_status;
    enum http_reason line_reason;
    uint64_t line_at_us;
    uint64_t line_attempts, line_in, line_out, line_us;
};
static inline uint64_t sim_request_key(const struct sim_request *q) { return q->id; }
static inline uint64_t sim_answer_key(const struct sim_request *q, int receipt) {
    return (uint64_t)q->id * 1000 + 500 + (uint64_t)receipt;
}
bool sim_idempotent(const struct sim_request *q);
static inline bool sim_is_head(const struct sim_request *q) { return strcmp(q->method, "HEAD") == 0; }

/* ---- the run ---- */

struct sim_route { /* as it is, and what it ever was */
    bool timeouts, retries, mirrors, redirects, asks,
        shows; /* asks: for authorization; shows: the body, too */
    bool ever_asks, never_asks, ever_shows;
    bool ever_timeouts, never_timeouts, ever_retries, ever_mirrors, ever_redirects, ever_backend;
};
/* What goes wrong in this run. */
struct sim_mischief {
    bool refuses, black_holes, silent, late, gone, cut, no_http, early, closes_idle, slow_backends;
    bool aborts, half_closes, slow_clients, changes, out_of_files, drains;
    bool refused_streams, goaways; /* of backends over HTTP/2 */
    bool denies;
};
struct sim_client;
struct sim {
    struct fake kernel;
    struct sim_mischief bad;
    struct pipeline pipeline;
    struct worker *worker;
    struct mailbox home;
    int listener;
    int tls_listener;
    bool listens, ending, drained;
    bool proxied;           /* connections begin with a header of the PROXY protocol */
    bool limited, budgeted; /* connections to backends, with queues; retries */
    uint32_t strays_n;
    uint64_t half_heads; /* they send */
    bool drain_early;    /* while clients are at it */
    unsigned adopted, released, published;
    uint64_t tunnel_idle_us;
    bool h2c[SIM_BACKENDS], connects[SIM_BACKENDS]; /* connects: takes WebSocket over HTTP/2 [RFC 8441] */
    uint64_t refusals;                              /* streams that backends would not look at */
    bool
        rude; /* a backend ended a connection of HTTP/2 without a word: with what was on its way, to it and from it */
    struct sim_route routes[SIM_ROUTES];
    struct sim_request requests[SIM_REQUESTS_MAX];
    uint32_t requests_n, lines_without;
    uint32_t clients_n, clients_open, backends_open;
    struct fake_event change, end;
    uint32_t changes_left;
    struct buf log;
    struct worker_stats counts; /* at the end */
    uint64_t tallied, tallied_us;
};
/* The one that runs. */
extern struct sim *sim_now;

/* sim_answer.c: what is asked, and what is looked at in an answer. from: X-Sim-Answer; not given: the gateway's own */
void sim_request_roll(struct sim_request *q, uint32_t id);
void sim_request_to_tunnel(struct sim_request *q);
void sim_answer_head(struct sim_request *q, uint16_t status, str from);
void sim_answer_body(struct sim_request *q, str bytes);
void sim_answer_end(struct sim_request *q);
/* sim_receipt.c: what a backend does with what comes to it */
struct sim_deed {
    bool closes, resets, early, slow;
    uint64_t wait_us;
};
struct sim_request *sim_receipt_new(uint8_t backend, str id, str method, str path, int *ret_at);
struct sim_deed sim_receipt_roll(const struct sim_request *q, struct sim_receipt *r);
/* sim_client.c, sim_client2.c, sim_backend.c, sim_backend2.c */
void sim_client_start(uint32_t first, uint32_t n);
void sim_client2_start(uint32_t first, uint32_t n); /* HTTP/2 */
void sim_client_done(void);                         /* one of them */
enum fake_welcome sim_backend_welcome(void *arg, const struct ip *ip, uint16_t port,
                                      struct fake_peer **ret_peer);
struct fake_peer *sim_backend2_new(uint8_t backend); /* HTTP/2 */
/* sim_tunnel.c: its side, embedded in whatever carries it. A call of ops may stop it. */
struct sim_tunnel {
    const struct sim_tunnel_ops *ops;
    struct sim_request *q; /* NULL: not begun */
    bool client, resets, hangs, waits, out_over, in_over, stopped;
    uint64_t out_key, in_key;
    size_t out_n, sent, got, resets_at;
    uint64_t gives_up_us; /* of one that hangs, when the other side has ended */
    struct fake_event event;
};
struct sim_tunnel_ops {
    void (*send)(struct sim_tunnel *t, str bytes);
    void (*end)(struct sim_tunnel *t); /* our direction */
    void (*reset)(struct sim_tunnel *t);
    void (*close)(struct sim_tunnel *t); /* both have ended */
};
void sim_tunnel_begin(struct sim_tunnel *t, struct sim_request *q, int at); /* at: the receipt that agreed */
void sim_tunnel_got(struct sim_tunnel *t, str bytes);
void sim_tunnel_ended(struct sim_tunnel *t); /* the other direction */
void sim_tunnel_tear(struct sim_tunnel *t);  /* what carries it is going to end it by force */
void sim_tunnel_stop(struct sim_tunnel *t);  /* what carries it is gone */
void sim_tunnel_judge(const struct sim *s, const struct sim_request *q);
/* sim_stray.c: who never asks; and what clients say first. Its client's number goes to *ret_client, which may be NULL. */
void sim_stray_start(void);
size_t sim_proxy_print(char *to, uint8_t *ret_client);
void sim_proxy_header(struct fake_peer *p, uint8_t *ret_client);
/* sim_world.c: manifests, tables, what comes home, the end */
void sim_world_run(struct sim *s);
void sim_world_between(void *arg);
/* sim_judge.c: is what has become of the requests what may have become of them? */
void sim_judge(const struct sim *s);
