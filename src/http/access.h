/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "base/ip.h"
#include "http/http_reason.h"

/* What is told of one exchange: one table of fields, which formats of the access log name, JSON lines hold in this order, and
 * docs/observing.md lists. X(ID, "name", type, member of access_record, "what it is") */
#define ACCESS_FIELDS(X)                                                                                     \
    X(TIME, "time", TIME, time_us, "when the head had arrived, UTC, to the microsecond")                     \
    X(CLIENT, "client", IP, client, "who asked, as far as trusted proxies tell")                             \
    X(CLIENT_PORT, "client_port", SHORT, client_port, "its port; 0 when a proxy tells of it")                \
    X(PROTOCOL, "protocol", VERSION, version, "HTTP/1.0, HTTP/1.1, HTTP/2")                                  \
    X(TLS, "tls", BOOL, tls, "whether the client's connection is encrypted")                                 \
    X(TLS_VERSION, "tls_version", TEXT, tls_version, "TLSv1.2, TLSv1.3")                                     \
    X(TLS_CIPHER, "tls_cipher", TEXT, tls_cipher, "the cipher suite")                                        \
    X(SERVER_NAME, "server_name", TEXT, server_name, "the server name of the handshake (SNI)")               \
    X(TLS_FAILURE, "tls_failure", TEXT, tls_failure,                                                         \
      "why the handshake failed (docs/tls.md), on a line of its own that has no request")                    \
    X(METHOD, "method", TEXT, method, "of the request, as all that follows up to the query")                 \
    X(AUTHORITY, "authority", TEXT, authority, "host and port as sent")                                      \
    X(PATH, "path", TEXT, path, "as sent, without the query")                                                \
    X(QUERY, "query", TAIL, query, "with its question mark; nothing when there is none")                     \
    X(STATUS, "status", SHORT, status, "of the response; 0: none was sent")                                  \
    X(REASON, "reason", REASON, reason, "why it ended as it did (docs/reasons.md); -: a backend answered")   \
    X(GATEWAY, "gateway", TEXT, gateway, "NAMESPACE/NAME")                                                   \
    X(LISTENER, "listener", TEXT, listener, "its name")                                                      \
    X(ROUTE, "route", TEXT, route, "KIND/NAMESPACE/NAME")                                                    \
    X(RULE, "rule", INDEX, rule, "its index in the route")                                                   \
    X(RULE_NAME, "rule_name", TEXT, rule_name, "its name, when it has one")                                  \
    X(BACKEND, "backend", TEXT, backend, "NAMESPACE/NAME:PORT")                                              \
    X(ENDPOINT, "endpoint", ADDRESS, endpoint, "the last that was tried")                                    \
    X(ATTEMPTS, "attempts", NUMBER, attempts, "connections to endpoints that it took")                       \
    X(RETRIES, "retries", TEXT, retries, "what those came to that another followed: 503,backend_reset")      \
    X(RETRY_STOP, "retry_stop", TEXT, retry_stop,                                                            \
      "why no other followed where one might have: attempts, method, body, time, budget")                    \
    X(BYTES_IN, "bytes_in", NUMBER, bytes_in, "of the request's body")                                       \
    X(BYTES_OUT, "bytes_out", NUMBER, bytes_out, "of the response's body")                                   \
    X(TOTAL, "total_us", DURATION, total_us, "from the arrival of the whole head to the last byte written")  \
    X(HEAD, "head_us", DURATION, head_us, "from the first byte of the head to its last, before total_us")    \
    X(ROUTING, "route_us", DURATION, route_us, "checking it, finding its rule, filters")                     \
    X(AUTH, "auth_us", DURATION, auth_us, "external authorization")                                          \
    X(CONNECT, "connect_us", DURATION, connect_us, "connecting to the endpoint; 0: a kept connection")       \
    X(BACKEND_TLS, "tls_us", DURATION, tls_us, "the handshake with the endpoint")                            \
    X(WAIT, "wait_us", DURATION, wait_us, "from sending the request to the first byte of the response")      \
    X(FIRST_BYTE, "first_byte_us", DURATION, first_byte_us, "from the head's arrival to that first byte")    \
    X(BODY, "body_us", DURATION, body_us, "from that first byte to the last one written")                    \
    X(USER_AGENT, "user_agent", TEXT, user_agent, "as sent")                                                 \
    X(REQUEST_ID, "request_id", TEXT, request_id, "X-Request-Id, as the backend gets it")                    \
    X(TRACE_ID, "trace_id", TEXT, trace_id, "of its traceparent, as it came or as it was begun")             \
    X(SPAN_ID, "span_id", TEXT, span_id, "of our own span of that trace, when one was sent to a collector")

/* The strs are borrowed for the call that prints it. Times are microseconds. */
struct access_address {
    struct ip ip;
    uint16_t port;
};
struct http_msg;
struct access_record {
    /* what is counted of each; the rest is told only where somebody prints it: a form but OFF */
    uint8_t form;      /* enum access_form: as the Gateway wants it */
    uint8_t method_id; /* enum http_method */
    bool tls;
    uint16_t status;
    enum http_reason reason;
    uint32_t tally, tally_epoch; /* of the rule (table.h); 0: none */
    uint64_t bytes_in, bytes_out, total_us, first_byte_us;

    int64_t time_us; /* wall clock, since 1970 */
    struct ip client;
    uint16_t client_port;
    uint8_t version; /* 10, 11, 20 */
    str method, authority, path, query;
    str tls_version, tls_cipher, server_name, tls_failure;
    str gateway, listener, route, rule_name, backend; /* "" when none */
    int64_t rule;                                     /* -1 when none */
    struct access_address endpoint;
    uint64_t attempts;
    str retries, retry_stop;
    uint64_t head_us, route_us, auth_us, connect_us, tls_us, wait_us, body_us;
    str user_agent, request_id, trace_id, span_id;
    const struct http_msg *request, *response; /* the heads; NULL: none */
    uint32_t request_fields_n;                 /* that were received; what stands behind was added */
    str program;                               /* OWN */
};

enum access_type {
    ACCESS_TYPE_TIME,
    ACCESS_TYPE_IP,
    ACCESS_TYPE_ADDRESS,
    ACCESS_TYPE_VERSION,
    ACCESS_TYPE_BOOL,
    ACCESS_TYPE_TEXT,
    ACCESS_TYPE_TAIL, /* text that follows another: nothing, where others are "-" */
    ACCESS_TYPE_BYTE,
    ACCESS_TYPE_SHORT,
    ACCESS_TYPE_NUMBER,
    ACCESS_TYPE_INDEX, /* negative: none */
    ACCESS_TYPE_DURATION,
    ACCESS_TYPE_REASON,
};
#define ACCESS_FIELD_ID(id, name, type, member, help) ACCESS_##id,
enum access_field_id { ACCESS_FIELDS(ACCESS_FIELD_ID) ACCESS_FIELD_COUNT };
#undef ACCESS_FIELD_ID
struct access_field {
    str name;
    enum access_type type;
    size_t offset;
    const char *help;
};
const struct access_field *access_field(enum access_field_id id);

/* One line with its newline, by a program of access_format.h. */
void access_print(struct buf *b, str program, const struct access_record *r);
