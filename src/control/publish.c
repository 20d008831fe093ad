/* SPDX-License-Identifier: Apache-2.0 */
#include "control/publish.h"

#include <errno.h>
#include <unistd.h>

#include "control/supervised.h"
#include "io/clock.h"
#include "io/half_open.h"
#include "io/log.h"
#include "io/sock.h"
#include "io/tls_trust.h"

enum {
    RETRY_US = 5000000,
    CALM_US = 2000, /* between two looks at handshakes, the first; twice as long each time */
    CALM_LOOKS =
        7, /* a quarter of a second in all: who has not answered by then was never there, or comes again */
};

/* A table that is out: one message a worker, which comes back twice. */
struct table_slot {
    struct worker_table m;
    struct publish_generation *g;
};
struct publish_generation {
    struct publish_generation *next;
    struct publish *p;
    struct table *t;
    unsigned adopt_left, release_left;
    struct table_slot slots[];
};

/* HUSHED: no connection begins there, and those that have are completed; CLOSING: the workers empty the queues. */
enum port_state { PORT_REFUSED, PORT_OPEN, PORT_HUSHED, PORT_CLOSING };
struct publish_port {
    struct publish_port *next;
    struct publish *p;
    enum port_state state;
    char address[64]; /* "" = all */
    uint16_t port;
    uint32_t slot;
    int why;        /* REFUSED: errno */
    uint32_t left;  /* CLOSING: of the sockets, how many are still used */
    uint32_t fds_n; /* at least one per worker; several, where there were more workers once */
    int *fds;
};
struct socket_slot {
    struct worker_socket m;
    struct publish_port *port; /* of a removal */
};

struct grave_slot {
    struct worker_grave m;
    struct publish_grave *g;
};
struct publish_grave {
    struct publish_grave *next;
    struct publish *p;
    struct compile_grave *grave;
    unsigned left;
    struct grave_slot slots[];
};

static void on_retry(struct timer *t, uint64_t now_us);
static void on_calm(struct timer *t, uint64_t now_us);

void publish_init(struct publish *p, const struct publish_config *c) {
    *p = (struct publish){.c = *c};
    p->worker_ended = base_zalloc(c->workers_n * sizeof(bool));
    p->drains = arena_new();
    timer_init(&p->retry, on_retry);
    timer_init(&p->calm, on_calm);
}

static void close_sockets(struct publish_port *o) {
    for (uint32_t i = 0; i < o->fds_n; i++) close(o->fds[i]);
    free(o->fds);
    o->fds = NULL, o->fds_n = 0;
}

void publish_fini(struct publish *p) {
    for (struct publish_generation *g = p->generations, *next; g; g = next) {
        next = g->next;
        if (g->t != p->c.pipeline->table) pipeline_release(p->c.pipeline, g->t); /* the newest goes with it */
        free(g);
    }
    for (struct publish_grave *g = p->graves, *next; g; g = next) {
        next = g->next;
        compile_buried(p->c.pipeline->compiler, g->grave);
        free(g);
    }
    for (struct publish_port *o = p->ports, *next; o; o = next) {
        next = o->next;
        close_sockets(o);
        free(o);
    }
    timer_forget(&p->c.loop->timers, &p->retry);
    timer_forget(&p->c.loop->timers, &p->calm);
    arena_free(p->drains);
    free(p->worker_ended);
}

static void on_buried(struct worker_grave *m, void *home) {
    (void)home;
    struct publish_grave *g = container_of(m, struct grave_slot, m)->g;
    struct publish *p = g->p;
    if (--g->left) return;
    struct publish_grave **at = &p->graves;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    compile_buried(p->c.pipeline->compiler, g->grave);
    free(g);
}

