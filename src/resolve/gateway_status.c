/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateway_status.h"

#include "resolve/claims.h"
#include "resolve/conditions.h"

/* How the sockets of a Gateway stand. */
struct tally {
    uint32_t accepted, unresolved, programmed, pending;
    struct verdict first_bad; /* of the listeners that are accepted and not programmed */
};

static const struct schema *status_schema(void) { return api_type_of(KIND_GATEWAY)->status_schema; }

static struct verdict judge_accepted(const struct listener_state *l) {
    if (l->accepted.reason) return l->accepted;
    if (l->conflict.reason) return l->conflict;
    str loss = claims_loss(l);
    return loss.p ? (struct verdict){"PortUnavailable", loss} : (struct verdict){0};
}

/* "port 80", "192.0.2.1:80", "[2001:db8::1]:80" */
static str socket_name(struct arena *a, const struct socket_state *s) {
    if (!s->address.n) return arena_printf(a, "port %u", s->port);
    bool v6 = str_find(s->address, ':') < s->address.n;
    return arena_printf(a, v6 ? "[" STR_FMT "]:%u" : STR_FMT ":%u", STR_ARG(s->address), s->port);
}

/* One socket: none known yet, failed, or open. `check` and `explain` have no sockets: there all would come about. */
static struct verdict judge_bind(struct pass *p, const struct socket_state *s) {
    if (!p->facts->serving) return (struct verdict){0};
    const struct fact_bind *b = facts_bind(p->facts, s->address, s->port);
    if (b && b->ok) return (struct verdict){0};
    str name = socket_name(p->scratch, s);
    if (!b) return resolver_refuse(p->scratch, "Pending", STR_FMT " is not open yet", STR_ARG(name));
    return resolver_refuse(p->scratch, "PortUnavailable",
                           STR_FMT " can not be opened: " STR_FMT "; free it or use another one",
                           STR_ARG(name), STR_ARG(b->error));
}

static struct verdict judge_programmed(struct pass *p, const struct listener_state *l,
                                       struct verdict accepted) {
    const struct gateway_state *g = l->gateway;
    if (g->accepted.reason) return (struct verdict){"Invalid", g->accepted.message};
    if (l->conflict.reason) return l->conflict;
    if (accepted.reason) return (struct verdict){"Invalid", accepted.message};
    if (l->protocol == PLAN_HTTPS && !l->certs_n) return (struct verdict){"Invalid", l->refs.message};
    if (!l->claims_n) return (struct verdict){"Invalid", g->address.message};
    struct verdict worst = {0};
    if (p->facts->serving && l->revision > p->facts->revision_adopted)
        worst = (struct verdict){"Pending", S("the workers do not have this state of the listener yet")};
    for (uint32_t i = 0; i < l->claims_n; i++) {
        struct verdict v = judge_bind(p, l->claims[i].socket);
        if (v.reason && (!worst.reason || strcmp(worst.reason, "Pending") == 0)) worst = v;
    }
    return worst;
}

static void count(struct tally *t, struct verdict accepted, struct verdict refs, struct verdict programmed) {
    t->accepted += !accepted.reason;
    t->unresolved += refs.reason != NULL;
    t->programmed += !programmed.reason;
    t->pending += programmed.reason && strcmp(programmed.reason, "Pending") == 0;
    if (!accepted.reason && programmed.reason && !t->first_bad.reason) t->first_bad = programmed;
}

static void build_listener(struct pass *p, const struct listener_state *l, struct listener_status *st,
                           struct tally *t) {
    static const struct route_group_kind http_route = {{RESOLVE_GROUP, sizeof RESOLVE_GROUP - 1},
                                                       {"HTTPRoute", 9}};
    struct verdict accepted = judge_accepted(l), programmed = judge_programmed(p, l, accepted);
    count(t, accepted, l->refs, programmed);
    struct conditions c = conditions_begin(p->scratch, l->gateway->generation);
    conditions_judge(&c, "Accepted", accepted, "Accepted", S("the listener is accepted"));
    conditions_judge(&c, "Programmed", programmed, "Programmed", S("the listener takes connections"));
    conditions_judge(&c, "ResolvedRefs", l->refs, "ResolvedRefs",
                     l->notice.n ? l->notice : S("all references are resolved"));
    if (l->conflict.reason)
        conditions_add(&c, "Conflicted", CONDITION_TRUE, l->conflict.reason, l->conflict.message);
    else
        conditions_add(&c, "Conflicted", CONDITION_FALSE, "NoConflicts",
                       S("no other listener is in the way"));
    if (l->overlap.n)
        conditions_add(&c, "OverlappingTLSConfig", CONDITION_TRUE, "OverlappingHostnames", l->overlap);
    *st = (struct listener_status){.name = l->name, .attached_routes = l->attached};
    st->conditions.p = c.p, st->conditions.n = c.n;
    if (!l->routable) return;
    st->supported_kinds.p = arena_make(p->scratch, struct route_group_kind);
    st->supported_kinds.p[st->supported_kinds.n++] = http_route;
}

