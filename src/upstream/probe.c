/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/buf.h"
#include "upstream/errand.h"
#include "upstream/upstream_core.h"

/* Checks of a backend's endpoints, while requests come by settings that want them, or routes name it (probe_scan.c). Each worker that sends to the backend looks after them; the
 * health says which one makes the next check, so there is one an interval, whoever makes it, and all know what came of it. */
enum {
    OPEN_MAX = 32, /* at once, of a worker */
    WANTED_US = 60000000,
    WANTED_INTERVALS = 10,
    LOOKS = 8, /* an interval */
    LOOK_US_MIN = 10000,
    LOOK_US_MAX = 1000000,
};
struct probe_watch { /* of a backend */
    struct link on_set;
    struct timer timer;
    struct upstream *set;
    struct balance_backend *of;
    const struct table_balancing *by; /* held: of the request that came last */
    uint64_t wanted_us;
};
struct probe { /* a check under way */
    struct link on_set;
    struct timer timer;
    struct upstream *set;
    struct errand errand;
    struct balance_endpoint *endpoint;
    const struct table_balancing *by; /* both held */
    struct arena *arena;
};

/* What a check finds counts as a check. */
static const struct table_balancing no_fault = {0};

static struct probe *of(struct errand *e) { return container_of(e, struct probe, errand); }

static uint64_t now_of(const struct upstream *s) { return s->common->loop->now_us; }

/* ---- one check ---- */

/* Its memory goes later: the codec may be in the middle of the answer. */
static void leave(struct probe *p) {
    timer_clear(&p->timer);
    errand_drop(&p->errand);
    link_remove(&p->on_set);
    link_append(&p->set->probes_over, &p->on_set);
    p->set->probes_n--;
}

static void finish(struct probe *p, bool good) {
    struct upstream_counts *c = &p->set->counts;
    if (good)
        c->checks_good++;
    else
        c->checks_bad++;
    health_probed(p->endpoint->vital, p->by, good, now_of(p->set));
    leave(p);
}

static void reap(struct upstream *s) {
    for (struct link *l; (l = link_pop(&s->probes_over));) {
        struct probe *p = container_of(l, struct probe, on_set);
        timer_forget(&s->common->loop->timers, &p->timer);
        balance_release(p->endpoint);
        policy_release(s, p->by);
        arena_free(p->arena);
        free(p);
    }
}

