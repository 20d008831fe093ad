/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/auth.h"
#include "proxy/downstream.h"
#include "proxy/kept.h"
#include "proxy/record.h"
#include "proxy/retry.h"
#include "proxy/trace.h"
#include "upstream/errand.h"

/* One request and its response.
 *
 *     HEAD -> ROUTE -> CONNECT -> WAIT -> RELAY -> SEND -> DONE
 *       \________\________\________\________________^  ^     an answer of our own goes to SEND, an abort to DONE
 *                                     \____ TUNNEL _____/     101
 *                          ^--------/                        another endpoint, or a fresh connection; PAUSE, when it is to wait
 *
 * Files: exchange.c moves the state and holds the deadlines, admission.c checks and routes, attempt.c is the side of the backend up to the
 * response, retry.c when it is tried again, relay.c what flows, tunnel.c what follows 101, answer.c our own answers. */
enum exchange_state {
    X_HEAD,    /* the request's head is arriving */
    X_ROUTE,   /* it is looked at, within the call: before the listener's filters and after */
    X_ASK,     /* somebody is asked whether it may pass, auth.c */
    X_CONNECT, /* an endpoint is being connected to */
    X_PAUSE,   /* another attempt follows, after a while */
    X_WAIT,    /* the request goes out; no final response yet */
    X_RELAY,   /* the response's head has gone to the client, its body follows */
    X_TUNNEL,  /* 101 has gone to the client; bytes follow, both ways */
    X_SEND,    /* the response is complete and being written */
    X_DONE,
};

struct exchange {          /* owner: worker */
    struct link on_client; /* downstream.exchanges */
    struct link finished;  /* proxy.finished */
    struct proxy *proxy;
    struct downstream *client; /* NULL once it is done */
    uint32_t client_stream;
    union {
        struct upstream_loan up;
        struct errand errand; /* X_ASK: the same loan, its first, and what it is for */
    };
    uint8_t state;  /* enum exchange_state */
    uint8_t reason; /* enum http_reason: why it ended as it did */
    uint16_t attempts;
    uint8_t connect_reason; /* enum http_reason: why the last try to connect failed */
    bool request_ended;     /* the client's side is complete */
    bool request_sent;      /* all of it was handed to the backend's codec */
    bool response_begun;    /* a byte of a response has come in this attempt */
    bool wrote_any;         /* a byte of the request has gone out in this attempt */
    bool response_ended;    /* of one that is thrown away; X_TUNNEL: the backend's side */
    bool bodyless;          /* the request has no body */
    bool tunnel_cut;        /* X_TUNNEL: the backend's side did not end by itself */
    bool queued;            /* for a connection to the backend */
    bool kept_lost;         /* more of the body has gone than `kept` has */
    uint8_t watched;        /* enum watch: who kept whom waiting at the last look */
    uint32_t gate_of; /* id of the listener whose filters are asked, or have let it in; 0: none has any */
    struct http_msg *request;
    struct http_msg *trailers; /* of the request, kept until it can be sent */
    const struct table_rule
        *rule; /* counted in proxy.uses; a gate until its listener's filters let it in; NULL in X_TUNNEL */
    const struct table_target *target;
    const struct table_filter *redirect; /* the answer */
    const struct table_cors *cors;       /* NULL: none */
    str origin;                          /* as the client sent it, with cors */
    bool preflight;                      /* of cors: the answer */
    bool tells_id;                       /* our own answers carry its X-Request-Id */
    bool edits_response;                 /* besides the filters of its rule and target: ask.call, via */
    const str *via;                      /* the name that the response's Via gets; NULL: it gets none */
    struct table_match match;
    const struct table_certificate *client_certificate; /* of the listener, in the table of the generation */
    uint64_t client_generation;
    struct balance_tried tried;
    struct kept kept;   /* of the body: what came before it could be sent, or might have to be sent again */
    struct kept_at fed; /* how far it has gone to the backend in this attempt */
    struct retry retry;
    struct auth ask;
    struct trace *trace;    /* NULL: its listener is not traced */
    struct mirror *mirrors; /* that still follow the request's body */
    uint64_t
        over_at; /* X_SEND, when another has begun behind it: its answer is over when conn.written is there; 0: not so */
    size_t to_client; /* of a shared connection: bytes that waited to be written when last looked at */
    size_t owed_client, owed_up; /* body bytes read from there that the other side has not taken yet */
    /* microseconds, monotonic */
    uint64_t start_us, attempt_us, connect_us, first_byte_us, progress_us;
    uint64_t request_due_us, attempt_due_us, half_closed_due_us;
    const struct table_balancing *balancing; /* held; NULL: as usual */
    /* as the rule or the listener's settings say; 0: none, of the last two: as usual */
    uint64_t request_timeout_us, backend_timeout_us, connect_max_us, backend_idle_us;
    uint64_t body_bytes_max, tunnel_idle_us;
    uint64_t still_us; /* X_TUNNEL: how long nothing may move */
    uint64_t look_us;  /* when it is looked at how fast bodies move: watch.c */
    /* for the record */
    int64_t wall_us;
    uint64_t bytes_in, bytes_out;
    uint16_t status, listener_port;
    uint8_t version;
    struct table_endpoint endpoint, preferred; /* preferred: of the client's session; port 0: none */
    struct ip sender;                          /* who asks, as far as trusted proxies tell */
    str host, method, authority, path, query;
    str websocket_key; /* what the backend's answer goes by; not given: nobody has asked yet */
    struct record record;
    /* kept when the memory is used again, all else is not: exchange_begin() */
    struct arena *arena;
    size_t arena_usual;     /* its size when fresh */
    uint64_t watched_bytes; /* with `watched` alone */
    struct timer timer;
};

