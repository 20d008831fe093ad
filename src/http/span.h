/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/access.h"
#include "http/trace_context.h"

/* One exchange as spans: the server's, and the client's of each attempt at a backend. What they tell is that of the access record, by the names
 * that OpenTelemetry has for it.                                                  [OpenTelemetry HTTP spans] [opentelemetry/proto/trace/v1] */

/* What may be asked for by name.                                                   [GW Attribute.attributeKey] [GEP-5253]
 * X(ID, "name"); of the two with a dot at the end the rest is the name of a field. */
#define SPAN_KNOWN(X)                                                                                        \
    X(METHOD, "http.request.method")                                                                         \
    X(METHOD_ORIGINAL, "http.request.method_original")                                                       \
    X(STATUS, "http.response.status_code")                                                                   \
    X(ROUTE, "http.route")                                                                                   \
    X(REQUEST_HEADER, "http.request.header.")                                                                \
    X(RESPONSE_HEADER, "http.response.header.")                                                              \
    X(USER_AGENT, "user_agent.original")                                                                     \
    X(ERROR, "error.type")                                                                                   \
    X(SCHEME, "url.scheme")                                                                                  \
    X(PATH, "url.path")                                                                                      \
    X(QUERY, "url.query")                                                                                    \
    X(URL, "url.full")                                                                                       \
    X(CLIENT, "client.address")                                                                              \
    X(CLIENT_PORT, "client.port")                                                                            \
    X(SERVER, "server.address")                                                                              \
    X(SERVER_PORT, "server.port")                                                                            \
    X(PEER, "network.peer.address")                                                                          \
    X(PEER_PORT, "network.peer.port")                                                                        \
    X(PROTOCOL, "network.protocol.name")                                                                     \
    X(VERSION, "network.protocol.version")                                                                   \
    X(TRANSPORT, "network.transport")                                                                        \
    X(TYPE, "network.type")
#define SPAN_KNOWN_ID(id, name) SPAN_##id,
enum span_known { SPAN_UNKNOWN, SPAN_KNOWN(SPAN_KNOWN_ID) SPAN_KNOWN_COUNT };
#undef SPAN_KNOWN_ID
enum span_source { SPAN_OF_FIELD, SPAN_OF_TEXT, SPAN_OF_RECORD };
/* An attribute that was asked for. */
struct span_wish {
    uint8_t source, known; /* enum span_source; OF_RECORD: enum span_known */
    str name;
    str value; /* OF_FIELD, REQUEST_HEADER, RESPONSE_HEADER: the field's name; OF_TEXT: it */
};
/* UNKNOWN: what is asked for is left out. *ret_field: of the two headers. */
enum span_known span_known_of(str key, str *ret_field);

/* What the record does not tell. */
struct span_exchange {
    const uint8_t *trace_id, *span_id, *parent_id; /* parent_id: the caller's, NULL: it begins the trace */
    uint8_t flags;
    str state;      /* tracestate */
    str name;       /* "" = the method, and the route */
    str route;      /* what of the path was configured; "" = not known */
    str host;       /* asked for */
    struct ip peer; /* that the connection is from */
    uint16_t peer_port, port;
    const struct span_wish *wishes;
    uint32_t wishes_n;
    struct buf *scratch; /* of SPAN_SCRATCH_BYTES_MAX */
};
enum { SPAN_SCRATCH_BYTES_MAX = 16 << 10 };
struct span_attempt {
    uint8_t span_id[TRACE_SPAN_BYTES];
    uint8_t reason;  /* enum http_reason: why it failed */
    uint8_t version; /* of the backend's protocol, as access_record.version; 0: not known */
    uint16_t status; /* 0: none came */
    uint32_t nth;    /* from 0 */
    struct access_address endpoint;
    uint64_t start_us, end_us; /* from the exchange's own start */
};
/* A Span each, without the tag of whoever has it. */
void span_print_server(struct buf *b, const struct span_exchange *s, const struct access_record *r);
void span_print_client(struct buf *b, const struct span_exchange *s, const struct access_record *r,
                       const struct span_attempt *a);
