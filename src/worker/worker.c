/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>

#include "base/num.h"
#include "io/clock.h"
#include "io/crash.h"
#include "io/log.h"
#include "io/sock.h"
#include "proxy/doing.h"
#include "proxy/proxy.h"
#include "worker/access_ring.h"

enum {
    ACCEPTS_A_TURN = 64, /* of one socket */
    RING_BYTES = 1 << 20,
    LINE_BYTES_MAX = 48 << 10,
    ACCEPT_PAUSE_US = 100000, /* when descriptors or memory have run out */
    ACCEPT_SOON_US =
        2000, /* once something of ours is over: not for each, since all sockets come back to the loop */
    PAUSE_QUIET_US = 10000000,
};

enum worker_state { WORKER_SERVES, WORKER_DRAINS, WORKER_ENDED };
static const uint8_t worker_moves[] = {
    [WORKER_SERVES] = 1 << WORKER_DRAINS,
    [WORKER_DRAINS] = 1 << WORKER_ENDED,
    [WORKER_ENDED] = 0,
};

/* A listening socket. */
struct mouth {
    struct loop_fd watch;
    struct link all;
    struct worker *worker;
    int fd;
    uint32_t port_slot;
    uint32_t
        burst; /* accepted at once: doubles while the queue is never found empty, so that a lone connection costs one call */
    uint64_t turn; /* when it last had some */
};

struct worker { /* owner: its thread; stats and ring are read by others */
    struct worker_config config;
    struct loop loop;
    struct mailbox box;
    struct proxy *proxy;
    struct link mouths;
    struct timer pause, end;
    uint64_t pause_told_us;            /* no line before */
    uint64_t paused_at;                /* count_over() then; UINT64_MAX: nothing that ends is waited for */
    struct post *tables, *tables_last; /* posted, to be adopted when the turn is over */
    struct worker_table *current;
    struct worker_grave *graves; /* by post.next */
    bool graves_new;
    struct worker_drain *drain;
    uint64_t drain_until_us;
    uint8_t state; /* enum worker_state */
    uint64_t turn;
    struct arena *formats;
    str json, text; /* programs of the access log */
    struct buf line;
    struct access_ring ring;
    struct worker_stats stats;
    struct tally tally;
};

static void move(struct worker *w, enum worker_state to) {
    assert(worker_moves[w->state] & 1 << to);
    w->state = (uint8_t)to;
}

/* ---- home: each runs there ---- */

static void home_adopted(struct post *p, void *home) {
    struct worker_table *m = container_of(p, struct worker_table, post);
    if (m->adopted) m->adopted(m, home);
}

static void home_released(struct post *p, void *home) {
    struct worker_table *m = container_of(p, struct worker_table, again);
    if (m->released) m->released(m, home);
}

static void home_socket(struct post *p, void *home) {
    struct worker_socket *m = container_of(p, struct worker_socket, post);
    if (m->done) m->done(m, home);
}

static void home_grave(struct post *p, void *home) {
    struct worker_grave *m = container_of(p, struct worker_grave, post);
    if (m->done) m->done(m, home);
}

static void home_drain(struct post *p, void *home) {
    struct worker_drain *m = container_of(p, struct worker_drain, post);
    if (m->done) m->done(m, home);
}

static void send_home(struct worker *w, struct post *p, void (*deliver)(struct post *p, void *home)) {
    p->deliver = deliver;
    mailbox_post(w->config.home, p);
}

/* ---- tables ---- */

static void release_current(struct worker *w) {
    struct worker_table *m = w->current;
    w->current = NULL;
    if (m) send_home(w, &m->again, home_released);
}

static void adopt_all(struct worker *w) {
    while (w->tables) {
        struct worker_table *m = container_of(w->tables, struct worker_table, post);
        w->tables = m->post.next;
        proxy_adopt(w->proxy, m->t);
        release_current(w);
        w->current = m;
        send_home(w, &m->post, home_adopted);
    }
    w->tables_last = NULL;
}

static void deliver_table(struct post *p, void *worker) {
    struct worker *w = worker;
    struct worker_table *m = container_of(p, struct worker_table, post);
    m->by = w;
    if (w->state == WORKER_ENDED) {
        send_home(w, &m->post, home_adopted);
        send_home(w, &m->again, home_released);
        return;
    }
    p->next = NULL;
    if (w->tables_last)
        w->tables_last->next = p;
    else
        w->tables = p;
    w->tables_last = p;
}

