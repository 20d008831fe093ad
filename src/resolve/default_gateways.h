/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Gateways with defaultScope All: each claims every route with useDefaultGateways All, as if it stood in its parentRefs. [GEP-3793] */

/* Brings the list up to date with the Gateway's spec; changed: routes see something else of it than before. Routes that it may claim
 * are marked when either matters to them. */
void default_gateways_update(struct pass *p, struct gateway_state *g, bool changed);
/* The Gateway ends. */
void default_gateways_forget(struct pass *p, struct gateway_state *g);
