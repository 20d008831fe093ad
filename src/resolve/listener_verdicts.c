/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/listener_verdicts.h"

#include "resolve/claims.h"
#include "resolve/conditions.h"
#include "resolve/listeners.h"

static struct verdict judge_accepted(const struct listener_state *l) {
    if (l->accepted.reason && (l->protocol || !l->conflict.reason)) return l->accepted;
    if (l->conflict.reason) return l->conflict;
    str loss = claims_loss(l);
    return loss.p ? (struct verdict){"PortUnavailable", loss} : (struct verdict){0};
}

/* "port 80", "UDP port 53", "192.0.2.1:80", "[2001:db8::1]:80" */
static str socket_name(struct arena *a, const struct socket_state *s) {
    const char *udp = s->udp ? "UDP " : "";
    if (!s->address.n) return arena_printf(a, "%sport %u", udp, s->port);
    bool v6 = str_find(s->address, ':') < s->address.n;
    return arena_printf(a, v6 ? "%s[" STR_FMT "]:%u" : "%s" STR_FMT ":%u", udp, STR_ARG(s->address), s->port);
}

/* One socket: none known yet, failed, or open. `check` and `explain` have no sockets: there all would come about. */
static struct verdict judge_bind(struct pass *p, const struct claim *c) {
    if (!p->facts->serving) return (struct verdict){0};
    const struct fact_bind *b = claims_fact(p, c);
    if (b && b->ok) return (struct verdict){0};
    str name = socket_name(p->scratch, c->socket);
    if (!b) return resolver_refuse(p->scratch, "Pending", STR_FMT " is not open yet", STR_ARG(name));
    return resolver_refuse(p->scratch, "PortUnavailable",
                           STR_FMT " can not be opened: " STR_FMT "; free it or use another one",
                           STR_ARG(name), STR_ARG(b->error));
}

static struct verdict judge_programmed(struct pass *p, const struct listener_state *l,
                                       struct verdict accepted) {
    const struct gateway_state *g = l->gateway;
    if (l->set && !g->stands)
        return (struct verdict){"Invalid", S("the Gateway is not accepted; see its status")};
    if (g->accepted.reason) return (struct verdict){"Invalid", g->accepted.message};
    if (l->conflict.reason) return l->conflict;
    if (accepted.reason) return (struct verdict){"Invalid", accepted.message};
    if (listeners_terminates(l) && !l->certs_n) return (struct verdict){"Invalid", l->refs.message};
    if (!l->bind_port)
        return (struct verdict){"Pending", S("the Gateway's Service gives the listener no port yet")};
    if (!l->claims_n) return (struct verdict){"Invalid", g->address.message};
    struct verdict worst = {0};
    if (p->facts->serving && l->revision > p->facts->revision_adopted)
        worst = (struct verdict){"Pending", S("the workers do not have this state of the listener yet")};
    for (uint32_t i = 0; i < l->claims_n; i++) {
        struct verdict v = judge_bind(p, &l->claims[i]);
        if (v.reason && (!worst.reason || strcmp(worst.reason, "Pending") == 0)) worst = v;
    }
    return worst;
}

static void count(struct listener_tally *t, const struct listener_state *l, struct verdict accepted,
                  struct verdict programmed) {
    t->accepted += !accepted.reason;
    t->usable += !accepted.reason && (!listeners_terminates(l) || l->certs_n);
    t->unresolved += l->refs.reason != NULL;
    t->programmed += !programmed.reason;
    t->pending += programmed.reason && strcmp(programmed.reason, "Pending") == 0;
    if (!accepted.reason && programmed.reason && !t->first_bad.reason) t->first_bad = programmed;
}

static void add_kinds(struct pass *p, const struct listener_state *l, struct listener_status *st) {
    if (!l->kinds) return;
    st->supported_kinds.p = arena_array(p->scratch, struct route_group_kind, KIND_COUNT);
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        if (l->kinds >> k & 1)
            st->supported_kinds.p[st->supported_kinds.n++] =
                (struct route_group_kind){S(RESOLVE_GROUP), str_of(api_type_of(k)->name)};
}

void listener_verdicts_write(struct pass *p, const struct listener_state *l, struct listener_status *st,
                             struct listener_tally *t) {
    struct verdict accepted = judge_accepted(l), programmed = judge_programmed(p, l, accepted);
    count(t, l, accepted, programmed);
    struct conditions c = conditions_begin(p->scratch, l->set ? l->set->generation : l->gateway->generation);
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
        conditions_add(&c, "OverlappingTLSConfig", CONDITION_TRUE,
                       l->overlap_certs ? "OverlappingCertificates" : "OverlappingHostnames", l->overlap);
    *st = (struct listener_status){.name = l->name, .attached_routes = l->attached};
    st->conditions.p = c.p, st->conditions.n = c.n;
    add_kinds(p, l, st);
}
