/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"
#include "control/address_state.h"

static bool is_one_of(str ip, const str *ips, uint32_t n) {
    struct ip a, b;
    for (uint32_t i = 0; i < n; i++)
        if (ip_parse(ip, &a) == OK && ip_parse(ips[i], &b) == OK && ip_eq(&a, &b)) return true;
    return false;
}

/* "nil should be interpreted as true". [Kubernetes EndpointConditions.ready] */
static bool is_ready(const struct node *endpoint) {
    const struct node *c = node_get(endpoint, S("conditions"));
    return !c || !str_eq(node_get_str(c, S("ready")), S("false"));
}

static bool sends_there(const struct node *slice, const str *ips, uint32_t n) {
    bool named = false, named_ready = false, other_ready = false;
    const struct node *list = node_get(slice, S("endpoints"));
    for (const struct node *e = list ? list->child : NULL; e; e = e->next) {
        const struct node *addresses = node_get(e, S("addresses"));
        if (!addresses || !addresses->child) continue;
        bool ready = is_ready(e);
        if (is_one_of(addresses->child->scalar, ips, n)) {
            named = true;
            named_ready |= ready;
        } else {
            other_ready |= ready;
        }
    }
    return named && (named_ready || !other_ready);
}

bool address_leave_may(const struct address_book *b, const str *ips, uint32_t n) {
    map_each (e, &b->things) {
        const struct address_thing *t = e->value;
        if (t->kind == KIND_ENDPOINT_SLICE && t->seen && sends_there(t->seen, ips, n)) return false;
    }
    return true;
}
