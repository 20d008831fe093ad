/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Listeners of several Gateways share a socket when they fit: one protocol, each hostname once. Where they do not, the
 * oldest Gateway has it (then namespace and name, then the order of listeners). A claim stands by spec alone: what
 * happens to a certificate or a bind does not hand a hostname to somebody else. */

/* Puts a claim for each address of the listener's Gateway. */
void claims_make(struct pass *p, struct listener_state *l);
void claims_drop(struct pass *p, struct listener_state *l);
/* Judges the sockets whose claims changed; Gateways for which something changed are put on r->emit. */
void claims_judge(struct pass *p);
/* Why the listener did not get all of its sockets; not given when it did. */
str claims_loss(const struct listener_state *l);
/* What is known of the claim's socket; NULL: nothing yet. */
const struct fact_bind *claims_fact(const struct pass *p, const struct claim *c);
void claims_fini(struct resolver *r);
