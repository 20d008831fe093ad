/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"
#include "plan/plan.h"
#include "resolve/backend_endpoints.h"
#include "resolve/resolver.h"

/* XBackends: backends that are no Service, pods by their labels or a hostname outside, with TLS and protocol of their own. */

bool xbackends_named(str group, str kind);
/* As backends_judge(), for a reference to an XBackend. */
struct verdict xbackends_judge(struct pass *p, enum api_kind from, str from_ns, bool grpc,
                               const struct backend_object_ref *ref, str where, str *ret_key);
/* Fills in what the XBackend of b says: TLS, endpoints. Its client certificate, if it has one, is counted for b. */
void xbackends_write(struct pass *p, struct backend_state *b, struct plan_backend *piece,
                     struct backend_endpoints *all);
/* The session that it asks for, or NULL. */
const struct session_persistence *xbackends_session(const struct pass *p, str ns, str name);
/* Those whose endpoints have the label. */
void xbackends_mark_labelled(struct pass *p, str ns, str label);
/* Those that give a name whose fact changed; the marks on facts are taken off. */
void xbackends_mark_names(struct pass *p, struct facts *f);
/* What is said of the XBackend. */
void xbackends_status(struct pass *p, struct policy_state *ps, const struct object *o);
