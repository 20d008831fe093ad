/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* HTTPRoutes: what one resolves to is kept until it or something it depends on changes. */
void routes_mark(struct resolver *r, str ns, str name);
/* Those that name the object, by the store's index. */
void routes_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name);
void routes_mark_of_gateway(struct pass *p, str ns, str name);
void routes_resolve(struct pass *p);
struct route_status *routes_status(const struct resolver *r, str ns, str name);
void routes_fini(struct resolver *r);
