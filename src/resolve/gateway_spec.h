/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "resolve/resolver.h"

/* Judges what a Gateway's spec says outside its listeners: g->accepted, refs, address, addresses, shown. */
void gateway_spec_judge(struct gateway_state *g, const struct gateway *gw, const struct facts *facts);
/* Why listeners of this port and protocol can not be served as spec.tls.frontend asks; reason NULL: they can. */
struct verdict gateway_spec_frontend(struct arena *a, const struct gateway *gw, const struct listener *l);