/* ---- graves ---- */

static bool is_unused(const struct worker *w, const struct worker_grave *g) {
    for (uint32_t i = 0; i < g->n; i++)
        if (proxy_uses(w->proxy, g->rule_slots[i])) return false;
    return true;
}

static void visit_graves(struct worker *w) {
    if (!proxy_freed_a_rule(w->proxy) && !w->graves_new) return;
    w->graves_new = false;
    struct worker_grave *g = w->graves, *kept = NULL;
    while (g) {
        struct post *next = g->post.next;
        if (is_unused(w, g)) {
            send_home(w, &g->post, home_grave);
        } else {
            g->post.next = kept ? &kept->post : NULL;
            kept = g;
        }
        g = next ? container_of(next, struct worker_grave, post) : NULL;
    }
    w->graves = kept;
}

static void deliver_grave(struct post *p, void *worker) {
    struct worker *w = worker;
    struct worker_grave *m = container_of(p, struct worker_grave, post);
    m->by = w;
    proxy_forget_certificates(w->proxy, m->certificates, m->certificates_n);
    p->next = w->graves ? &w->graves->post : NULL;
    w->graves = m;
    w->graves_new = true;
    if (w->state == WORKER_ENDED) visit_graves(w);
}

/* ---- sockets ---- */

/* Exchanges and connections: each may have made room, or may be what makes it. */
static uint64_t count_over(const struct worker *w, const struct proxy_counts *c) {
    return stats_get(&w->stats.requests) + c->connections_accepted - c->connections_open;
}

static void pause_accepting(struct worker *w, const char *why) {
    struct proxy_counts c;
    proxy_count(w->proxy, &c);
    w->paused_at = count_over(w, &c);
    stats_add(&w->stats.pauses, 1);
    if (w->loop.now_us >= w->pause_told_us) {
        log_warn("accept paused worker=%u why=\"%s\" retrying in_ms=%d", w->config.index, why,
                 ACCEPT_PAUSE_US / 1000);
        w->pause_told_us = w->loop.now_us + PAUSE_QUIET_US;
    }
    list_each (struct mouth, s, &w->mouths, all) loop_remove(&w->loop, &s->watch);
    timer_set(&w->loop.timers, &w->pause, w->loop.now_us + ACCEPT_PAUSE_US);
}

/* false: the queue is empty, or nothing can be accepted now. */
static bool accept_some(struct mouth *s, uint32_t most) {
    struct worker *w = s->worker;
    for (uint32_t i = 0; i < most; i++) {
        struct ip peer;
        uint16_t port;
        int fd;
        if (!proxy_has_room(w->proxy)) {
            pause_accepting(w, "as many connections as there may be are busy");
            return false;
        }
        err e = sock_accept(s->fd, &fd, &peer, &port);
        if (e == ERR_IO && errno == EMFILE && proxy_make_room(w->proxy)) continue;
        if (e == ERR_IO) pause_accepting(w, strerror(errno));
        if (e != OK) return false;
        proxy_accept(w->proxy, fd, &peer, port, s->port_slot);
    }
    return true;
}

static void on_mouth(struct loop_fd *f, uint32_t events) {
    (void)events;
    struct mouth *s = container_of(f, struct mouth, watch);
    bool again = s->turn + 1 == s->worker->turn;
    s->burst = again ? (uint32_t)num_min(s->burst * 2, ACCEPTS_A_TURN) : 1;
    s->turn = s->worker->turn;
    if (!accept_some(s, s->burst)) s->burst = 1;
}

static void on_pause_over(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct worker *w = container_of(t, struct worker, pause);
    w->paused_at = UINT64_MAX;
    if (w->state != WORKER_SERVES) return;
    list_each (struct mouth, s, &w->mouths, all) {
        if (s->watch.fd < 0 && loop_add_level(&w->loop, &s->watch, s->fd) != OK)
            pause_accepting(w, strerror(errno));
    }
}

static void end_pause_soon(struct worker *w) {
    w->paused_at = UINT64_MAX;
    timer_set(&w->loop.timers, &w->pause, w->loop.now_us + ACCEPT_SOON_US);
}

static void mouth_free(struct mouth *s) {
    loop_remove(&s->worker->loop, &s->watch);
    link_remove(&s->all);
    free(s);
}