/* Rules that no table holds any more: once no exchange does, they are freed. Certificates: their keys are forgotten everywhere. */
static void send_graves(struct publish *p) {
    unsigned n = p->c.workers_n;
    for (struct compile_grave *c; !p->draining && (c = compile_retired(p->c.pipeline->compiler));) {
        struct publish_grave *g = base_zalloc(sizeof *g + n * sizeof g->slots[0]);
        c->workers = n;
        g->p = p, g->grave = c, g->left = n;
        g->next = p->graves;
        p->graves = g;
        for (unsigned i = 0; i < n; i++) {
            g->slots[i].g = g;
            g->slots[i].m = (struct worker_grave){.n = c->n,
                                                  .rule_slots = c->rule_slots,
                                                  .certificates_n = c->certificates_n,
                                                  .certificates = c->certificates,
                                                  .owner = g,
                                                  .done = on_buried};
            worker_post_grave(p->c.workers[i], &g->slots[i].m);
        }
    }
}

static void on_released(struct worker_table *m, void *home) {
    (void)home;
    struct publish_generation *g = container_of(m, struct table_slot, m)->g;
    struct publish *p = g->p;
    if (--g->release_left) return;
    struct publish_generation **at = &p->generations;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    p->alive--;
    if (g->t != p->c.pipeline->table) pipeline_release(p->c.pipeline, g->t);
    free(g);
    send_graves(p);
}

static const struct table_socket *wanted(const struct publish *p, const char *address, uint16_t port) {
    const struct table_socket *v;
    uint32_t n = table_sockets(p->c.pipeline->table, &v);
    for (uint32_t i = 0; i < n; i++)
        if (v[i].port == port && str_eq(v[i].address, str_of(address))) return &v[i];
    return NULL;
}

static void drop_port(struct publish_port *o) {
    struct publish_port **at = &o->p->ports;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    free(o);
}

static const char *shown(const char *address) { return *address ? address : "*"; }

static void reconcile(struct publish *p);

static err ip_of(const char *address, struct ip *ret) {
    *ret = (struct ip){0};
    return *address ? ip_parse(str_of(address), ret) : OK;
}

static bool is_queued(const struct publish_port *o) {
    for (uint32_t i = 0; i < o->fds_n; i++)
        if (sock_queued(o->fds[i])) return true;
    return false;
}

static void close_port(struct publish_port *o);

/* What was to follow, once every queue is empty. What came with the last connections is read before workers hear of anything else. */
static void go_on(struct publish *p) {
    void (*then)(struct publish * p) = p->then;
    for (const struct publish_port *o = p->ports; o; o = o->next)
        if (o->state == PORT_HUSHED || o->state == PORT_CLOSING) return;
    p->then = NULL;
    if (then) then(p);
}

static void on_removed(struct worker_socket *m, void *home) {
    (void)home;
    struct publish_port *o = container_of(m, struct socket_slot, m)->port;
    struct publish *p = o->p;
    free(container_of(m, struct socket_slot, m));
    if (--o->left) return;
    if (!p->drains_sent && is_queued(o)) { /* one had been on its way between two processors */
        close_port(o);
        return;
    }
    close_sockets(o);
    struct ip ip;
    if (ip_of(o->address, &ip) == OK && supervised_close(p->c.supervisor, &ip, o->port) != OK)
        log_warn("listener close address=%s port=%u err=\"the supervisor does not answer\"",
                 shown(o->address), o->port);
    log_info("listener closed address=%s port=%u", shown(o->address), o->port);
    drop_port(o);
    go_on(p);
    if (!p->adopting && !p->draining && !p->held) reconcile(p); /* it may be wanted again by now */
}

static void on_added(struct worker_socket *m, void *home) {
    (void)home;
    free(container_of(m, struct socket_slot, m));
}

static void post_sockets(struct publish_port *o, bool remove) {
    struct publish *p = o->p;
    for (uint32_t i = 0; i < o->fds_n; i++) {
        struct socket_slot *s = base_zalloc(sizeof *s);
        s->port = o;
        s->m = (struct worker_socket){
            .remove = remove, .fd = o->fds[i], .port_slot = o->slot, .done = remove ? on_removed : on_added};
        worker_post_socket(p->c.workers[i % p->c.workers_n], &s->m);
    }
}

static void close_port(struct publish_port *o) {
    o->state = PORT_CLOSING;
    o->left = o->fds_n;
    post_sockets(o, true);
}