static void add_accepted(struct conditions *c, const struct gateway_state *g, const struct tally *t) {
    uint32_t bad = g->listeners_n - t->accepted;
    str words = bad ? arena_printf(c->arena, "%u of %u listeners are not accepted; see status.listeners", bad,
                                   g->listeners_n)
                    : S("the Gateway is accepted");
    if (g->accepted.reason)
        conditions_add(c, "Accepted", CONDITION_FALSE, g->accepted.reason, g->accepted.message);
    else if (!bad)
        conditions_add(c, "Accepted", CONDITION_TRUE, "Accepted", words);
    else
        conditions_add(c, "Accepted", t->accepted ? CONDITION_TRUE : CONDITION_FALSE, "ListenersNotValid",
                       words);
}

/* Why no listener that asked for this address got it; NULL: one did, or may yet. */
static const struct fact_bind *address_failure(struct pass *p, const struct gateway_state *g,
                                               uint32_t address) {
    const struct fact_bind *failure = NULL;
    for (uint32_t i = 0; i < g->listeners_n && p->facts->serving; i++) {
        const struct listener_state *l = g->listeners[i];
        if (!l->served || address >= l->claims_n) continue;
        failure = facts_bind(p->facts, l->claims[address].socket->address, l->claims[address].socket->port);
        if (!failure || failure->ok) return NULL;
    }
    return failure;
}

static struct verdict judge_gateway(struct pass *p, const struct gateway_state *g, const struct tally *t) {
    if (g->accepted.reason) return (struct verdict){"Invalid", g->accepted.message};
    if (g->address.reason) return g->address;
    for (uint32_t i = 0; i < g->addresses_n; i++) {
        const struct fact_bind *failure = g->addresses[i].n ? address_failure(p, g, i) : NULL;
        if (failure)
            return resolver_refuse(p->scratch, "AddressNotUsable",
                                   "spec.addresses: " STR_FMT " can not be used: " STR_FMT
                                   "; name an address of this machine",
                                   STR_ARG(g->addresses[i]), STR_ARG(failure->error));
    }
    if (t->pending) return (struct verdict){"Pending", t->first_bad.message};
    if (t->programmed) return (struct verdict){0};
    if (t->first_bad.reason && strcmp(t->first_bad.reason, "PortUnavailable") == 0)
        return (struct verdict){"NoResources", t->first_bad.message};
    return (struct verdict){"Invalid", t->first_bad.reason
                                           ? t->first_bad.message
                                           : S("no listener is accepted; see status.listeners")};
}

static void add_addresses(struct pass *p, const struct gateway_state *g, struct gateway_status *st) {
    str machine = p->facts->address.n ? p->facts->address : S("127.0.0.1");
    if (g->accepted.reason) return;
    st->addresses.p = arena_array(p->scratch, struct gateway_status_address, g->shown_n);
    for (uint32_t i = 0; i < g->shown_n; i++) /* shown and addresses run in parallel */
        if (!g->addresses[i].n || !address_failure(p, g, i))
            st->addresses.p[st->addresses.n++] =
                (struct gateway_status_address){S("IPAddress"), g->shown[i].n ? g->shown[i] : machine};
}

static void build(struct pass *p, const struct gateway_state *g, struct gateway_status *st) {
    struct tally t = {0};
    st->listeners.n = g->listeners_n;
    st->listeners.p = arena_array(p->scratch, struct listener_status, g->listeners_n);
    for (uint32_t i = 0; i < g->listeners_n; i++) build_listener(p, g->listeners[i], &st->listeners.p[i], &t);
    struct verdict refs = g->refs;
    if (!refs.reason && t.unresolved)
        refs =
            resolver_refuse(p->scratch, "ListenersNotResolved",
                            "%u of %u listeners have references that are not resolved; see status.listeners",
                            t.unresolved, g->listeners_n);
    struct verdict programmed = judge_gateway(p, g, &t);
    struct conditions c = conditions_begin(p->scratch, g->generation);
    add_accepted(&c, g, &t);
    conditions_judge(
        &c, "Programmed", programmed, "Programmed",
        t.programmed < g->listeners_n
            ? arena_printf(p->scratch, "%u of %u listeners take connections", t.programmed, g->listeners_n)
            : S("all listeners take connections"));
    conditions_judge(&c, "ResolvedRefs", refs, "ResolvedRefs", S("all references are resolved"));
    st->conditions.p = c.p, st->conditions.n = c.n;
    add_addresses(p, g, st);
}

void gateway_status_write(struct pass *p) {
    struct worklist *w = &p->r->restatus;
    for (size_t i = 0; i < w->n; i++) {
        struct gateway_state *g = w->p[i];
        g->restatus = false;
        if (!g->arena) continue;
        struct gateway_status st = {0};
        build(p, g, &st);
        uint64_t hash = schema_hash(status_schema(), &st);
        if (!g->status || hash != g->status_hash) {
            size_t bytes;
            free(g->status);
            g->status = schema_pack(status_schema(), &st, 0, &bytes);
            g->status_hash = hash;
            resolver_note_status(p, KIND_GATEWAY, g->ns, g->name);
        }
        arena_reset(p->scratch);
    }
    w->n = 0;
}
