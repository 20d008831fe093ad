/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "table/names.h"
#include "table/table.h"

struct table_host;
/* All rules of the listeners whose endpoints are to be checked, some at a time. It holds for one table. */
struct walk { /* all zero: before the first */
    uint32_t port, shard;
    struct names_cursor listeners, hosts;
    const struct table_listener *listener;
    const struct table_host *host;
};
/* Visits so many rules at least, one as often as it has matches. false: there are no more. */
bool walk_rules(const struct table *t, struct walk *w, uint32_t n,
                void (*visit)(void *arg, const struct table_rule *r, const struct table_balancing *by),
                void *arg);
