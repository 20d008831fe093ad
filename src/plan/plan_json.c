/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

void plan_json(const struct plan *p, struct buf *b) {
    buf_printf(b, "{\"revision\":%llu", (unsigned long long)p->revision);
    for (enum plan_kind k = 0; k < PLAN_KIND_COUNT; k++) {
        buf_printf(b, ",\n\"%s\":[", plan_kind_name(k));
        size_t n;
        struct map_entry *all = map_sorted(&p->pieces[k], &n);
        for (size_t i = 0; i < n; i++) {
            buf_add(b, i ? S(",\n") : S("\n"));
            schema_json(b, plan_schema(k), all[i].value, false, false);
        }
        free(all);
        buf_add_char(b, ']');
    }
    buf_add(b, S("}\n"));
}
