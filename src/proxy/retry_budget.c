/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/retry_budget.h"

#include "proxy/exchange.h"
#include "table/budget.h"

struct retry_window {
    uint64_t id; /* table_backend.id */
    struct budget_window w;
};

/* NULL: the backend has none, or is no more. */
static const struct budget *budget_of(const struct exchange *x) {
    const struct table *t = x->proxy->table;
    const struct table_endpoints *e = t ? table_endpoints(t, x->target->backend->slot) : NULL;
    return e ? e->budget : NULL;
}

static struct budget_window *window_of(struct exchange *x) {
    struct proxy *p = x->proxy;
    const struct table_backend *b = x->target->backend;
    if (b->slot >= p->windows_n) {
        uint32_t n = p->table->backend_slots > b->slot ? p->table->backend_slots : b->slot + 1;
        p->windows = base_realloc(p->windows, n * sizeof(struct retry_window *));
        memset(p->windows + p->windows_n, 0, (n - p->windows_n) * sizeof *p->windows);
        p->windows_n = n;
    }
    struct retry_window *w = p->windows[b->slot];
    if (!w) w = p->windows[b->slot] = base_zalloc(sizeof *w);
    if (w->id != b->id) *w = (struct retry_window){.id = b->id};
    return &w->w;
}

void retry_budget_count_request(struct exchange *x) {
    const struct budget *b = budget_of(x);
    if (b) budget_count(window_of(x), b, proxy_core_now(x->proxy));
}

bool retry_budget_take(struct exchange *x) {
    const struct budget *b = budget_of(x);
    return !b || budget_take(window_of(x), b, proxy_core_now(x->proxy));
}

void retry_budget_fini(struct proxy *p) {
    for (uint32_t i = 0; i < p->windows_n; i++) free(p->windows[i]);
    free(p->windows);
}
