/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "control/pipeline.h"

/* What would become of a request: which listener, host, route, rule and backends take it, what each filter does to it, and why that which
 * nearly took it did not. */
struct explain_query {
    str method, url; /* url: "http://host[:port]/path?query" */
    const struct table_header *headers;
    size_t headers_n;
    str gateway; /* "ns/name"; not given: any that has the port, in a cluster the one that has the URL's address */
    str sni; /* the TLS server name; not given: the URL's host; "": none is sent */
};
/* Text, or JSON. ERR_PROTO: the query itself is wrong; the words are in b. */
err explain_run(const struct pipeline *p, const struct explain_query *q, bool json, struct buf *b);
