/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "resolve/resolver.h"

/* Judges one listener by itself: protocol, TLS, kinds, certificates. Certificates are counted; whoever drops the
 * result releases them. */
void listeners_judge(struct pass *p, struct listener_state *l, const struct gateway *gw);
/* Judges the listeners of one Gateway against each other: conflicts and overlapping names. Within one object nobody
 * wins.                                                                                       [GW ListenerConditionConflicted] */
void listeners_compare(struct gateway_state *g);
