/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Gateways of our accepted classes, in three steps: each alone (gateways_resolve), against each other (claims.h), and
 * into the plan and towards their routes (gateways_emit). Statuses come last, once routes are counted. */
void gateways_mark(struct resolver *r, str ns, str name);
/* By "ns/name"; nothing when it is none of ours. */
void gateways_mark_known(struct resolver *r, str key);
void gateways_mark_emit(struct resolver *r, struct gateway_state *g);
void gateways_mark_status(struct resolver *r, struct gateway_state *g);
void gateways_mark_all(struct resolver *r);
void gateways_mark_all_statuses(struct resolver *r);
/* Marks those that use the certificate. */
void gateways_mark_users(struct resolver *r, const struct cert_state *c);
/* Brings the marked ones up to date, each by itself. */
void gateways_resolve(struct pass *p);
/* Writes listeners into the plan; routes that see something else of a Gateway than before are marked. */
void gateways_emit(struct pass *p);
/* The Gateway when it is one of ours, or NULL. */
struct gateway_state *gateways_find(const struct resolver *r, str ns, str name);
/* Ends listeners of its list: those of a set that leaves. */
void gateways_end_listeners(struct pass *p, struct gateway_state *g, uint32_t from, uint32_t n);
/* Hash of what routes see of these listeners; never 0. */
uint64_t gateways_hash_view(const struct pass *p, const struct gateway_state *g, uint32_t from, uint32_t n);
/* Ends listeners and Gateways that are no more, once no route is counted at them. */
void gateways_bury(struct resolver *r);
/* Key of the plan's listener for the i-th address. */
str gateways_piece_key(struct arena *a, const struct listener_state *l, uint32_t address);
void gateways_fini(struct resolver *r);
