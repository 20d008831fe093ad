/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_listener.h"

#include "compile/compile_backend.h"
#include "compile/compile_host.h"
#include "compile/compile_listener_piece.h"
#include "compile/compile_rule.h"
#include "table/tracing.h"

static str put_str(char **at, str s) {
    char *to = *at;
    if (s.n) memcpy(to, s.p, s.n);
    *at += s.n;
    return (str){to, s.n};
}

/* ---- certificates ---- */

static struct compiler_certificate *get_certificate(struct compiler *c, str key) {
    struct compiler_certificate *s = map_get(&c->certificates, key);
    if (s) return s;
    s = base_zalloc(sizeof *s + key.n);
    memcpy(s->bytes, key.p, key.n);
    s->key = (str){s->bytes, key.n};
    map_put(&c->certificates, s->key, s);
    return s;
}

static void end_unused_certificate(struct compiler *c, struct compiler_certificate *s) {
    if (s->piece || s->users_n) return;
    map_take(&c->certificates, s->key);
    free(s->users);
    free(s);
}

static struct table_certificate *make_certificate(struct compiler *c, const struct plan_certificate *p) {
    size_t strings = p->chain_pem.n + p->key_pem.n + p->ocsp.n;
    for (uint32_t i = 0; i < p->names.n; i++) strings += p->names.p[i].n;
    struct table_certificate *t = base_zalloc(sizeof *t + p->names.n * sizeof(str) + strings);
    str *names = (str *)(void *)(t + 1);
    char *at = (char *)(names + p->names.n);
    *t = (struct table_certificate){.id = ++c->ids,
                                    .chain_pem = put_str(&at, p->chain_pem),
                                    .key_pem = put_str(&at, p->key_pem),
                                    .key_kind = p->key_kind,
                                    .ocsp = put_str(&at, p->ocsp),
                                    .names_n = p->names.n,
                                    .names = names};
    for (uint32_t i = 0; i < p->names.n; i++) names[i] = put_str(&at, p->names.p[i]);
    c->work->certificates++;
    return t;
}

void compile_listener_free_certificate(struct table_certificate *t) {
    if (!t) return;
    explicit_bzero((char *)t->key_pem.p, t->key_pem.n);
    free(t);
}

void compile_listener_change_certificate(struct compiler *c, const struct plan_change *change) {
    if (!change->after && !map_get(&c->certificates, change->before->key)) return;
    struct compiler_certificate *s =
        get_certificate(c, change->after ? change->after->key : change->before->key);
    compiler_die(c, DEATH_CERTIFICATE, (void *)s->piece);
    s->piece = change->after
                   ? make_certificate(c, container_of(change->after, struct plan_certificate, piece))
                   : NULL;
    for (uint32_t i = 0; i < s->users_n; i++) {
        struct compiler_listener *l = s->users[i];
        l->dirty = true;
        if (l->port->dirty) continue;
        l->port->dirty = true;
        COMPILER_ROOM(c->dirty_ports, c->dirty_ports_n, c->dirty_ports_cap);
        c->dirty_ports[c->dirty_ports_n++] = l->port;
    }
    end_unused_certificate(c, s);
}

/* ---- ports ---- */

static struct compiler_port *get_port(struct compiler *c, const struct plan_listener *p) {
    char key[128];
    int n = snprintf(key, sizeof key, STR_FMT "|%u", STR_ARG(str_upto(p->bind_address, 100)),
                     (unsigned)p->bind_port);
    struct compiler_port *s = map_get(&c->ports, (str){key, (size_t)n});
    if (s) return s;
    s = base_zalloc(sizeof *s + (size_t)n);
    memcpy(s->bytes, key, (size_t)n);
    s->key = (str){s->bytes, (size_t)n};
    s->address = str_upto(s->key, str_find(s->key, '|'));
    s->port = (uint16_t)p->bind_port;
    s->slot = (uint32_t)c->ports.n;
    map_put(&c->ports, s->key, s);
    return s;
}

static void mark_port(struct compiler *c, struct compiler_port *p) {
    if (p->dirty) return;
    p->dirty = true;
    COMPILER_ROOM(c->dirty_ports, c->dirty_ports_n, c->dirty_ports_cap);
    c->dirty_ports[c->dirty_ports_n++] = p;
}

