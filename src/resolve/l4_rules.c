/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/l4_rules.h"

static void map_rule(struct pass *p, const struct route *route, str path, const struct l4_route_rule *from,
                     struct plan_rule *to, struct rules *out) {
    to->name = from->name;
    to->targets.p = arena_array(p->scratch, struct plan_target, from->backend_refs.n + 1);
    for (uint32_t i = 0; i < from->backend_refs.n; i++) {
        const struct backend_ref *ref = &from->backend_refs.p[i];
        str where = arena_printf(p->scratch, STR_FMT ".backendRefs[%u]", STR_ARG(path), i);
        rules_add_target(p, route, where, &ref->ref, ref->weight, to, out);
    }
    if (!from->backend_refs.n) rules_answer_500(p->scratch, path, to);
}

void l4_rules_resolve(struct pass *p, const struct l4_route *route, struct rules *ret) {
    struct arena *a = p->scratch;
    *ret = (struct rules){.good = arena_array(a, struct plan_rule, route->spec.rules.n)};
    for (uint32_t i = 0; i < route->spec.rules.n; i++) {
        struct plan_rule one = {.index = i};
        str path = arena_printf(a, "spec.rules[%u]", i);
        map_rule(p, (const void *)route, path, &route->spec.rules.p[i], &one, ret);
        struct verdict v = {0};
        if (i)
            v = resolver_refuse(a, "UnsupportedValue",
                                STR_FMT ": nothing tells connections of this rule from those of the first; "
                                        "put it into a route of its own",
                                STR_ARG(path));
        rules_sort(a, ret, i, &one, v, false);
    }
}
