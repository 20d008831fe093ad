/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/loop.h"
#include "kube/kube_config.h"

/* Requests to one API server: over few connections (HTTP/2 where the server speaks it), without blocking. */
struct kube_client;
struct kube_request;
struct rng;

enum kube_method {
    KUBE_GET,
    KUBE_POST,
    KUBE_PUT,
    KUBE_PATCH_MERGE, /* [RFC 7396] */
    KUBE_PATCH_APPLY, /* server-side apply: the query names fieldManager and force; the body is JSON */
    KUBE_DELETE,
};
struct kube_answer {
    err error; /* OK: the server answered. ERR_IO: no connection, or it broke; ERR_AGAIN: time ran out; ERR_LIMIT: the
                      * body is longer than allowed; ERR_REFUSED: no credentials could be had */
    unsigned status; /* of HTTP; 0 without an answer */
    str body;        /* "" when it was streamed to on_bytes */
    str reason;  /* of a failed request's metav1.Status: "NotFound", "Conflict", "Expired", ...; else "" */
    str message; /* what went wrong, for people; "" when nothing did */
};
static inline bool kube_answer_ok(const struct kube_answer *a) {
    return a->error == OK && a->status >= 200 && a->status < 300;
}
struct kube_call {
    enum kube_method method;
    str path;   /* kube_path.h makes them */
    str query;  /* without '?', escaped (kube_path_query) */
    str body;   /* JSON */
    str accept; /* not given: application/json */
    unsigned
        timeout_s; /* of each try, until the whole answer is there; 0: 30. Of a stream: until its head is there */
    size_t body_bytes_max; /* 0: 4 MiB */
    /* Writes (all but GET) wait in line: at most KUBE_WRITES_MAX are on their way, and shares take turns, so that one
     * namespace of thousands holds up no other. urgent: past the line (the lease). */
    str share;
    bool urgent;
    /* Not NULL: a 2xx answer's body goes there as it comes ("" first, when its head is there), without an end in time, until the server ends it or the request
     * is cancelled (which is allowed within). */
    void (*on_bytes)(void *arg, str bytes);
    /* Called once, unless cancelled; the answer's bytes live until it returns. The request is gone then. */
    void (*on_done)(void *arg, const struct kube_answer *a);
    void *arg;
};
enum { KUBE_WRITES_MAX = 8, KUBE_WRITES_QUEUED_MAX = 100000 };

/* Takes the configuration over. ERR_ABSENT: libcurl is not installed (*why names the package); ERR_PROTO: it is too old or the
 * configuration's certificates are none. */
err kube_client_new(struct loop *l, struct kube_config *config, struct kube_client **ret, struct buf *why);
/* Cancels what is on its way. NULL is fine. */
void kube_client_free(struct kube_client *c);
/* What the call points to is copied. 429, and 5xx with Retry-After, are obeyed and tried again up to five times (at most
 * 60 s in all); a 401 renews the credentials and is tried once more. Every other answer is the caller's to judge. A write past
 * KUBE_WRITES_QUEUED_MAX is answered at once (in a later turn) with ERR_LIMIT. Never NULL. */
struct kube_request *kube_client_send(struct kube_client *c, const struct kube_call *call);
/* on_done and on_bytes are not called any more. A write may have happened all the same. */
void kube_client_cancel(struct kube_request *r);

struct loop *kube_client_loop(struct kube_client *c);
const struct kube_config *kube_client_config(const struct kube_client *c);
struct rng *kube_client_rng(struct kube_client *c); /* for jitter */
struct kube_client_stats {
    uint64_t requests, failures, retries, throttled, bytes_in; /* since the beginning */
    uint32_t streams, writes_queued;                           /* now */
};
struct kube_client_stats kube_client_stats(const struct kube_client *c);
