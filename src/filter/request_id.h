/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/rng.h"
#include "http/http_msg.h"
#include "table/table.h"

/* X-Request-Id: one name for a request in the logs of everyone it passes. Made here when it has none, or none that counts by the
 * listener's settings. */
enum { REQUEST_ID_BYTES = 32, REQUEST_ID_BYTES_MAX = 128 };
/* 128 random bits, as hexadecimal digits. Two generators side by side, each seeded by the system: what one of 64 bits gives would meet
 * itself among a thousand million. No secret: who sees one may tell the next. */
struct request_id_source {
    struct rng high, low;
};
str request_id_new(struct request_id_source *s, struct arena *a);
/* Is the request to get one? What it came with is removed then. It stays, where that is said, when it is one field of
 * REQUEST_ID_BYTES_MAX visible characters at most, so that no log and no answer has to carry more. trusted: the peer is. */
bool request_id_needed(struct http_msg *m, enum table_request_id how, bool trusted);
void request_id_put(struct http_msg *m, str id);
