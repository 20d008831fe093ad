/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "resolve/resolver.h"

/* Judges one listener by itself: protocol, TLS, kinds, certificates. Certificates are counted; whoever drops the
 * result releases them. */
void listeners_judge(struct pass *p, struct listener_state *l);
/* Judges the listeners of a Gateway and its ListenerSets against each other: conflicts and overlapping names. Within one
 * object nobody wins; between two the one that goes first stays.      [GW ListenerConditionConflicted] [GW ListenerSet] */
void listeners_compare(struct pass *p, struct gateway_state *g);
/* In its object; valid while the pass lasts. */
const struct listener *listeners_spec(const struct pass *p, const struct listener_state *l);
/* TLS ends here: it needs a certificate. */
bool listeners_terminates(const struct listener_state *l);
/* Can the two not share a port, whatever their hostnames? */
bool listeners_protocols_clash(const struct facts *f, const struct listener_state *x,
                               const struct listener_state *y);
