/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "resolve/resolver.h"

/* Judges what a Gateway's spec says outside its listeners: g->accepted, kept, settings, refs, address, addresses, shown. */
void gateway_spec_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw);
/* Why listeners of this port and protocol can not be served as spec.tls.frontend asks; reason NULL: they can. */
struct verdict gateway_spec_frontend(struct arena *a, const struct gateway *gw, const struct listener *l);