/* The first by key of the listeners that claim one hostname is shown; resolve/ lets only one through. */
static void show_listener(struct compiler *c, struct compiler_port *p, str hostname) {
    const struct compiler_listener *first = map_get(&p->by_hostname, hostname);
    struct names_edit e = compiler_edit(c);
    names_set(&e, &p->names, first ? first->piece->hostname : hostname, first ? first->piece : NULL);
    mark_port(c, p);
}

static void enter_port(struct compiler *c, struct compiler_listener *l) {
    struct compiler_port *p = l->port = get_port(c, l->plan);
    struct compiler_listener *first = map_get(&p->by_hostname, l->plan->hostname), **at = &first;
    while (*at && str_cmp((*at)->key, l->key) < 0) at = &(*at)->next;
    l->next = *at;
    *at = l;
    map_put(&p->by_hostname, first->plan->hostname, first);
    c->clients_version++;
    p->listeners_n++;
    p->tls_n += l->piece->tls;
    p->settings_n += l->plan->settings != NULL;
    show_listener(c, p, l->plan->hostname);
}

static void leave_port(struct compiler *c, struct compiler_listener *l) {
    struct compiler_port *p = l->port;
    struct compiler_listener *first = map_take(&p->by_hostname, l->plan->hostname), **at = &first;
    while (*at != l) at = &(*at)->next;
    *at = l->next;
    if (first) map_put(&p->by_hostname, first->plan->hostname, first);
    c->clients_version++;
    p->listeners_n--;
    p->tls_n -= l->piece->tls;
    p->settings_n -= l->plan->settings != NULL;
    show_listener(c, p, l->plan->hostname);
    l->port = NULL;
    l->next = NULL;
}

static int socket_order(const void *a, const void *b) {
    const struct table_socket *x = a, *y = b;
    int d = str_cmp(x->address, y->address);
    return d ? d : (x->port > y->port) - (x->port < y->port);
}

static void build_sockets(struct compiler *c) {
    struct spine_sockets *s = base_zalloc(sizeof *s + c->ports.n * sizeof s->v[0]);
    map_each (e, &c->ports) {
        const struct compiler_port *p = e->value;
        if (p->piece) s->v[s->n++] = (struct table_socket){p->slot, p->address, p->port, p->piece->tls};
    }
    if (s->n) qsort(s->v, s->n, sizeof s->v[0], socket_order);
    compiler_die(c, DEATH_BLOCK, c->sockets);
    c->sockets = s;
}

static void add_most(uint64_t v, uint64_t *most, bool *usual) {
    if (v > *most) *most = v;
    *usual |= !v;
}

static void add_more(uint32_t v, uint32_t *most, bool *usual) {
    if (v > *most) *most = v;
    *usual |= !v;
}

/* Looks at all listeners of a port that has settings at all: they come from few Gateways, and change seldom. */
static struct table_port_settings most_of(const struct compiler_port *p) {
    struct table_port_settings most = {0};
    if (!p->settings_n) return most;
    map_each (e, &p->by_hostname) {
        for (const struct compiler_listener *l = e->value; l; l = l->next) {
            const struct table_settings *s = l->piece->settings;
            if (s->proxy_protocol && most.proxy_protocol != TABLE_PROXY_REQUIRED) {
                most.proxy_protocol = s->proxy_protocol;
                most.proxy_trusted = s->proxy_trusted, most.proxy_trusted_n = s->proxy_trusted_n;
            }
            add_most(s->idle_us, &most.idle_us, &most.usual_idle);
            add_most(s->head_us, &most.head_us, &most.usual_head);
            add_most(s->handshake_us, &most.handshake_us, &most.usual_handshake);
            add_more(s->head_bytes, &most.head_bytes, &most.usual_bytes);
            add_more(s->head_fields, &most.head_fields, &most.usual_fields);
            add_more(s->streams, &most.streams, &most.usual_streams);
            add_more(s->client_connections, &most.client_connections, &most.usual_clients);
        }
    }
    return most;
}

