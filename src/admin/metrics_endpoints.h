/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "table/census.h"

/* The series of endpoints of backends. So many have a place, and with it their figures, from the first page that finds a request sent to them
 * until they are gone; further ones have none. Of those without a place that do not serve as they should as many have the line of their state.
 * Owner: the loop thread. */
enum { METRICS_ENDPOINTS_SERIES = 9 }; /* of a place, and a line of another one's state */
struct metrics_endpoints;
struct metrics_endpoints *metrics_endpoints_new(uint32_t places);
void metrics_endpoints_free(struct metrics_endpoints *m); /* NULL is fine */
/* What the workers know now; those of NULL know nothing. */
void metrics_endpoints_take(struct metrics_endpoints *m, const struct census *const *all, size_t n);
/* head: begins a family. */
void metrics_endpoints_print(const struct metrics_endpoints *m, struct buf *b,
                             void (*head)(const void *arg, const char *name, const char *type,
                                          const char *help),
                             const void *arg);
