/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "control/pipeline.h"

/* The pages that speak of objects, plan and table; rendered in the builder's thread. Returns the HTTP status; *ret_type is static. */
uint16_t pages_render(const struct pipeline *p, const struct findings *found, int64_t now_s, str page,
                      str query, struct buf *b, const char **ret_type);
/* The page /status. all: also objects that have no status, since nobody here answers for them. said: what is told as the status of those that are
 * ours, as JSON ("" = none), instead of what p makes of them; NULL: that. */
typedef str pages_said(void *arg, enum api_kind kind, str ns, str name);
void pages_status(struct buf *b, const struct pipeline *p, const struct findings *found, int64_t now_s,
                  bool all, pages_said *said, void *arg);
/* How many of a status's conditions say that something is not as it should be. */
uint32_t pages_false_conditions(const struct resolver *r, enum api_kind kind, str ns, str name);
