/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/claims.h"

#include "resolve/gateways.h"
#include "resolve/listeners.h"
#include "resolve/parameters.h"

static void mark_socket(struct resolver *r, struct socket_state *s) {
    if (s->dirty) return;
    s->dirty = true;
    resolver_push(&r->dirty_sockets, s);
}

/* A UDP socket is another one than that of the same port for TCP. */
static struct socket_state *socket_for(struct pass *p, str address, uint16_t port, bool udp) {
    str key = arena_printf(p->scratch, STR_FMT ":%u%s", STR_ARG(address), port, udp ? "/udp" : "");
    struct socket_state *s = map_get(&p->r->sockets, key);
    if (s) return s;
    s = base_zalloc(sizeof *s + key.n + 1);
    memcpy(s->key, key.p, key.n);
    s->address = (str){s->key, address.n};
    s->port = port;
    s->udp = udp;
    map_put(&p->r->sockets, (str){s->key, key.n}, s);
    return s;
}

const struct fact_bind *claims_fact(const struct pass *p, const struct claim *c) {
    const struct socket_state *s = c->socket;
    return facts_bind(p->facts, s->address, s->port, s->udp ? FACT_UDP : FACT_TCP);
}

void claims_make(struct pass *p, struct listener_state *l) {
    const struct gateway_state *g = l->gateway;
    assert(!l->claims);
    l->claims_n = g->addresses_n;
    l->claims = base_zalloc(l->claims_n * sizeof *l->claims);
    for (uint32_t i = 0; i < l->claims_n; i++) {
        struct socket_state *s = socket_for(p, g->addresses[i], l->bind_port, l->protocol == PLAN_UDP);
        l->claims[i] = (struct claim){.listener = l, .socket = s, .address = i};
        if (s->n == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 4;
            s->claims = base_realloc(s->claims, s->cap * sizeof(struct claim *));
        }
        s->claims[s->n++] = &l->claims[i];
        mark_socket(p->r, s);
    }
}

void claims_drop(struct pass *p, struct listener_state *l) {
    for (uint32_t i = 0; i < l->claims_n; i++) {
        struct socket_state *s = l->claims[i].socket;
        uint32_t at = 0;
        while (s->claims[at] != &l->claims[i]) at++;
        s->claims[at] = s->claims[--s->n];
        mark_socket(p->r, s);
        free(l->claims[i].why);
    }
    free(l->claims);
    l->claims = NULL;
    l->claims_n = 0;
}

/* The order of right: age in seconds, unknown last; then namespace and name; then the order in spec. */
static int by_right(const void *a, const void *b) {
    const struct listener_state *x = (*(struct claim *const *)a)->listener,
                                *y = (*(struct claim *const *)b)->listener;
    const struct gateway_state *g = x->gateway, *h = y->gateway;
    if (g == h) return x->place < y->place ? -1 : x->place > y->place;
    int64_t age = g->created_s ? g->created_s : INT64_MAX,
            other_age = h->created_s ? h->created_s : INT64_MAX;
    if (age != other_age) return age < other_age ? -1 : 1;
    int order = str_cmp(g->ns, h->ns);
    return order ? order : str_cmp(g->name, h->name);
}

enum loss { LOSS_HOSTNAME, LOSS_PROTOCOL, LOSS_PROXY };
/* What the loser is told: who holds it, but nothing of another namespace's objects. */
static str tell_loss(struct arena *a, const struct claim *c, const struct listener_state *holder,
                     enum loss how) {
    const struct listener_state *l = c->listener;
    static const char *const names[] = {"", "HTTP", "HTTPS", "TLS", "TCP", "UDP"};
    str own_ns = l->set ? l->set->ns : l->gateway->ns;
    bool near = str_eq(holder->set ? holder->set->ns : holder->gateway->ns, own_ns);
    str who = near ? arena_printf(a, "listener " STR_FMT " of %s " STR_FMT, STR_ARG(holder->name),
                                  holder->set ? "ListenerSet" : "Gateway",
                                  STR_ARG(holder->set ? holder->set->key : holder->gateway->key))
                   : S("a Gateway of another namespace that goes first");
    if (how == LOSS_PROXY)
        return arena_printf(
            a,
            "port %u has other settings of the PROXY protocol by " STR_FMT
            "; give both the same proxyProtocol and proxyProtocol.trusted, or use another port",
            l->bind_port, STR_ARG(who));
    if (how == LOSS_PROTOCOL)
        return arena_printf(a, "port %u serves %s for " STR_FMT "; use another port", l->bind_port,
                            names[holder->protocol], STR_ARG(who));
    return arena_printf(a, "port %u with %s" STR_FMT " belongs to " STR_FMT "; use another port or hostname",
                        l->bind_port, l->hostname.n ? "hostname " : "no hostname", STR_ARG(l->hostname),
                        STR_ARG(who));
}

static void judge_claim(struct pass *p, struct claim *c, const struct listener_state *holder, enum loss how) {
    str why = holder ? tell_loss(p->scratch, c, holder, how) : (str){0};
    if (c->lost == (holder != NULL) && str_eq(str_of(c->why), why)) return;
    c->lost = holder;
    free(c->why);
    c->why = holder ? str_dup(why) : NULL;
    gateways_mark_emit(p->r, c->listener->gateway);
}

/* Who comes is known by the header before anything tells for which listener it is.                 [PROXY 2] */
static enum loss how_lost(const struct pass *p, const struct socket_state *s, const struct listener_state *l,
                          const struct listener_state *first) {
    if (listeners_protocols_clash(p->facts, l, first)) return LOSS_PROTOCOL;
    bool same =
        parameters_hash_proxy(l->gateway->settings) == parameters_hash_proxy(first->gateway->settings);
    return same || s->udp ? LOSS_HOSTNAME : LOSS_PROXY;
}

static void judge_socket(struct pass *p, struct socket_state *s) {
    qsort(s->claims, s->n, sizeof(struct claim *), by_right);
    struct map hostnames = {0};
    const struct listener_state *first = s->claims[0]->listener;
    for (uint32_t i = 0; i < s->n; i++) {
        struct listener_state *l = s->claims[i]->listener;
        enum loss how = how_lost(p, s, l, first);
        const struct listener_state *holder = how ? first : map_get(&hostnames, l->hostname);
        if (!holder) map_put(&hostnames, l->hostname, l);
        judge_claim(p, s->claims[i], holder, how);
    }
    map_fini(&hostnames);
}

void claims_judge(struct pass *p) {
    struct worklist *w = &p->r->dirty_sockets;
    for (size_t i = 0; i < w->n; i++) {
        struct socket_state *s = w->p[i];
        s->dirty = false;
        if (s->n) {
            judge_socket(p, s);
            arena_reset(p->scratch);
            continue;
        }
        map_take(&p->r->sockets, (str){s->key, strlen(s->key)});
        free(s->claims);
        free(s);
    }
    w->n = 0;
}

str claims_loss(const struct listener_state *l) {
    for (uint32_t i = 0; i < l->claims_n; i++)
        if (l->claims[i].lost) return str_of(l->claims[i].why);
    return (str){0};
}

void claims_fini(struct resolver *r) {
    map_each (e, &r->sockets) {
        struct socket_state *s = e->value;
        free(s->claims);
        free(s);
    }
    map_fini(&r->sockets);
}
