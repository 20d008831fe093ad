/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/pipeline.h"

/* The builder thread's DNS: names that the plan's XBackends give are asked for, and what they stand for goes into the facts. What it costs to be
 * without an answer is borne by those backends alone: no pass, table or start waits for one. */
struct loop;
struct name_watch;
/* servers: as dns_new(). Both outlive it. */
struct name_watch *name_watch_new(struct loop *l, struct pipeline *p, const char *servers);
void name_watch_free(struct name_watch *w); /* NULL is fine */
/* After each pass: what is wanted may be another thing. */
void name_watch_passed(struct name_watch *w);
/* Names that are followed; *ret_failing: of which DNS gives no answer now. */
uint32_t name_watch_count(const struct name_watch *w, uint32_t *ret_failing);
