/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateway_addresses.h"

#include "resolve/claims.h"

#define SENTINEL "testing.x-k8s.io/sentinel"

/* false: the Gateway has that one already. */
static bool add(struct gateway_state *g, str address, str shown, str scope) {
    for (uint32_t i = 0; i < g->addresses_n; i++)
        if (str_eq(g->addresses[i], address)) return false;
    g->addresses[g->addresses_n] = address;
    g->shown[g->addresses_n] = shown;
    g->scopes[g->addresses_n++] = scope;
    return true;
}

__attribute__((format(printf, 3, 4))) static void miss(struct gateway_state *g, uint32_t i, const char *fmt,
                                                       ...) {
    if (g->missed_n++) return;
    va_list args;
    va_start(args, fmt);
    str what = arena_vprintf(g->arena, fmt, args);
    g->missed = arena_printf(g->arena, "spec.addresses[%u]" STR_FMT, i, STR_ARG(what));
    va_end(args);
}

static str in_full(struct arena *a, const struct ip *ip) {
    struct buf b;
    buf_init(&b, 64);
    ip_print(&b, ip);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* What is not served, of the entry as a whole. false: the Gateway is not accepted. */
static bool judge_entry(struct pass *p, struct gateway_state *g, const struct gateway_address *ad,
                        uint32_t i) {
    struct arena *a = g->arena;
    if (ad->type.n && !str_eq(ad->type, S("IPAddress")))
        g->accepted = resolver_refuse(a, "UnsupportedAddress",
                                      "spec.addresses[%u].type: " STR_FMT " is not served; use IPAddress", i,
                                      STR_ARG(ad->type));
    else if (ad->routability.n && !features_served(p->facts, FEATURE_ROUTABILITY))
        g->accepted = resolver_refuse(
            a, "UnsupportedAddress",
            "spec.addresses[%u].routability: " STR_FMT " is not served by this version; " STR_FMT, i,
            STR_ARG(features_what(FEATURE_ROUTABILITY)), STR_ARG(features_remedy(FEATURE_ROUTABILITY)));
    else
        return true;
    return false;
}

/* Wrong types make the Gateway unacceptable, values that no socket can have leave it accepted and not programmed. A scope that we do not
 * know is a wish that stays open: the other entries stand.                     [GW GatewaySpecAddress.routability] */
static void judge_one(struct pass *p, struct gateway_state *g, const struct gateway_address *ad, uint32_t i) {
    if (!judge_entry(p, g, ad, i)) return;
    if (ad->routability.n && !str_eq(ad->routability, S(SENTINEL))) {
        miss(g, i, ".routability: no address here is known to be of " STR_FMT "; remove the field",
             STR_ARG(ad->routability));
        return;
    }
    struct ip ip;
    if (ad->value.n && (ip_parse(ad->value, &ip) != OK || ip_is_unspecified(&ip) || ip_is_multicast(&ip))) {
        miss(g, i, ".value: " STR_FMT " is no address that a socket can have; name one of this machine",
             STR_ARG(ad->value));
        g->address = resolver_refuse(g->arena, "AddressNotUsable",
                                     "spec.addresses[%u].value: " STR_FMT
                                     " is no address that a socket can have; name one of this machine",
                                     i, STR_ARG(ad->value));
        return;
    }
    if (p->facts->cluster) return; /* the Gateway's Service asks for it */
    str address = ad->value.n ? in_full(g->arena, &ip) : S("");
    if (!add(g, address, arena_str(g->arena, ad->value),
             ad->routability.n ? arena_str(g->arena, ad->routability) : (str){0}))
        miss(g, i, ": there is no further address like it; remove the entry");
}

void gateway_addresses_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    uint32_t n = gw->spec.addresses.n;
    g->address = (struct verdict){0};
    g->addresses = arena_array(g->arena, str, n + 1);
    g->shown = arena_array(g->arena, str, n + 1);
    g->scopes = arena_array(g->arena, str, n + 1);
    g->addresses_n = g->missed_n = 0;
    g->asked_n = n;
    for (uint32_t i = 0; i < n; i++) judge_one(p, g, &gw->spec.addresses.p[i], i);
    if (!n || (p->facts->cluster && g->missed_n < n)) add(g, S(""), S(""), (str){0});
    if (!g->addresses_n && g->missed_n && !g->address.reason)
        g->address = (struct verdict){"AddressNotAssigned", g->missed};
}

