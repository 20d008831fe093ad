/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/loop.h"
#include "kube/kube_curl.h"

/* libcurl's multi interface driven by a loop: transfers begin, give bytes, end. Callbacks run in the loop thread. */
struct kube_transport {
    struct loop *loop;
    struct kube_curl curl;
    CURLM *multi;
    struct timer timer;
    bool inside; /* a call of libcurl is on the stack: handles can be neither added nor removed */
};
struct kube_transfer {
    CURL *easy; /* NULL: not under way */
    struct curl_slist *headers, *connect_to;
    char error[CURL_ERROR_SIZE];
    unsigned status; /* of the head, once it is there */
    /* on_head and on_bytes are called from inside libcurl; false of on_bytes ends the transfer with an error. */
    void (*on_head)(struct kube_transfer *t);
    bool (*on_bytes)(struct kube_transfer *t, str bytes);
    void (*on_end)(struct kube_transfer *t,
                   CURLcode code); /* it is stopped by then; may start and stop any */
};
struct kube_transfer_spec {
    const char *url, *method;
    const char *connect_to; /* "HOST:PORT:HOST:PORT", or NULL */
    const char *proxy;      /* NULL: as the environment says */
    str body;               /* must live until the end; not given: none */
    str ca, cert, key;      /* PEM; not given: the system's, none, none */
    bool insecure;
    uint64_t timeout_ms; /* 0: none */
};
err kube_transport_init(struct kube_transport *tr, struct loop *l, struct buf *why);
void kube_transport_fini(struct kube_transport *tr); /* every transfer must have been stopped */
/* Appends a header line to those that the next start sends. */
void kube_transport_header(struct kube_transport *tr, struct kube_transfer *t, const char *line);
/* Not from inside. ERR_PROTO: an option was refused (*ret_why, static): the transfer did not begin. */
err kube_transport_start(struct kube_transport *tr, struct kube_transfer *t,
                         const struct kube_transfer_spec *s, const char **ret_why);
void kube_transport_stop(struct kube_transport *tr, struct kube_transfer *t); /* not from inside */
/* Of the Retry-After header, in seconds; 0: there was none. To be called in on_end. */
uint64_t kube_transport_retry_after(struct kube_transport *tr, struct kube_transfer *t);
