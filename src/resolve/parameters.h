/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway_class.h"
#include "api/settings.h"
#include "resolve/resolver.h"

/* What parametersRefs say: the settings of a GatewayClass and of a Gateway.          [GW GatewayClassSpec.parametersRef] [GW GatewayInfrastructure] */

/* Reads the ConfigMap that the reference at `path` names in namespace ns (not given: a class that names none). Good: *ret is set, its lists
 * are in a. Else InvalidParameters, with the field and the remedy; *ret is as it was. */
struct verdict parameters_read(struct pass *p, struct arena *a, const char *path,
                               const struct parameters_reference *ref, str ns, struct settings *ret);
/* One block, to free(). */
struct settings *parameters_pack(const struct settings *s);
bool parameters_equal(const struct settings *x, const struct settings *y); /* both may be NULL */
/* For listeners of the plan, in a; NULL: nothing is set. */
/* What of the settings is a socket's, for all who share it: which connections begin with a header of the PROXY protocol. NULL is fine. The
 * order of networks counts. */
uint64_t parameters_hash_proxy(const struct plan_settings *s);
struct plan_settings *parameters_plan(struct arena *a, const struct settings *s);
/* The same for what they say of tracing. */
struct plan_tracing *parameters_tracing(struct arena *a, const struct settings *s);
