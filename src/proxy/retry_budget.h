/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/proxy_core.h"

/* The budgets of retries that backends have, as far as they are this worker's (table/budget.h). */
struct exchange;
void retry_budget_count_request(struct exchange *x);
/* An attempt goes out. Where no backend has a budget, which is nearly everywhere, it costs this one look. */
static inline void retry_budget_count(const struct proxy *p, struct exchange *x) {
    if (p->budgets) retry_budget_count_request(x);
}
/* May the exchange's request be sent to its backend again? Then it counts. */
bool retry_budget_take(struct exchange *x);
void retry_budget_fini(struct proxy *p);
