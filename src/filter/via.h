/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"

/* Via: by which protocol a message came to whom, each of those who pass it on after the one before.                    [RFC 9110 7.6.3] */
void via_add(struct http_msg *m, str name);
/* Is one of them named so? */
bool via_has(const struct http_msg *m, str name);
