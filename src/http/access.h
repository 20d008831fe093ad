/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "base/ip.h"
#include "http/http_reason.h"

/* What is told of one exchange. The strs are borrowed for the call that prints it. Times are microseconds. */
struct access_record {
    int64_t time_us; /* wall clock, when the head had arrived; since 1970 */
    struct ip client;
    uint16_t client_port;
    uint8_t version; /* 10, 11, 20 */
    bool tls;
    uint16_t status;
    enum http_reason reason;
    str method, authority, path, query;
    str gateway, listener; /* "ns/name", section; "" when none */
    str route;             /* "HTTPRoute/ns/name" */
    int64_t rule;          /* index, -1 when none */
    str backend;           /* "ns/name:port" */
    struct ip endpoint;
    uint16_t endpoint_port;
    uint64_t bytes_in, bytes_out; /* of the bodies */
    uint64_t total_us, connect_us,
        first_byte_us; /* from the head's arrival; connect: 0 for a pooled connection */
    str user_agent, request_id;
};
/* One line each, with its newline. */
void access_print_json(struct buf *b, const struct access_record *r);
void access_print_text(struct buf *b, const struct access_record *r);
