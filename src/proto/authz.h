/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"
#include "http/http_msg.h"

/* The call by which a gRPC server is asked whether a request may pass: envoy.service.auth.v3.Authorization/Check, its CheckRequest and its
 * CheckResponse.                                                                           [GW GRPCAuthConfig]
 * In:    a request and what is known of its connection; the bytes of an answer.     Out: the bytes of a call; what the answer says.
 * Never: a field sent on that a codec could not write; an answer that says both yes and no. */
enum {
    AUTHZ_ANSWER_BYTES_MAX = 64 << 10, /* of a CheckResponse */
    AUTHZ_CHANGES_MAX = 256,           /* of fields and parameters, in an answer */
    AUTHZ_FRAME_BYTES = 5,             /* goes before a message: not compressed, its length */
};

struct authz_question {
    const struct http_msg *request;
    const str *names; /* lower case: of its fields those alone; none: all */
    uint32_t names_n;
    bool tls;
    struct ip source, destination; /* family 0: not known */
    uint16_t source_port, destination_port;
    int64_t wall_us;
    int64_t size; /* of the request's body; -1: not known */
    /* What the server is told of it; the bytes themselves follow what authz_head() gives, which they are the end of. */
    uint64_t body_n;
    bool body_text; /* it is UTF-8 */
};
/* The frame and the message of a call up to the body's bytes, in a. */
str authz_head(struct arena *a, const struct authz_question *q);
/* The length of a message, by the frame before it. ERR_PROTO: it is compressed, which was not offered; ERR_LIMIT: too long. */
err authz_frame(const uint8_t frame[AUTHZ_FRAME_BYTES], uint32_t *ret_n);

enum authz_how { AUTHZ_SET, AUTHZ_APPEND, AUTHZ_IF_ABSENT, AUTHZ_IF_PRESENT };
struct authz_field {
    str name, value;
    uint8_t how; /* enum authz_how */
};
struct authz_parameter {
    str name, value; /* as they are, not percent-encoded */
};
struct authz_fields {
    struct authz_field *v;
    uint32_t n;
};
struct authz_names {
    str *v;
    uint32_t n;
};
/* Names are tokens, values are what a field may have; nothing of a connection, of framing, or Host. All of it points into the answer. */
struct authz_verdict {
    bool allowed;
    uint16_t status; /* of the answer when it is not allowed: 200 to 599 */
    str body;
    struct authz_fields fields;   /* allowed: of the request; else of the answer */
    struct authz_fields response; /* allowed: of whatever the backend answers */
    struct authz_names remove;    /* fields of the request */
    struct {
        struct authz_parameter *v;
        uint32_t n;
    } set_query;
    struct authz_names remove_query;
};
/* What a CheckResponse says. ERR_PROTO: it is none; ERR_LIMIT: it changes too much; ERR_REFUSED: the server says that it has failed. Nobody
 * passes by any of these. */
err authz_read(struct arena *a, str answer, struct authz_verdict *ret);