static void add_socket(struct worker *w, const struct worker_socket *m) {
    struct mouth *s = base_zalloc(sizeof *s);
    *s = (struct mouth){
        .watch = {.fd = -1, .on_ready = on_mouth}, .worker = w, .fd = m->fd, .port_slot = m->port_slot};
    link_append(&w->mouths, &s->all);
    if (loop_add_level(&w->loop, &s->watch, s->fd) != OK)
        pause_accepting(w, strerror(errno)); /* and tried again */
}

/* Perhaps for the second time: more had come. */
static void remove_socket(struct worker *w, const struct worker_socket *m) {
    struct mouth last = {.worker = w, .fd = m->fd, .port_slot = m->port_slot};
    while (accept_some(&last, ACCEPTS_A_TURN)) {}
    list_each (struct mouth, s, &w->mouths, all)
        if (s->fd == m->fd) mouth_free(s);
}

static void deliver_socket(struct post *p, void *worker) {
    struct worker *w = worker;
    struct worker_socket *m = container_of(p, struct worker_socket, post);
    m->by = w;
    if (m->remove)
        remove_socket(w, m);
    else if (w->state == WORKER_SERVES)
        add_socket(w, m);
    send_home(w, p, home_socket);
}

/* ---- memory ---- */

struct pressure_post {
    struct post post;
    enum pressure level;
};

static void deliver_pressure(struct post *p, void *worker) {
    struct worker *w = worker;
    struct pressure_post *m = container_of(p, struct pressure_post, post);
    if (w->state != WORKER_ENDED) pressure_set(w->proxy, m->level);
    free(m);
}

/* ---- what is told of exchanges ---- */

/* How the line is printed; not given: not at all. */
static str program_of(const struct worker *w, const struct access_record *r) {
    enum access_form form = r->form ? (enum access_form)r->form : w->config.access;
    switch (form) {
    case ACCESS_JSON: return w->json;
    case ACCESS_TEXT: return w->text;
    case ACCESS_OWN: return r->form ? r->program : w->config.access_program;
    case ACCESS_AS_USUAL:
    case ACCESS_OFF: break;
    }
    return (str){0};
}

static void print(struct worker *w, str program, const struct access_record *r) {
    buf_clear(&w->line);
    access_print(&w->line, program, r);
    if (w->line.overflow || access_ring_put(&w->ring, buf_str(&w->line)) != OK)
        stats_add(&w->stats.access_dropped, 1);
}

static void on_finished(void *arg, const struct access_record *r) {
    struct worker *w = arg;
    struct worker_stats *s = &w->stats;
    stats_add(&s->requests, 1);
    if (r->status >= 100 && r->status < 600) stats_add(&s->responses_by_class[r->status / 100], 1);
    stats_add(&s->reasons[r->reason], 1);
    stats_add(&s->bytes_in, r->bytes_in);
    stats_add(&s->bytes_out, r->bytes_out);
    tally_count(&w->tally, r);
    str program = program_of(w, r);
    if (program.p) print(w, program, r);
}

/* A template has such lines when it asks for what they tell: others would show a request that there was not. */
static void on_handshake_failed(void *arg, const struct access_record *r) {
    struct worker *w = arg;
    str program = program_of(w, r);
    if (program.p && access_format_tells(program, ACCESS_TLS_FAILURE)) print(w, program, r);
}

