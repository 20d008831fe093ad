/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/explain.h"
#include "filter/filter.h"
#include "http/http_reason.h"

/* What explain.c found out and explain_print.c tells, as text or JSON. Lives in its arena. */
struct explain_change {
    char sign; /* '+' added, '-' removed, '~' changed */
    str name, before, after;
};
struct explain_message {
    str host, path, query;
    struct explain_change *changes; /* of header fields */
    uint32_t changes_n;
    bool broken; /* a filter made what can not be sent */
};
/* What a CORS filter has said to the client, and whether that is all of the answer. */
struct explain_response {
    const struct http_field *fields;
    uint32_t n;
    bool preflight;
};
struct explain_target {
    const struct table_target *target;
    const struct table_endpoints *endpoints;
    str why;                /* of an answer instead of a backend */
    str hostname, resolved; /* of an XBackend with a name outside, and what is known of that; or not given */
    struct explain_message message; /* as the backend gets it */
    str location;                   /* of its own redirect, or not given */
    struct explain_response response;
};
/* Something that nearly took the request. */
struct explain_near {
    str what, why;
};
struct explain_story {
    struct arena *arena;
    const struct pipeline *pipeline;
    bool tls;
    str gateway;   /* the one that is meant; not given: any */
    str sni, host; /* lower case, without port; sni: "" when the URL has an address */
    uint16_t port; /* the URL's */
    struct http_msg m;
    const struct table_socket *socket; /* NULL: nobody listens there */
    const struct table_listener *listener;
    const struct table_certificate *certificate;
    struct table_match match; /* rule NULL: none */
    const struct plan_rule *rule;
    struct explain_message message;
    struct explain_target *targets;
    const struct table_filter *redirect;
    str location;
    struct explain_response response; /* by the rule's own filter */
    enum http_reason reason;          /* NONE: a backend answers */
    uint16_t status;                  /* 0: the backend's, or nobody's */
    bool refused;                     /* no connection, or no handshake: there is no answer */
    str *why;                         /* lines */
    uint32_t why_n, why_cap;
    struct explain_near *near; /* the closest first */
    uint32_t near_n, near_more;
};
/* "path prefix /api, method GET, header x-env: prod" */
void explain_print_match(struct buf *b, const struct plan_match *m);
void explain_print_text(struct buf *b, const struct explain_story *s);
void explain_print_json(struct buf *b, const struct explain_story *s);