static void hush_port(struct publish_port *o) {
    struct ip ip;
    o->state = PORT_HUSHED;
    if (ip_of(o->address, &ip) == OK && supervised_hush(o->p->c.supervisor, &ip, o->port) != OK)
        log_warn("listener close address=%s port=%u err=\"the supervisor does not answer\"",
                 shown(o->address), o->port);
}

/* Ports that the table about to go out has not (or in another slot). */
static void hush_vanished(struct publish *p) {
    for (struct publish_port *o = p->ports, *next; o; o = next) {
        next = o->next;
        const struct table_socket *w = wanted(p, o->address, o->port);
        if (w && w->slot == o->slot) continue;
        if (o->state == PORT_REFUSED)
            drop_port(o);
        else if (o->state == PORT_OPEN)
            hush_port(o);
    }
}

/* Their queues are emptied by the table before. */
static void close_hushed(struct publish *p) {
    for (struct publish_port *o = p->ports, *next; o; o = next) {
        next = o->next;
        if (o->state == PORT_HUSHED) close_port(o);
    }
}

/* A connection of which the last packet is under way would be reset with its socket. Not known: as if there were one. */
static bool is_calm(const struct publish *p) {
    for (const struct publish_port *o = p->ports; o; o = o->next) {
        uint32_t n = 1;
        if (o->state == PORT_HUSHED && (half_open_count(o->port, &n) != OK || n)) return false;
    }
    return true;
}

/* `then` is called, at once where no port is going. */
static void when_calm(struct publish *p, void (*then)(struct publish *p)) {
    p->then = then;
    p->looks = 0;
    bool going = false;
    for (const struct publish_port *o = p->ports; o; o = o->next) going |= o->state == PORT_HUSHED;
    if (going) /* a packet may have passed just before, and be looked at by another processor */
        timer_set(&p->c.loop->timers, &p->calm, clock_monotonic_us() + CALM_US);
    else
        go_on(p);
}

static void on_calm(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct publish *p = container_of(t, struct publish, calm);
    timer_clear(t);
    if (p->looks < CALM_LOOKS && !is_calm(p)) {
        timer_set(&p->c.loop->timers, t, clock_monotonic_us() + ((uint64_t)CALM_US << p->looks++));
        return;
    }
    close_hushed(p);
    go_on(p);
}

static const char *why_refused(int why) {
    switch (why) {
    case EACCES: return "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE, or --map-port";
    case EADDRINUSE: return "address already in use by another process";
    case EADDRNOTAVAIL: return "no network interface of this machine has the address";
    default: return strerror(why);
    }
}

/* Tries to bind; facts tell how it went. */
static void open_port(struct publish_port *o) {
    struct publish *p = o->p;
    struct ip ip;
    int why = EINVAL, before = o->why;
    bool ok = ip_of(o->address, &ip) == OK && supervised_open(p->c.supervisor, WORDS_TRAFFIC, &ip, o->port,
                                                              p->c.workers_n, &o->fds, &o->fds_n, &why) == OK;
    facts_set_bind(&p->c.pipeline->facts, str_of(o->address), o->port, FACT_TCP, ok,
                   str_of(ok ? "" : why_refused(why)));
    if (ok) {
        o->state = PORT_OPEN, o->why = 0;
        log_info("listener bound address=%s port=%u", shown(o->address), o->port);
        post_sockets(o, false);
        return;
    }
    o->state = PORT_REFUSED, o->why = why;
    if (why != before)
        log_warn("listener refused address=%s port=%u err=\"%s\" retry_in_ms=%u", shown(o->address), o->port,
                 why_refused(why), RETRY_US / 1000);
}

