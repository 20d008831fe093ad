/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* How clients of a Gateway's HTTPS listeners, and of those of its ListenerSets, are verified.          [GW GatewayFrontendTLS] */
struct frontend {
    int64_t port;                /* 0: of listeners that have none of their own */
    struct verdict accepted;     /* NoValidCACertificate: there is nobody to trust */
    struct verdict refs;         /* the reference that is wrong */
    struct plan_clients clients; /* while accepted */
    bool asked;
};
/* Judges default and perPort: g->frontends, in the Gateway's arena. */
void frontend_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw);
/* perPort replaces the default. NULL: clients of the listener are not asked.           [GW FrontendTLSConfig.perPort] */
const struct frontend *frontend_for(const struct gateway_state *g, const struct listener_state *l);
/* Is there a mode that lets in who is not verified?                                    [GW FrontendValidationModeType] */
bool frontend_insecure(const struct gateway_state *g);