static void publish_counts(struct worker *w) {
    struct proxy_counts c;
    struct worker_stats *s = &w->stats;
    proxy_count(w->proxy, &c);
    if (w->paused_at != UINT64_MAX && count_over(w, &c) != w->paused_at) end_pause_soon(w);
    /* Whoever fails to begin closes a connection: while these two stand, so do the reasons. */
    bool moved = stats_get(&s->connections_accepted) != c.connections_accepted ||
                 stats_get(&s->connections_open) != c.connections_open;
    stats_set(&s->connections_accepted, c.connections_accepted);
    stats_set(&s->connections_open, c.connections_open);
    stats_set(&s->connections_refused, c.connections_refused);
    stats_set(&s->connections_shed, c.connections_shed);
    stats_set(&s->handshakes_full, c.handshakes_full);
    stats_set(&s->handshakes_resumed, c.handshakes_resumed);
    for (int i = 0; moved && i < TLS_REASON_COUNT; i++)
        stats_set(&s->handshakes_failed[i], c.handshakes_failed[i]);
    stats_set(&s->handshakes_untold, c.handshakes_untold);
    for (int i = 0; i < 2; i++) stats_set(&s->headers[i], c.headers[i]);
    for (int i = 0; moved && i < PROXY_PROTOCOL_FAULT_COUNT; i++)
        stats_set(&s->headers_failed[i], c.headers_failed[i]);
    stats_set(&s->pressure_closed, c.pressure_closed);
    stats_set(&s->requests_open, c.requests_open);
    stats_set(&s->expressions_given_up, c.expressions_given_up);
    stats_set(&s->tunnels_open, c.tunnels_open);
    stats_set(&s->upstream_connects, c.upstream_connects);
    stats_set(&s->upstream_connect_failures, c.upstream_connect_failures);
    stats_set(&s->upstream_tls_failures, c.upstream_tls_failures);
    stats_set(&s->upstream_reused, c.upstream_reused);
    stats_set(&s->upstream_idle, c.upstream_idle);
    stats_set(&s->checks_good, c.checks_good);
    stats_set(&s->checks_bad, c.checks_bad);
    stats_set(&s->upstream_open, c.upstream_open);
    stats_set(&s->endpoints_put_out, c.endpoints_put_out);
    stats_set(&s->endpoints_back, c.endpoints_back);
    stats_set(&s->endpoint_trials, c.endpoint_trials);
    stats_set(&s->balancing_panics, c.balancing_panics);
    stats_set(&s->upstream_waited, c.upstream_waited);
    stats_set(&s->upstream_waiting, c.upstream_waiting);
    stats_set(&s->mirrors, c.mirrors);
    stats_set(&s->mirrors_dropped, c.mirrors_dropped);
    stats_set(&s->mirrors_failed, c.mirrors_failed);
    stats_set(&s->spans, c.spans);
    stats_set(&s->spans_sent, c.spans_sent);
    stats_set(&s->spans_dropped, c.spans_dropped);
    stats_set(&s->exports, c.exports);
    stats_set(&s->exports_failed, c.exports_failed);
    stats_set(&s->retries, c.retries);
    for (int i = 0; i < RETRY_STOP_COUNT; i++) stats_set(&s->retries_stopped[i], c.retries_stopped[i]);
    stats_set(&s->allocations_after_warmup, c.allocations);
    stats_set(&s->turns, w->turn);
    stats_set(&s->tables_held, w->current != NULL);
}

/* ---- what is asked ---- */

static void census_done(struct post *p, void *receiver) {
    struct worker_census *m = container_of(p, struct worker_census, post);
    m->done(m, receiver);
}

/* Some of it a turn: what is posted now is delivered in the next. */
static void deliver_census(struct post *p, void *worker) {
    struct worker *w = worker;
    struct worker_census *m = container_of(p, struct worker_census, post);
    m->by = w;
    if (w->state != WORKER_ENDED && !proxy_census(w->proxy, &m->census)) {
        mailbox_post(&w->box, p);
        return;
    }
    if (w->state != WORKER_ENDED)
        publish_counts(w); /* what this turn has answered so far may be why somebody asks */
    p->deliver = census_done;
    mailbox_post(m->to, p);
}

/* ---- the end ---- */

static void on_end(struct timer *t, uint64_t now_us) { (void)t, (void)now_us; /* looked at after the turn */ }

static void deliver_drain(struct post *p, void *worker) {
    struct worker *w = worker;
    struct worker_drain *m = container_of(p, struct worker_drain, post);
    m->by = w;
    bool first = w->state == WORKER_SERVES;
    if (first || m->deadline_us < w->drain_until_us) {
        w->drain_until_us = m->deadline_us;
        timer_set(&w->loop.timers, &w->end, m->deadline_us);
    }
    if (!first) {
        send_home(w, p, home_drain);
        return;
    }
    move(w, WORKER_DRAINS);
    w->drain = m;
    list_each (struct mouth, s, &w->mouths, all) mouth_free(s);
    proxy_drain(w->proxy);
}

static bool may_end(const struct worker *w) {
    return w->state == WORKER_DRAINS && (proxy_is_idle(w->proxy) || w->loop.now_us >= w->drain_until_us);
}

static void end(struct worker *w) {
    proxy_cut(w->proxy);
    adopt_all(w); /* their memory goes home in order */
    proxy_adopt(w->proxy, NULL);
    release_current(w);
    w->graves_new = true;
    visit_graves(w);
    publish_counts(w);
    move(w, WORKER_ENDED);
    send_home(w, &w->drain->post, home_drain);
}

/* ---- the door ---- */