static void reconcile(struct publish *p) {
    const struct table_socket *v;
    uint32_t n = table_sockets(p->c.pipeline->table, &v);
    bool refused = false;
    for (uint32_t i = 0; i < n; i++) {
        struct publish_port *o = p->ports;
        while (o && (o->port != v[i].port || !str_eq(v[i].address, str_of(o->address)))) o = o->next;
        if (!o) {
            o = base_zalloc(sizeof *o);
            assert(v[i].address.n < sizeof o->address);
            if (v[i].address.n) memcpy(o->address, v[i].address.p, v[i].address.n);
            o->p = p, o->port = v[i].port, o->slot = v[i].slot;
            o->next = p->ports;
            p->ports = o;
        }
        if (o->state == PORT_REFUSED) open_port(o);
        refused |= o->state == PORT_REFUSED;
    }
    if (refused) timer_set(&p->c.loop->timers, &p->retry, clock_monotonic_us() + RETRY_US);
    if (p->c.pipeline->facts.changed) p->c.changed(p->c.arg);
}

static void on_retry(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct publish *p = container_of(t, struct publish, retry);
    timer_clear(t);
    if (!p->adopting && !p->draining && !p->held) reconcile(p);
}

static void on_adopted(struct worker_table *m, void *home) {
    (void)home;
    struct publish_generation *g = container_of(m, struct table_slot, m)->g;
    struct publish *p = g->p;
    if (--g->adopt_left) return;
    p->adopting = false;
    p->c.pipeline->facts.revision_adopted = g->t->revision;
    p->c.pipeline->facts.changed = true;
    if (!p->draining) reconcile(p);
}

static void send_table(struct publish *p) {
    unsigned n = p->c.workers_n;
    struct publish_generation *g = base_zalloc(sizeof *g + n * sizeof g->slots[0]);
    g->p = p, g->t = p->c.pipeline->table;
    g->adopt_left = g->release_left = n;
    g->next = p->generations;
    p->generations = g;
    p->alive++;
    for (unsigned i = 0; i < n; i++) {
        g->slots[i].g = g;
        g->slots[i].m = (struct worker_table){.t = g->t, .adopted = on_adopted, .released = on_released};
        worker_post_table(p->c.workers[i], &g->slots[i].m);
    }
    send_graves(p);
}

void publish_table(struct publish *p) {
    assert(!p->adopting && !p->draining);
    p->held = false;
    if (p->c.pipeline->table->system_trust && tls_trust_load(p->c.trust) != OK)
        log_warn("trust err=\"this system has no certificates of authorities\" remedy=\"install "
                 "ca-certificates\"");
    p->adopting = true;
    hush_vanished(p);
    when_calm(p, send_table);
}

struct drain_slot {
    struct worker_drain m;
    struct publish *p;
    unsigned index;
};

/* Of a worker that drains already the second order comes home at once: it says nothing about its end. */
static void on_hurried(struct worker_drain *m, void *home) {
    (void)m;
    (void)home;
}

static void on_drained(struct worker_drain *m, void *home) {
    (void)home;
    const struct drain_slot *d = container_of(m, struct drain_slot, m);
    struct publish *p = d->p;
    assert(!p->worker_ended[d->index]);
    p->worker_ended[d->index] = true;
    if (++p->ended == p->c.workers_n) p->c.drained(p->c.arg);
}

static void send_drains(struct publish *p) {
    for (unsigned i = 0; i < p->c.workers_n; i++) {
        if (p->worker_ended[i]) continue;
        struct drain_slot *d = arena_make(p->drains, struct drain_slot);
        d->p = p, d->index = i;
        d->m = (struct worker_drain){.deadline_us = p->drain_until_us,
                                     .done = p->drains_sent ? on_hurried : on_drained};
        worker_post_drain(p->c.workers[i], &d->m);
    }
    p->drains_sent = true;
}

void publish_drain(struct publish *p, uint64_t deadline_us, bool hands_over) {
    bool hurry = p->draining;
    p->draining = true;
    p->drain_until_us = deadline_us;
    timer_clear(&p->calm);
    timer_clear(&p->retry);
    p->then = NULL;
    for (struct publish_port *o = p->ports; o && !hurry && !hands_over; o = o->next)
        if (o->state == PORT_OPEN) hush_port(o);
    if (!hurry && !hands_over) {
        when_calm(p, send_drains);
        return;
    }
    close_hushed(p);
    send_drains(p);
}
