/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/set_status.h"

#include "resolve/conditions.h"
#include "resolve/listener_verdicts.h"

static const struct schema *status_schema(void) { return api_type_of(KIND_LISTENER_SET)->status_schema; }

static str count_bad(struct arena *a, uint32_t bad, uint32_t n, const char *what) {
    return arena_printf(a, "%u of %u listeners are not %s; see status.listeners", bad, n, what);
}

/* True with ListenersNotValid when some are good, False when none is.                    [GW ListenerSetReasonListenersNotValid] */
static bool add_accepted(struct conditions *c, const struct set_state *s, const struct listener_tally *t) {
    struct verdict v = s->allowed;
    if (!v.reason && !s->gateway->stands)
        v = (struct verdict){"ParentNotAccepted", S("the Gateway is not accepted; see its status")};
    uint32_t bad = s->listeners_n - t->usable;
    if (v.reason || !bad) {
        conditions_judge(c, "Accepted", v, "Accepted", S("the ListenerSet is accepted"));
        return !v.reason;
    }
    conditions_add(c, "Accepted", t->usable ? CONDITION_TRUE : CONDITION_FALSE, "ListenersNotValid",
                   count_bad(c->arena, bad, s->listeners_n, "accepted and resolved"));
    return t->usable;
}

static void add_programmed(struct conditions *c, const struct set_state *s, const struct listener_tally *t,
                           bool accepted, struct verdict parent) {
    bool waits = parent.reason && strcmp(parent.reason, "Pending") == 0;
    str words = t->programmed < s->listeners_n ? arena_printf(c->arena, "%u of %u listeners take connections",
                                                              t->programmed, s->listeners_n)
                                               : S("all listeners take connections");
    if (s->allowed.reason)
        conditions_add(c, "Programmed", CONDITION_FALSE, s->allowed.reason, s->allowed.message);
    else if (s->gateway->stands && !accepted)
        conditions_add(
            c, "Programmed", CONDITION_FALSE, "ListenersNotValid",
            count_bad(c->arena, s->listeners_n - t->usable, s->listeners_n, "accepted and resolved"));
    else if (parent.reason && !waits)
        conditions_add(c, "Programmed", CONDITION_FALSE, "ParentNotProgrammed",
                       S("the Gateway is not programmed; see its status"));
    else if (waits || t->pending)
        conditions_add(c, "Programmed", CONDITION_UNKNOWN, "Pending",
                       t->pending ? t->first_bad.message : S("the Gateway is not programmed yet"));
    else if (t->programmed)
        conditions_add(c, "Programmed", CONDITION_TRUE, "Programmed", words);
    else
        conditions_add(c, "Programmed", CONDITION_FALSE,
                       t->first_bad.reason && strcmp(t->first_bad.reason, "PortUnavailable") == 0
                           ? "PortUnavailable"
                           : "Invalid",
                       t->first_bad.message);
}

static bool write_one(struct pass *p, struct gateway_state *g, struct set_state *s,
                      struct verdict programmed) {
    struct listener_set_status st = {0};
    struct listener_tally t = {0};
    st.listeners.n = s->listeners_n;
    st.listeners.p = arena_array(p->scratch, struct listener_status, s->listeners_n);
    for (uint32_t i = 0; i < s->listeners_n; i++)
        listener_verdicts_write(p, g->listeners[s->first + i], &st.listeners.p[i], &t);
    struct conditions c = conditions_begin(p->scratch, s->generation);
    bool accepted = add_accepted(&c, s, &t);
    add_programmed(&c, s, &t, accepted, programmed);
    st.conditions.p = c.p, st.conditions.n = c.n;
    uint64_t hash = schema_hash(status_schema(), &st);
    if (s->status && hash == s->status_hash) return accepted;
    size_t bytes;
    free(s->status);
    s->status = schema_pack(status_schema(), &st, 0, &bytes);
    s->status_hash = hash;
    resolver_note_status(p, KIND_LISTENER_SET, s->ns, s->name);
    return accepted;
}

uint32_t set_status_write(struct pass *p, struct gateway_state *g, struct verdict programmed) {
    uint32_t attached = 0;
    for (uint32_t i = 0; i < g->sets_n; i++) attached += write_one(p, g, g->sets[i], programmed);
    return attached;
}
