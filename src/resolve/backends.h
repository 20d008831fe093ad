/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* Backends: a Service's port or an XBackend as a target of rules, and its endpoints. A backend is in the plan while a rule in the plan
 * names it. */

/* Can routes of that kind in namespace from_ns send to ref, gRPC or what the kind carries else? where: the reference's path for the message. *ret_key: that of the plan,
 * "NS/NAME:PORT+h2c", in p->scratch when they can. */
struct verdict backends_judge(struct pass *p, enum api_kind from, str from_ns, bool grpc,
                              const struct backend_object_ref *ref, str where, str *ret_key);
/* What the annotation of a Service or an XBackend says, which has no field for it: 0 none, 1 or 2 a version of the header that connections to it
 * begin with. ERR_PROTO: it says another thing.                                                        [PROXY 2] */
#define BACKENDS_PROXY_ANNOTATION "postern.dev/proxy-protocol"
err backends_proxy(const struct object *o, uint8_t *ret, str *ret_said);
struct backend_state *backends_use(struct pass *p, str key);
void backends_release(struct pass *p, struct backend_state *b);
/* Marks the backends of a Service. */
void backends_mark(struct pass *p, str ns, str name);
/* Does the Service tell by its annotations something else of its backends than they were made by? */
bool backends_annotated_anew(struct pass *p, str ns, str name);
void backends_mark_xbackend(struct pass *p, str ns, str name);
/* object: "ns/name". */
str backends_key(struct arena *a, enum api_kind kind, str object, int64_t port,
                 enum plan_backend_protocol protocol);
/* What a key names; strings are the key's. */
void backends_parse(str key, enum api_kind *ret_kind, str *ret_ns, str *ret_name);
str backends_ns(const struct backend_state *b);
str backends_name(const struct backend_state *b);
void backends_mark_one(struct resolver *r, struct backend_state *b);
void backends_mark_all(struct resolver *r);
void backends_resolve(struct pass *p);
void backends_fini(struct resolver *r);
