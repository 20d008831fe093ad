/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/upstream_core.h"

/* In this worker's memory, as long as a request goes by it. */
struct policy {
    struct table_balancing b; /* the first */
    uint32_t holds;
};

static str key_of(const struct table_balancing *b) { return (str){(const char *)b, sizeof *b}; }

const struct table_balancing *policy_hold(struct upstream *s, const struct table_balancing *b) {
    struct policy *p = map_get(&s->policies, key_of(b));
    if (!p) {
        p = base_zalloc(sizeof *p);
        p->b = *b;
        map_put(&s->policies, key_of(&p->b), p);
    }
    p->holds++;
    return &p->b;
}

void policy_release(struct upstream *s, const struct table_balancing *b) {
    if (!b) return;
    struct policy *p = container_of((struct table_balancing *)b, struct policy, b);
    assert(p->holds);
    if (--p->holds || s->policies.n <= UPSTREAM_POLICIES_KEPT) return;
    map_take(&s->policies, key_of(b));
    free(p);
}

void policy_free_all(struct upstream *s) {
    map_each (e, &s->policies) free(e->value);
    map_fini(&s->policies);
}