static str authority_of(struct arena *a, const struct balance_endpoint *e) {
    if (e->reach && e->reach->tls) return e->reach->tls->hostname;
    struct buf b;
    buf_init(&b, 64);
    bool v6 = e->at.ip.family == 6;
    if (v6) buf_add_char(&b, '[');
    ip_print(&b, &e->at.ip);
    buf_printf(&b, "%s:%u", v6 ? "]" : "", e->at.port);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* On a connection of its own: that one may be made is looked at, too. */
static err take(struct errand *e, bool again) {
    struct probe *p = of(e);
    if (again) return ERR_ABSENT;
    err how = upstream_take_fresh(p->set, p->endpoint, p->by->probe_timeout_us, &no_fault, &e->up);
    if (how != OK) health_told(p->endpoint->vital, REASON_BACKEND_REFUSED, errno);
    return how;
}

static const struct http_msg *request(struct errand *e, bool *ret_whole) {
    struct probe *p = of(e);
    *ret_whole = true;
    if (p->by->probe == TABLE_PROBE_TCP) return NULL;
    struct http_msg *m = arena_make(p->arena, struct http_msg);
    http_msg_init(m, p->arena, true);
    m->method = S("GET"), m->method_id = HTTP_GET;
    m->authority = m->host = authority_of(p->arena, p->endpoint);
    m->path = arena_str(p->arena, str_of(p->by->probe_path)), m->query = S("");
    m->keep_alive = true;
    http_msg_add(m, S("User-Agent"), S("postern-check"));
    return m;
}

/* What the endpoint's health is told of why. */
static void fail(struct probe *p, enum http_reason why, int status) {
    health_told(p->endpoint->vital, why, status);
    finish(p, false);
}

static void on_head(struct errand *e, struct http_msg *m, bool end) {
    (void)end;
    struct probe *p = of(e);
    uint32_t wanted = p->by->probe_status;
    if (m->status < 200) return;
    if (wanted ? m->status == wanted : m->status < 400)
        finish(p, true);
    else
        fail(p, REASON_NONE, m->status);
}

/* An answer is told by its head; of a connection that could not be made, whoever made it has told why. */
static void on_over(struct errand *e, enum errand_end how) {
    if (how == ERRAND_PROTOCOL)
        fail(of(e), REASON_BACKEND_PROTOCOL, 0);
    else if (how == ERRAND_LOST)
        fail(of(e), e->up.why ? e->up.why : REASON_BACKEND_RESET, 0);
    else
        finish(of(e), how == ERRAND_ANSWERED);
}

static const struct errand_ops ops = {.take = take, .request = request, .head = on_head, .over = on_over};

static void on_late(struct timer *t, uint64_t now_us) {
    (void)now_us;
    fail(container_of(t, struct probe, timer), REASON_BACKEND_TIMEOUT, 0);
}

static void begin(struct upstream *s, struct balance_endpoint *e, const struct table_balancing *by) {
    struct probe *p = base_zalloc(sizeof *p);
    *p =
        (struct probe){.set = s, .endpoint = balance_hold(e), .by = policy_hold(s, by), .arena = arena_new()};
    timer_init(&p->timer, on_late);
    timer_set(&s->common->loop->timers, &p->timer, now_of(s) + by->probe_timeout_us);
    link_append(&s->probes, &p->on_set);
    s->probes_n++;
    errand_init(&p->errand, &ops, s, p->arena);
    errand_begin(&p->errand);
}

/* ---- a backend's ---- */

static void end_watch(struct probe_watch *w) {
    timer_forget(&w->set->common->loop->timers, &w->timer);
    policy_release(w->set, w->by);
    link_remove(&w->on_set);
    w->of->watch = NULL;
    free(w);
}

static uint64_t look_us(const struct table_balancing *by) {
    uint64_t us = by->probe_interval_us / LOOKS;
    return us < LOOK_US_MIN ? LOOK_US_MIN : us > LOOK_US_MAX ? LOOK_US_MAX : us;
}

static void on_look(struct timer *t, uint64_t now_us) {
    struct probe_watch *w = container_of(t, struct probe_watch, timer);
    struct upstream *s = w->set;
    uint64_t span = w->by->probe_interval_us * WANTED_INTERVALS;
    reap(s);
    if (now_us - w->wanted_us > (span > WANTED_US ? span : WANTED_US)) {
        end_watch(w);
        return;
    }
    for (uint32_t i = 0; i < w->of->n && s->probes_n < OPEN_MAX; i++) {
        struct balance_endpoint *e = w->of->v[i];
        if (health_probe_due(e->vital, w->by, now_us)) begin(s, e, w->by);
    }
    timer_set(&s->common->loop->timers, &w->timer, now_us + look_us(w->by));
}

void probe_want(struct upstream *s, struct balance_backend *b, const struct table_balancing *by) {
    struct probe_watch *w = b->watch;
    if (s->draining) return;
    if (!w) {
        w = b->watch = base_zalloc(sizeof *w);
        *w = (struct probe_watch){.set = s, .of = b, .by = policy_hold(s, by)};
        timer_init(&w->timer, on_look);
        timer_set(&s->common->loop->timers, &w->timer, now_of(s));
        link_append(&s->watches, &w->on_set);
    } else if (w->by != by) {
        policy_release(s, w->by);
        w->by = policy_hold(s, by);
    }
    w->wanted_us = now_of(s);
}

void probe_end(struct balance_backend *b) {
    if (b->watch) end_watch(b->watch);
}

void probe_end_all(struct upstream *s) {
    list_each (struct probe_watch, w, &s->watches, on_set) end_watch(w);
    list_each (struct probe, p, &s->probes, on_set) leave(p);
    reap(s);
}