/* Listeners of one port share a protocol: resolve/ sees to it. If not, TLS wins, so that nothing meant for TLS is served in the clear. */
static void build_port(struct compiler *c, struct compiler_port *p) {
    struct table_port *before = p->piece;
    p->dirty = false;
    p->piece = NULL;
    if (p->listeners_n) {
        p->piece = base_alloc(sizeof *p->piece);
        *p->piece = (struct table_port){p->slot, p->port, p->tls_n > 0, p->address, p->names, most_of(p)};
    }
    compiler_array_set(c, &c->port_array, p->slot, p->piece);
    if (!before != !p->piece || (before && before->tls != p->piece->tls)) c->sockets_dirty = true;
    compiler_die(c, DEATH_BLOCK, before);
}

/* ---- listeners ---- */

struct compiler_listener *compile_listener_get(struct compiler *c, str key) {
    struct compiler_listener *l = map_get(&c->listeners, key);
    if (l) return l;
    l = base_zalloc(sizeof *l + key.n);
    memcpy(l->bytes, key.p, key.n);
    l->key = (str){l->bytes, key.n};
    l->id = ++c->listener_ids;
    l->slot = compiler_take_slot(&c->host_slots);
    map_put(&c->listeners, l->key, l);
    return l;
}

void compile_listener_end_unused(struct compiler *c, struct compiler_listener *l) {
    if (l->plan || l->hosts.n) return;
    assert(!l->names && !l->piece);
    map_take(&c->listeners, l->key);
    map_fini(&l->hosts);
    compiler_give_slot(&c->host_slots, l->slot);
    free(l);
}

/* Do the two ask the same of their clients? */
static bool same_clients(const struct table_listener *x, const struct table_listener *y) {
    return !x || (!x->clients == !y->clients && (!x->clients || str_eq(x->clients->id, y->clients->id)));
}

/* The listener's filters as a rule that no request matches; it stays while they are the same. plan NULL: there are none any more. */
static void make_gate(struct compiler *c, struct compiler_listener *l, const struct plan_listener *plan) {
    struct plan_route route = {.piece = {.key = l->key}};
    struct plan_rule rule = {.index = -1};
    if (plan) rule.filters.p = plan->filters.p, rule.filters.n = plan->filters.n;
    uint64_t hash = compile_rule_hash(&route, &rule);
    if (l->gate && rule.filters.n && l->gate->hash == hash) return;
    if (l->gate) compiler_die(c, DEATH_RULE, TAKE(l->gate));
    if (rule.filters.n) l->gate = compile_rule_make(c, &route, &rule, hash);
}

static bool wants_checks(const struct table_listener *t) {
    return t->settings->balancing && t->settings->balancing->probe;
}

/* The block dies last: what it names is read from it. */
static void retire_piece(struct compiler *c, const struct table_listener *t) {
    c->checks -= t && wants_checks(t);
    if (t && t->tracing && t->tracing->collector)
        compiler_die(c, DEATH_BACKEND, (void *)t->tracing->collector->backend);
    compiler_die(c, DEATH_BLOCK, (void *)t);
}

static void hold_collector(struct compiler *c, const struct table_listener *t,
                           const struct plan_listener *p) {
    if (!t->tracing || !t->tracing->collector) return;
    struct table_collector *made =
        (struct table_collector *)t->tracing->collector; /* of this piece's block */
    made->backend = compile_backend_hold(c, p->tracing->backend);
}

static void make_piece(struct compiler *c, struct compiler_listener *l) {
    const struct plan_listener *p = l->plan;
    const struct table_certificate **certificates;
    struct table_listener *t = compile_listener_piece_make(c, p, &certificates);
    t->id = l->id;
    t->slot = l->slot;
    make_gate(c, l, p);
    t->gate = l->gate;
    for (uint32_t i = 0; i < p->certificates.n; i++) {
        const struct compiler_certificate *s = get_certificate(c, p->certificates.p[i]);
        if (s->piece) certificates[t->certificates_n++] = s->piece;
    }
    if (p->client_certificate.n) t->client = get_certificate(c, p->client_certificate)->piece;
    hold_collector(c, t, p);
    if (!same_clients(l->piece, t)) c->clients_version++;
    retire_piece(c, l->piece);
    l->piece = t;
    c->checks += wants_checks(t);
    l->dirty = false;
    c->work->listeners++;
}

