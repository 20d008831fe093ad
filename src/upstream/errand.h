/* SPDX-License-Identifier: Apache-2.0 */
/* Errand: one request of the gateway's own on a loan, beside what clients ask: a mirror, a question of authorization, an export, a check.
 * In:    where it goes, the request, how much more of it there is.     Out: the answer as it comes, and one word on how it ended.
 * Own:   the loan, the endpoints tried, how far request and answer have come. Deadlines are the user's, who drops it when they pass: what
 *        they are measured from differs with each.
 * Never: a request sent twice that may have been looked at and may not be repeated; an event after its end. */
#pragma once
#include "upstream/upstream.h"

enum errand_end {
    ERRAND_ANSWERED, /* the answer is complete; or there is a connection, and nothing was to be asked */
    ERRAND_GONE,     /* what it was for is not there any more */
    ERRAND_NOBODY,   /* the backend has no endpoint */
    ERRAND_AWAY,     /* no connection to any of those it has */
    ERRAND_INVALID,  /* how it is to be reached is not valid */
    ERRAND_FULL,     /* it has as many connections as it may */
    ERRAND_HEAD,     /* the request's head can not be sent */
    ERRAND_BODY,     /* its body can not */
    ERRAND_PROTOCOL, /* what came is no answer */
    ERRAND_LOST,     /* the connection ended before the answer did */
};
enum errand_blame { /* what of it counts for the endpoint's health, besides connections that can not be made */
                    ERRAND_BLAMES_NOT, /* nothing */
                    ERRAND_BLAMES_SILENCE, /* the answer's status, and a fresh connection that ended without a byte */
                    ERRAND_BLAMES_LOSS, /* the answer's status, and every loss that is no pooled connection's end */
};
struct errand;
/* Each may drop its errand, and begin it anew. */
struct errand_ops {
    /* errand_take(), or another way to begin e->up. ERR_END: it is gone. again: not the first time. */
    err (*take)(struct errand *e, bool again);
    /* The head, from its first byte on; whole: there is no body. NULL: nothing is to be asked. */
    const struct http_msg *(*request)(struct errand *e, bool *ret_whole);
    /* Of the body, what is there and is taken; e->sent is set with the last. */
    err (*feed)(struct errand *e);
    void (*wrote)(
        struct errand *e); /* NULL: it is fed, until all is sent; of who has all of the body from the start */
    /* The answer. NULL: it is of no interest. */
    void (*head)(struct errand *e, struct http_msg *m, bool end);
    void (*body)(struct errand *e, str bytes); /* these are consumed already */
    void (*end)(struct errand *e, struct http_msg *trailers);
    /* The last call; the loan is over. */
    void (*over)(struct errand *e, enum errand_end how);
    uint8_t repeats; /* how often it is begun again when nobody has looked at it */
    uint8_t blames;  /* enum errand_blame */
    bool looks;      /* whether a pooled connection is closed, before it is used */
};
struct errand {              /* owner: who embeds it */
    struct upstream_loan up; /* the first: a user who has loans of his own besides may keep them there */
    const struct errand_ops *ops;
    struct upstream *set;
    struct arena *arena; /* the answer's */
    struct balance_tried tried;
    uint8_t repeats; /* left; 0 once the request is not there any more to be sent again */
    bool repeatable; /* it may be sent though it may have been looked at: by its user */
    bool fresh;      /* no pooled connection any more */
    bool wrote_any;
    bool sent;         /* the request is complete */
    bool begun, ended; /* the answer */
};
/* All that was of one before is forgotten; it must be over. */
void errand_init(struct errand *e, const struct errand_ops *ops, struct upstream *set, struct arena *arena);
/* over() may be called within. */
void errand_begin(struct errand *e);
/* A loan on any connection that is there. w: but for tried and fresh. */
err errand_take(struct errand *e, struct upstream_want *w);
/* There is more of the body. */
void errand_feed(struct errand *e);
/* Ends it, without a word. Nothing happens when it is over. */
void errand_drop(struct errand *e);
/* Another goes on with its loan, e->up, as he is told from now on. */
void errand_leave(struct errand *e, const struct upstream_events *to);
