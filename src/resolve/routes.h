/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Routes of all kinds: what one resolves to is kept until it or something it depends on changes. */
extern const enum api_kind routes_kinds[]; /* ended by KIND_NONE */
void routes_mark(struct resolver *r, enum api_kind kind, str ns, str name);
/* Those that name the object, by the store's index. */
void routes_mark_referrers(struct pass *p, enum api_kind kind, str ns, str name);
void routes_resolve(struct pass *p);
const struct route_state *routes_find(const struct resolver *r, enum api_kind kind, str ns, str name);
/* What it is counted at, then what it uses; valid until it is resolved again. */
void **routes_refs(const struct route_state *rs);
struct route_status *routes_status(const struct resolver *r, enum api_kind kind, str ns, str name);
void routes_init(struct resolver *r);
void routes_fini(struct resolver *r);
