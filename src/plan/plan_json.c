/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

void plan_json(const struct plan *p, struct buf *b) {
    OWNED(arena) a = arena_new();
    buf_printf(b, "{\"revision\":%llu", (unsigned long long)p->revision);
    for (enum plan_kind k = 0; k < PLAN_KIND_COUNT; k++) {
        buf_printf(b, ",\n\"%s\":[", plan_kind_name(k));
        void **all = index_sorted(&p->pieces[k]);
        for (uint32_t i = 0; i < p->pieces[k].n; i++) {
            buf_add(b, i ? S(",\n") : S("\n"));
            schema_json(b, plan_schema(k), plan_open(a, all[i]), false, false);
            arena_reset(a);
        }
        free(all);
        buf_add_char(b, ']');
    }
    buf_add(b, S("}\n"));
}
