/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "resolve/resolver.h"

/* Judges what a Gateway's spec says outside its listeners: g->accepted, kept, settings, refs, address, addresses, frontends and what goes
 * with them. */
void gateway_spec_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw);
