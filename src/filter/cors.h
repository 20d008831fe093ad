/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "filter/filter.h"

/* Is it the question of a browser whether it may send another request?                     [Fetch CORS-preflight request] */
bool cors_is_preflight(const struct http_msg *request);
/* Adds what the answer to a preflight says. */
void cors_answer(const struct table_cors *c, const struct http_msg *request, struct http_msg *response);
/* The response to any other request says what the filter says, whatever the backend had said. origin: of the request, "" when it has none. */
void cors_respond(const struct table_cors *c, str origin, struct http_msg *response);
