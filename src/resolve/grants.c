/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/grants.h"

#include "api/reference_grant.h"

static bool grant_allows(const struct reference_grant *g, const struct api_type *t, str from_ns, str to_kind,
                         str to_name) {
    bool from = false, to = false;
    for (uint32_t i = 0; i < g->spec.from.n && !from; i++) {
        const struct grant_from *f = &g->spec.from.p[i];
        from =
            str_eq(f->group, str_of(t->group)) && str_eq(f->kind, str_of(t->name)) && str_eq(f->ns, from_ns);
    }
    for (uint32_t i = 0; from && i < g->spec.to.n && !to; i++) {
        const struct grant_to *target = &g->spec.to.p[i];
        to = !target->group.n && str_eq(target->kind, to_kind) &&
             (!target->name.n || str_eq(target->name, to_name));
    }
    return from && to;
}

bool grants_allow(const struct pass *p, enum api_kind from, str from_ns, str to_kind, str to_ns,
                  str to_name) {
    if (str_eq(from_ns, to_ns)) return true;
    size_t n;
    const struct object **grants =
        store_referrers(p->store, p->scratch, KIND_NAMESPACE, S(""), to_ns, KIND_REFERENCE_GRANT, &n);
    for (size_t i = 0; i < n; i++)
        if (grant_allows((const void *)grants[i], api_type_of(from), from_ns, to_kind, to_name)) return true;
    return false;
}
