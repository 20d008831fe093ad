/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateway_status.h"

#include "resolve/claims.h"
#include "resolve/conditions.h"
#include "resolve/frontend.h"
#include "resolve/gateway_addresses.h"
#include "resolve/listener_verdicts.h"
#include "resolve/set_status.h"
#include "resolve/telemetry.h"

static const struct schema *status_schema(void) { return api_type_of(KIND_GATEWAY)->status_schema; }

static void add_accepted(struct conditions *c, const struct gateway_state *g,
                         const struct listener_tally *t) {
    uint32_t bad = g->own_n - t->accepted;
    str words = bad ? arena_printf(c->arena, "%u of %u listeners are not accepted; see status.listeners", bad,
                                   g->own_n)
                    : S("the Gateway is accepted");
    const struct verdict *own = g->accepted.reason ? &g->accepted : &g->kept;
    if (own->reason)
        conditions_add(c, "Accepted", CONDITION_FALSE, own->reason, own->message);
    else if (!bad)
        conditions_add(c, "Accepted", CONDITION_TRUE, "Accepted", words);
    else
        conditions_add(c, "Accepted", t->accepted ? CONDITION_TRUE : CONDITION_FALSE, "ListenersNotValid",
                       words);
}

/* In a cluster: whether its Service got what it needs. */
static struct verdict judge_reach(struct pass *p, const struct gateway_state *g) {
    if (!p->facts->cluster || !p->facts->serving) return (struct verdict){0};
    const struct fact_gateway *f = facts_gateway(p->facts, g->key);
    if (!f) return (struct verdict){"Pending", S("the Gateway's Service is not there yet")};
    return (struct verdict){f->reason, f->message};
}

static struct verdict judge_gateway(struct pass *p, const struct gateway_state *g,
                                    const struct listener_tally *t) {
    if (g->accepted.reason) return (struct verdict){"Invalid", g->accepted.message};
    struct verdict addresses = gateway_addresses_failure(p, g);
    if (addresses.reason) return addresses;
    struct verdict reach = judge_reach(p, g);
    if (reach.reason && t->accepted) return reach;
    if (t->pending) return (struct verdict){"Pending", t->first_bad.message};
    if (t->programmed) return (struct verdict){0};
    if (t->first_bad.reason && strcmp(t->first_bad.reason, "PortUnavailable") == 0)
        return (struct verdict){"NoResources", t->first_bad.message};
    return (struct verdict){"Invalid", t->first_bad.reason
                                           ? t->first_bad.message
                                           : S("no listener is accepted; see status.listeners")};
}

/* In a cluster with what is worth knowing of the way to it: ports of the nodes. */
static str say_programmed(struct pass *p, const struct gateway_state *g, const struct listener_tally *t) {
    const struct fact_gateway *f = p->facts->cluster ? facts_gateway(p->facts, g->key) : NULL;
    str words = t->programmed < g->own_n
                    ? arena_printf(p->scratch, "%u of %u listeners take connections", t->programmed, g->own_n)
                    : S("all listeners take connections");
    if (!f || f->reason || !f->message.n) return words;
    return arena_printf(p->scratch, STR_FMT "; " STR_FMT, STR_ARG(words), STR_ARG(f->message));
}

/* Returns how Programmed stands. */
static struct verdict build(struct pass *p, const struct gateway_state *g, struct gateway_status *st) {
    struct listener_tally t = {0};
    st->listeners.n = g->own_n;
    st->listeners.p = arena_array(p->scratch, struct listener_status, g->own_n);
    for (uint32_t i = 0; i < g->own_n; i++)
        listener_verdicts_write(p, g->listeners[i], &st->listeners.p[i], &t);
    struct verdict refs = g->refs;
    if (!refs.reason && t.unresolved)
        refs =
            resolver_refuse(p->scratch, "ListenersNotResolved",
                            "%u of %u listeners have references that are not resolved; see status.listeners",
                            t.unresolved, g->own_n);
    if (!refs.reason) refs = telemetry_judge_settings(p, g);
    struct verdict programmed = judge_gateway(p, g, &t);
    struct conditions c = conditions_begin(p->scratch, g->generation);
    add_accepted(&c, g, &t);
    conditions_judge(&c, "Programmed", programmed, "Programmed", say_programmed(p, g, &t));
    conditions_judge(&c, "ResolvedRefs", refs, "ResolvedRefs",
                     g->notice.n ? g->notice : S("all references are resolved"));
    if (g->is_default)
        conditions_add(&c, "DefaultGateway", CONDITION_TRUE, "DefaultGateway",
                       S("the Gateway has the default scope All"));
    if (frontend_insecure(g) && !g->accepted.reason)
        conditions_add(&c, "InsecureFrontendValidationMode", CONDITION_TRUE, "ConfigurationChanged",
                       S("spec.tls.frontend: AllowInsecureFallback lets in clients whose certificate is "
                         "missing or not valid; use AllowValidOnly"));
    gateway_addresses_write(p, g, &c, st);
    st->conditions.p = c.p, st->conditions.n = c.n;
    return programmed;
}

void gateway_status_write(struct pass *p) {
    struct worklist *w = &p->r->restatus;
    for (size_t i = 0; i < w->n; i++) {
        struct gateway_state *g = w->p[i];
        g->restatus = false;
        if (!g->arena) continue;
        struct gateway_status st = {0};
        struct verdict programmed = build(p, g, &st);
        st.attached_listener_sets = set_status_write(p, g, programmed);
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