/* Why no listener that asked for this address got it; NULL: one did, or may yet. */
static const struct fact_bind *bind_failure(struct pass *p, const struct gateway_state *g, uint32_t address) {
    const struct fact_bind *failure = NULL;
    for (uint32_t i = 0; i < g->own_n && p->facts->serving; i++) {
        const struct listener_state *l = g->listeners[i];
        if (!l->served || address >= l->claims_n) continue;
        failure = claims_fact(p, &l->claims[address]);
        if (!failure || failure->ok) return NULL;
    }
    return failure;
}

static struct verdict refuse_bind(struct pass *p, const struct gateway_state *g, uint32_t i,
                                  const struct fact_bind *failure) {
    return resolver_refuse(p->scratch, "AddressNotUsable",
                           "spec.addresses: " STR_FMT " can not be used: " STR_FMT
                           "; name an address of this machine",
                           STR_ARG(g->addresses[i]), STR_ARG(failure->error));
}

struct verdict gateway_addresses_failure(struct pass *p, const struct gateway_state *g) {
    if (g->address.reason) return g->address;
    for (uint32_t i = 0; i < g->addresses_n; i++) {
        const struct fact_bind *failure = g->addresses[i].n ? bind_failure(p, g, i) : NULL;
        if (failure) return refuse_bind(p, g, i, failure);
    }
    return (struct verdict){0};
}

static void add_given(struct pass *p, const struct fact_gateway *f, struct gateway_status *st) {
    st->addresses.p = arena_array(p->scratch, struct gateway_status_address, f ? f->addresses_n : 0);
    for (uint32_t i = 0; f && i < f->addresses_n; i++)
        st->addresses.p[st->addresses.n++] =
            (struct gateway_status_address){.type = f->addresses[i].type, .value = f->addresses[i].value};
}

/* Those that its sockets have; *missed: one that they do not have. Returns how many. */
static uint32_t add_bound(struct pass *p, const struct gateway_state *g, struct gateway_status *st,
                          str *missed) {
    str machine = p->facts->address.n ? p->facts->address : S("127.0.0.1");
    uint32_t missed_n = 0;
    st->addresses.p = arena_array(p->scratch, struct gateway_status_address, g->addresses_n);
    for (uint32_t i = 0; i < g->addresses_n; i++) {
        const struct fact_bind *failure = g->addresses[i].n ? bind_failure(p, g, i) : NULL;
        if (failure && !missed_n++) *missed = refuse_bind(p, g, i, failure).message;
        if (failure) continue;
        st->addresses.p[st->addresses.n++] =
            (struct gateway_status_address){.type = S("IPAddress"),
                                            .value = g->shown[i].n ? g->shown[i] : machine,
                                            .routability = g->scopes[i]};
    }
    return missed_n;
}

static void add_condition(struct conditions *c, uint32_t missed, uint32_t n, str why) {
    if (!missed)
        conditions_add(c, "AddressesAssigned", CONDITION_TRUE, "AddressesAssigned",
                       S("all addresses are assigned"));
    else
        conditions_add(
            c, "AddressesAssigned", CONDITION_FALSE, missed < n ? "PartiallyAssigned" : "NotAssigned",
            arena_printf(c->arena, "%u of %u addresses are not assigned: " STR_FMT, missed, n, STR_ARG(why)));
}

/* Every address tells its routability once that is served: not given would say that nobody knows.      [GEP-5069] */
static void say_routability(struct gateway_status *st) {
    for (uint32_t i = 0; i < st->addresses.n; i++)
        if (!st->addresses.p[i].routability.p) st->addresses.p[i].routability = S("");
}

void gateway_addresses_write(struct pass *p, const struct gateway_state *g, struct conditions *c,
                             struct gateway_status *st) {
    if (g->accepted.reason) return;
    const struct fact_gateway *f = p->facts->cluster ? facts_gateway(p->facts, g->key) : NULL;
    uint32_t missed_n = g->missed_n, n = g->asked_n ? g->asked_n : 1;
    str missed = {0};
    if (p->facts->cluster)
        add_given(p, f, st);
    else
        missed_n += add_bound(p, g, st, &missed);
    if (!features_served(p->facts, FEATURE_ROUTABILITY)) return;
    say_routability(st);
    if (p->facts->cluster && !f) return; /* nobody has tried yet */
    if (f && f->reason) missed_n = n, missed = f->message;
    add_condition(c, missed_n, n, g->missed_n ? g->missed : missed);
}