struct worker *worker_new(const struct worker_config *c) {
    struct worker *w = base_zalloc(sizeof *w);
    w->config = *c;
    loop_init(&w->loop);
    mailbox_init(&w->box, w);
    link_init(&w->mouths);
    timer_init(&w->pause, on_pause_over);
    w->paused_at = UINT64_MAX;
    timer_init(&w->end, on_end);
    buf_init(&w->line, LINE_BYTES_MAX);
    w->formats = arena_new();
    w->json = access_format_json(w->formats), w->text = access_format_text(w->formats);
    access_ring_init(&w->ring, RING_BYTES);
    tally_init(&w->tally, c->tallies);
    struct proxy_config pc = {.loop = &w->loop,
                              .seed = &w->config.seed,
                              .session_key = w->config.session_key,
                              .crowd = w->config.crowd,
                              .trust = w->config.trust,
                              .workers = c->workers,
                              .finished = on_finished,
                              .handshake_failed = on_handshake_failed,
                              .arg = w,
                              .records = c->access > ACCESS_OFF};
    w->proxy = proxy_new(&pc);
    explicit_bzero(&w->config.seed, sizeof w->config.seed);
    return w;
}

/* What must not wait for an event is done between two turns. */
static bool after_turn(struct worker *w) {
    w->turn++;
    if (w->tables) adopt_all(w);
    bool busy = proxy_turn(w->proxy);
    visit_graves(w);
    publish_counts(w);
    return busy;
}

void worker_run(void *worker) {
    struct worker *w = worker;
    err e = mailbox_attach(&w->box, &w->loop);
    assert(e == OK); /* a fresh eventfd in a fresh epoll */
    bool busy = false;
    while (!may_end(w)) {
        loop_turn(&w->loop, !busy);
        busy = after_turn(w);
    }
    end(w);
}

void worker_free(struct worker *w) {
    if (!w) return;
    if (w->state != WORKER_ENDED) { /* it never ran */
        w->state = WORKER_ENDED;
        proxy_cut(w->proxy);
    }
    mailbox_fini(&w->box);
    list_each (struct mouth, s, &w->mouths, all) mouth_free(s);
    proxy_free(w->proxy);
    timer_forget(&w->loop.timers, &w->pause);
    timer_forget(&w->loop.timers, &w->end);
    loop_fini(&w->loop);
    buf_fini(&w->line);
    access_ring_fini(&w->ring);
    tally_fini(&w->tally);
    arena_free(w->formats);
    free(w);
}

void worker_post_table(struct worker *w, struct worker_table *m) {
    m->post.deliver = deliver_table;
    mailbox_post(&w->box, &m->post);
}

void worker_post_socket(struct worker *w, struct worker_socket *m) {
    m->post.deliver = deliver_socket;
    mailbox_post(&w->box, &m->post);
}

void worker_post_grave(struct worker *w, struct worker_grave *m) {
    m->post.deliver = deliver_grave;
    mailbox_post(&w->box, &m->post);
}

void worker_post_drain(struct worker *w, struct worker_drain *m) {
    m->post.deliver = deliver_drain;
    mailbox_post(&w->box, &m->post);
}

void worker_post_census(struct worker *w, struct worker_census *m) {
    m->post.deliver = deliver_census;
    mailbox_post(&w->box, &m->post);
}

void worker_post_pressure(struct worker *w, enum pressure level) {
    struct pressure_post *m = base_alloc(sizeof *m);
    *m = (struct pressure_post){.level = level};
    m->post.deliver = deliver_pressure;
    mailbox_post(&w->box, &m->post);
}

const struct worker_stats *worker_stats(const struct worker *w) { return &w->stats; }

const struct tally *worker_tally(const struct worker *w) { return &w->tally; }

size_t worker_access_take(struct worker *w, char *p, size_t n) { return access_ring_take(&w->ring, p, n); }

void worker_tell_doing(const struct worker *w, struct crash_text *t) {
    static const char *const states[] = {
        [WORKER_SERVES] = "serves", [WORKER_DRAINS] = "drains", [WORKER_ENDED] = "ended"};
    crash_add(t, S("level=fatal crash"));
    crash_add_number(t, "worker", w->config.index);
    crash_add_word(t, "state", str_of(w->state < COUNT_OF(states) ? states[w->state] : "?"));
    crash_add_number(t, "turn", w->turn);
    doing_tell(w->proxy, t);
    crash_tell(t);
}
