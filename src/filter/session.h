/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "filter/filter.h"

/* What clients bring back of a session, and how they are given it. What it means is proxy/'s.        [GW SessionPersistence] */
enum { SESSION_TOKENS_MAX = 8 }; /* looked at: a client may send a cookie of a name for several paths */
/* The tokens of the request, in their order; returns how many. */
uint32_t session_find(const struct table_session *s, const struct http_msg *request,
                      str ret_tokens[SESSION_TOKENS_MAX]);
/* Gives the client a token. tls: it came by TLS. */
void session_say(const struct table_session *s, str token, bool tls, struct http_msg *response);