/* Those that clients are shown, and the one that backends are. */
static uint32_t certificates_n(const struct plan_listener *p) {
    return p->certificates.n + (p->client_certificate.n > 0);
}
static str certificate_key(const struct plan_listener *p, uint32_t i) {
    return i < p->certificates.n ? p->certificates.p[i] : p->client_certificate;
}

static void use_certificates(struct compiler *c, struct compiler_listener *l) {
    for (uint32_t i = 0; i < certificates_n(l->plan); i++) {
        struct compiler_certificate *s = get_certificate(c, certificate_key(l->plan, i));
        COMPILER_ROOM(s->users, s->users_n, s->users_cap);
        s->users[s->users_n++] = l;
    }
}

static void leave_certificates(struct compiler *c, const struct compiler_listener *l) {
    for (uint32_t i = 0; i < certificates_n(l->plan); i++) {
        struct compiler_certificate *s = map_get(&c->certificates, certificate_key(l->plan, i));
        uint32_t k = 0;
        while (s->users[k] != l) k++;
        s->users[k] = s->users[--s->users_n];
        end_unused_certificate(c, s);
    }
}

void compile_listener_change(struct compiler *c, const struct plan_change *change) {
    str key = change->after ? change->after->key : change->before->key;
    if (!change->after && !map_get(&c->listeners, key)) return;
    struct compiler_listener *l = compile_listener_get(c, key);
    const struct plan_listener *before = l->plan;
    if (before) {
        leave_port(c, l);
        leave_certificates(c, l);
    }
    l->plan = change->after ? container_of(plan_hold(change->after), struct plan_listener, piece) : NULL;
    if (l->plan) {
        make_piece(c, l);
        use_certificates(c, l);
        enter_port(c, l);
    } else {
        retire_piece(c, l->piece);
        make_gate(c, l, NULL);
        l->piece = NULL;
        l->dirty = false;
    }
    if (before) plan_release((struct plan_piece *)&before->piece);
    compile_listener_end_unused(c, l);
}

void compile_listener_show_host(struct compiler *c, struct compiler_listener *l, str hostname,
                                const struct table_host *host) {
    struct names *before = l->names;
    struct names_edit e = compiler_edit(c);
    names_set(&e, &l->names, host ? host->hostname : hostname, host);
    if (l->names != before) compiler_array_set(c, &c->host_array, l->slot, l->names);
}

void compile_listener_build_ports(struct compiler *c) {
    for (uint32_t i = 0; i < c->dirty_ports_n; i++) {
        struct compiler_port *p = c->dirty_ports[i];
        map_each (e, &p->by_hostname) {
            for (struct compiler_listener *l = e->value; l; l = l->next) {
                if (!l->dirty) continue;
                make_piece(c, l);
                show_listener(c, p, l->plan->hostname);
            }
        }
        build_port(c, p);
    }
    c->dirty_ports_n = 0;
    if (c->sockets_dirty || !c->sockets) build_sockets(c);
    c->sockets_dirty = false;
}

static void free_listeners(struct compiler *c) {
    map_each (e, &c->listeners) {
        struct compiler_listener *l = e->value;
        map_each (h, &l->hosts) compile_host_free(c, h->value);
        map_fini(&l->hosts);
        names_free(l->names);
        free((void *)l->piece);
        if (l->plan) plan_release((struct plan_piece *)&l->plan->piece);
        free(l);
    }
    map_fini(&c->listeners);
}

void compile_listener_free_all(struct compiler *c) {
    free_listeners(c);
    map_each (e, &c->ports) {
        struct compiler_port *p = e->value;
        map_fini(&p->by_hostname);
        names_free(p->names);
        free(p->piece);
        free(p);
    }
    map_fini(&c->ports);
    map_each (e, &c->certificates) {
        struct compiler_certificate *s = e->value;
        compile_listener_free_certificate((struct table_certificate *)s->piece);
        free(s->users);
        free(s);
    }
    map_fini(&c->certificates);
}
