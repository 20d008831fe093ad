/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* ListenerSets of our Gateways: which there are, and whether they may attach. Their listeners are the Gateway's from then on. */

/* A ListenerSet changed: the Gateway that has it and the one that it names are looked at again. */
void sets_mark(struct pass *p, str ns, str name);
/* The Gateways of those that name the object. */
void sets_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name);
/* The state when the set names one of our Gateways, or NULL. */
struct set_state *sets_find(const struct resolver *r, str ns, str name);
/* The sets of the Gateway in the order of right, judged; those that are no more end. Precedes the matching of listeners. */
void sets_gather(struct pass *p, struct gateway_state *g);
/* The Gateway is none of ours any more. */
void sets_forget(struct pass *p, struct gateway_state *g);
/* Routes that see something else of a set than before are marked. */
void sets_emit(struct pass *p, struct gateway_state *g);
void sets_fini(struct resolver *r);
