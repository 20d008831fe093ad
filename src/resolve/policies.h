/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* The statuses of policies (an entry for each of our Gateways that they matter to), of XBackends and of XMeshes. What is not
 * served is said so: never silence. */
void policies_mark(struct resolver *r, enum api_kind kind, str ns, str name);
/* A policy or what it needs changed: its own status, those of its rivals, the backends it holds for. */
void policies_mark_changed(struct pass *p, enum api_kind kind, str ns, str name);
/* Those that target the Service or XBackend, and what is said of an XBackend. */
void policies_mark_backend(struct pass *p, enum api_kind kind, str ns, str name);
/* Those that target the Gateway, which has come or gone as one of ours. */
void policies_mark_gateway(struct pass *p, str ns, str name);
/* Policies and XBackends that trust whom the ConfigMap or ClusterTrustBundle says, or show the Secret's certificate. */
void policies_mark_trust(struct pass *p, enum api_kind kind, str ns, str name);
/* Another controller name, other features: all of them. */
void policies_mark_all(struct pass *p);
/* Backends are marked before they are resolved, statuses told once routes are. */
void policies_resolve(struct pass *p);
const void *policies_status(const struct resolver *r, enum api_kind kind, str ns, str name);
void policies_fini(struct resolver *r);
