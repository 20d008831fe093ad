/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/gateway_addresses.h"

#include "resolve/claims.h"
#include "resolve/needs.h"

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

/* The same of an address that the Gateway's Services are to find; "any" may be asked for as often as one likes. */
static bool wish(struct gateway_state *g, uint32_t index, str value, const struct ip *ip, str scope) {
    struct ip other;
    for (uint32_t i = 0; i < g->wishes_n && value.n; i++)
        if (ip_parse(g->wishes[i].value, &other) == OK && ip_eq(&other, ip)) return false;
    g->wishes[g->wishes_n++] =
        (struct need_address){index, arena_str(g->arena, value), arena_str(g->arena, scope)};
    return true;
}

/* Every entry that stays without an address is told. */
static str add_words(struct arena *a, str before, str words) {
    return before.n ? arena_printf(a, STR_FMT ", " STR_FMT, STR_ARG(before), STR_ARG(words)) : words;
}

__attribute__((format(printf, 3, 4))) static str miss(struct gateway_state *g, uint32_t i, const char *fmt,
                                                      ...) {
    va_list args;
    va_start(args, fmt);
    str what = arena_vprintf(g->arena, fmt, args);
    va_end(args);
    what = arena_printf(g->arena, "spec.addresses[%u]" STR_FMT, i, STR_ARG(what));
    g->missed = add_words(g->arena, g->missed, what);
    g->missed_n++;
    return what;
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

/* Cluster is a Service's address. The sentinel promises nothing, and is only said again.            [GEP-5093] */
static bool knows_scope(const struct facts *facts, str scope) {
    if (str_eq(scope, S("Cluster")))
        return facts->cluster && features_served(facts, FEATURE_ROUTABILITY_CLUSTER);
    return !scope.n || str_eq(scope, S(SENTINEL));
}

/* Wrong types make the Gateway unacceptable, values that no socket can have leave it accepted and not programmed. A scope that we do not
 * know, or an address that is none of its scope, is a wish that stays open: the other entries stand.
 *                                                                           [GW GatewaySpecAddress.routability] */
static void judge_one(struct pass *p, struct gateway_state *g, const struct gateway_address *ad, uint32_t i) {
    if (!judge_entry(p, g, ad, i)) return;
    if (!knows_scope(p->facts, ad->routability)) {
        miss(g, i, ".routability: no address here is known to be of " STR_FMT "; remove the field",
             STR_ARG(ad->routability));
        return;
    }
    struct ip ip = {0};
    if (ad->value.n && (ip_parse(ad->value, &ip) != OK || ip_is_unspecified(&ip) || ip_is_multicast(&ip))) {
        str words = miss(g, i, ".value: " STR_FMT " is no address that a socket can have; name one of %s",
                         STR_ARG(ad->value), p->facts->cluster ? "the cluster's" : "this machine");
        if (!ad->routability.n) g->address = (struct verdict){"AddressNotUsable", words};
        return;
    }
    bool fresh;
    if (p->facts->cluster)
        fresh = wish(g, i, ad->value, &ip, ad->routability);
    else
        fresh = add(g, ad->value.n ? in_full(g->arena, &ip) : S(""), arena_str(g->arena, ad->value),
                    ad->routability.n ? arena_str(g->arena, ad->routability) : (str){0});
    if (!fresh) miss(g, i, ": there is no further address like it; remove the entry");
}

void gateway_addresses_judge(struct pass *p, struct gateway_state *g, const struct gateway *gw) {
    uint32_t n = gw->spec.addresses.n;
    g->address = (struct verdict){0};
    g->addresses = arena_array(g->arena, str, n + 1);
    g->shown = arena_array(g->arena, str, n + 1);
    g->scopes = arena_array(g->arena, str, n + 1);
    g->wishes = arena_array(g->arena, struct need_address, n);
    g->addresses_n = g->wishes_n = g->missed_n = 0;
    g->missed = S("");
    g->asked_n = n;
    for (uint32_t i = 0; i < n; i++) judge_one(p, g, &gw->spec.addresses.p[i], i);
    if (!n || g->wishes_n) add(g, S(""), S(""), (str){0});
    if (!g->addresses_n && g->missed_n) g->address = (struct verdict){"AddressNotAssigned", g->missed};
}

/* Why no listener that asked for this address got it; NULL: one did, or may yet. */
static const struct fact_bind *bind_failure(struct pass *p, const struct gateway_state *g, uint32_t address) {
    const struct fact_bind *failure = NULL;
    if (!g->addresses[address].n) return NULL;
    for (uint32_t i = 0; i < g->own_n && p->facts->serving; i++) {
        const struct listener_state *l = g->listeners[i];
        if (!l->served || address >= l->claims_n) continue;
        failure = claims_fact(p, &l->claims[address]);
        if (!failure || failure->ok) return NULL;
    }
    return failure;
}

static str say_bind(struct pass *p, const struct gateway_state *g, uint32_t i,
                    const struct fact_bind *failure) {
    return arena_printf(p->scratch,
                        "spec.addresses: " STR_FMT " can not be used: " STR_FMT
                        "; name an address of this machine",
                        STR_ARG(g->addresses[i]), STR_ARG(failure->error));
}

/* Without any address it is not assigned, whatever each of them lacks. */
struct verdict gateway_addresses_failure(struct pass *p, const struct gateway_state *g) {
    uint32_t failed_n = 0;
    str words = {0};
    for (uint32_t i = 0; i < g->addresses_n; i++) {
        const struct fact_bind *failure = bind_failure(p, g, i);
        if (failure && !failed_n++) words = say_bind(p, g, i, failure);
    }
    if (failed_n && failed_n == g->addresses_n) return (struct verdict){"AddressNotAssigned", words};
    if (g->address.reason || !failed_n) return g->address;
    return (struct verdict){"AddressNotUsable", words};
}

static void add_given(struct pass *p, const struct fact_gateway *f, struct gateway_status *st) {
    st->addresses.p = arena_array(p->scratch, struct gateway_status_address, f ? f->addresses_n : 0);
    for (uint32_t i = 0; f && i < f->addresses_n; i++)
        st->addresses.p[st->addresses.n++] = (struct gateway_status_address){
            .type = f->addresses[i].type,
            .value = f->addresses[i].value,
            .routability = f->addresses[i].routability.n ? f->addresses[i].routability : (str){0}};
}

/* Those that its sockets have; *missed: those that they do not have. Returns how many these are. */
static uint32_t add_bound(struct pass *p, const struct gateway_state *g, struct gateway_status *st,
                          str *missed) {
    str machine = p->facts->address.n ? p->facts->address : S("127.0.0.1");
    uint32_t missed_n = 0;
    st->addresses.p = arena_array(p->scratch, struct gateway_status_address, g->addresses_n);
    for (uint32_t i = 0; i < g->addresses_n; i++) {
        const struct fact_bind *failure = bind_failure(p, g, i);
        if (failure) {
            *missed = add_words(p->scratch, *missed, say_bind(p, g, i, failure));
            missed_n++;
            continue;
        }
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

/* Every address tells its routability once that is served: not given would say that nobody knows.      [GEP-5093] */
static void say_routability(struct gateway_status *st) {
    for (uint32_t i = 0; i < st->addresses.n; i++)
        if (!st->addresses.p[i].routability.p) st->addresses.p[i].routability = S("");
}

void gateway_addresses_write(struct pass *p, const struct gateway_state *g, struct conditions *c,
                             struct gateway_status *st) {
    if (g->accepted.reason) return;
    const struct fact_gateway *f = p->facts->cluster ? facts_gateway(p->facts, g->key) : NULL;
    uint32_t missed_n = g->missed_n, n = g->asked_n ? g->asked_n : 1;
    str missed = g->missed;
    if (p->facts->cluster)
        add_given(p, f, st);
    else
        missed_n += add_bound(p, g, st, &missed);
    if (!features_served(p->facts, FEATURE_ROUTABILITY)) return;
    say_routability(st);
    bool asks = p->facts->cluster && missed_n < n; /* its Services were asked for the others */
    if (asks && (!f || f->pending)) return;        /* nobody knows yet */
    if (asks && f->missed_n) {
        missed_n += f->missed_n;
        missed = add_words(p->scratch, missed, f->missed);
    }
    add_condition(c, missed_n, n, missed);
}