/* Nothing can be sent on yet: what comes of the body is kept, and the client is not asked for more. */
static inline bool exchange_keeps(const struct exchange *x) {
    return x->state == X_CONNECT || x->state == X_PAUSE || x->state == X_ASK;
}
static inline bool exchange_holds(const struct exchange *x) {
    return exchange_keeps(x) && !x->request_ended && !(x->state == X_ASK && x->ask.collects);
}

/* A client of HTTP/1.0 may know a body's end by that of the connection alone: an orderly one would make what was cut look complete.
 *                                                                                                    [RFC 9112 8] */
static inline bool exchange_ends_by_close(const struct exchange *x) { return x->version == 10; }

/* exchange.c */
struct exchange *exchange_begin(struct downstream *d, uint32_t stream);
void exchange_move(struct exchange *x, enum exchange_state to);
/* Whoever was to be asked lets it pass. */
void exchange_let_in(struct exchange *x);
/* Who is to be asked is not there. When what asks is of a table before the one of now, it begins again by that one; false: it is not. */
bool exchange_renew(struct exchange *x);
/* The request's head, body and end, from the client's codec. */
void exchange_head(struct exchange *x, struct http_msg *m, bool end);
void exchange_body(struct exchange *x, str bytes);
void exchange_end(struct exchange *x, struct http_msg *trailers);
/* The answer is a reason of ours. Nothing was sent to the client yet. */
void exchange_refuse(struct exchange *x, enum http_reason why);
/* It can not be completed: an answer when none has begun, else the stream is cut. */
void exchange_fail(struct exchange *x, enum http_reason why);
/* It ends without an answer: the client is gone. */
void exchange_abort(struct exchange *x, enum http_reason why);
/* It ends, and the client gets no more of it: downstream_cut(). */
void exchange_give_up(struct exchange *x, enum http_reason why);
/* All is written. */
void exchange_finish(struct exchange *x);
void exchange_progress(struct exchange *x);
/* Looks at the deadlines anew: one may be earlier now. */
void exchange_set_timer(struct exchange *x);
void exchange_half_closed(struct exchange *x);
/* The memory of those that are over may be used again. */
void exchange_reap(struct proxy *p);
void exchange_drop(void *item);
