/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/crash.h"
#include "proxy/proxy.h"

/* For the report of a crash: whose event this worker's loop is at, and the request there: its route, how far it is. Nothing that a client has
 * sent. Reads memory that may be in any state: bounded, and writes nothing. */
void doing_tell(const struct proxy *p, struct crash_text *t);
