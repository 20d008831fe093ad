/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/upstream_core.h"

/* A backend has as many connections as it may: whoever comes then waits for one, each in turn. Its queue is this worker's; how many wait is counted
 * for all. What frees a connection here wakes the first of the queue at the end of the turn. What frees one in another worker is seen by
 * looking again every now and then; so that this is soon, no worker keeps more idle than its even share, and one that has more than that lets
 * a connection go when requests of others wait. */
enum { LOOK_AGAIN_US = 1000 };

static bool others_wait(const struct balance_backend *of) {
    return gate_count(&of->gate->waiting) > of->waiting_n;
}

bool queue_crowds(const struct upstream_conn *u) {
    const struct balance_backend *of = u->endpoint->of;
    if (!u->conns_max || !of || !of->gate) return false;
    return of->conns > u->conns_max / u->set->config.workers && (!of->waiting_n || others_wait(of));
}

static void look(struct upstream *s, uint64_t in_us) {
    timer_set(&s->common->loop->timers, &s->look, s->common->loop->now_us + in_us);
}

void queue_wake(struct upstream *s) {
    if (s->look.due_us > s->common->loop->now_us) look(s, 0);
}

err queue_join(struct upstream *s, const struct upstream_want *w, struct balance_backend *of,
               struct upstream_loan *l) {
    if (!w->waits) return ERR_LIMIT;
    uint32_t most = w->in_turn ? UINT32_MAX : w->balancing->waiting_max; /* whoever had a place keeps it */
    if (!gate_enter(&of->gate->waiting, most)) return ERR_LIMIT;
    if (!s->waiting) look(s, LOOK_AGAIN_US);
    if (!of->waiting_n) link_append(&s->queues, &of->queued);
    if (w->in_turn)
        link_prepend(&of->waiting, &l->on_conn);
    else
        link_append(&of->waiting, &l->on_conn);
    of->waiting_n++, s->waiting++;
    s->counts.waited += !w->in_turn;
    l->set = s, l->queue = of;
    l->conn = NULL, l->endpoint = NULL, l->reused = false;
    l->state = UPSTREAM_QUEUED;
    return OK;
}

void queue_leave(struct upstream *s, struct upstream_loan *l) {
    struct balance_backend *of = l->queue;
    link_remove(&l->on_conn);
    l->queue = NULL;
    l->state = UPSTREAM_NONE;
    s->waiting--;
    if (!of) return; /* it was told to go already */
    gate_leave(&of->gate->waiting, 1);
    if (--of->waiting_n == 0) link_remove(&of->queued);
}

void queue_disband(struct upstream *s, struct balance_backend *of) {
    while (of->waiting_n) {
        struct upstream_loan *l = container_of(of->waiting.next, struct upstream_loan, on_conn);
        queue_leave(s, l);
        l->state = UPSTREAM_QUEUED;
        s->waiting++;
        link_append(&s->disbanded, &l->on_conn);
    }
    if (s->waiting) queue_wake(s);
}

/* One that takes its place again could not be served. */
static void serve(struct upstream *s, struct balance_backend *of) {
    while (of->waiting_n) {
        struct upstream_loan *l = container_of(of->waiting.next, struct upstream_loan, on_conn);
        queue_leave(s, l);
        l->events->turn(l);
        if (l->state == UPSTREAM_QUEUED) return;
    }
}

void queue_look(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct upstream *s = container_of(t, struct upstream, look);
    struct link todo;
    link_init(&todo);
    while (!link_empty(&s->disbanded)) {
        struct upstream_loan *l = container_of(s->disbanded.next, struct upstream_loan, on_conn);
        queue_leave(s, l);
        l->events->turn(l);
    }
    for (struct link *k; (k = link_pop(&s->queues));) link_append(&todo, k);
    for (struct link *k; (k = link_pop(&todo));) {
        link_append(&s->queues, k);
        serve(s, container_of(k, struct balance_backend, queued));
    }
    if (s->waiting) look(s, LOOK_AGAIN_US);
}

/* ---- at the limit ---- */

static struct upstream_conn *ready_of(const struct upstream_want *w, struct balance_endpoint *e) {
    const struct table_certificate *client = upstream_client_of(w, e);
    return upstream_take_pooled(w, e, lane_of(e, client ? client->id : 0));
}

struct upstream_conn *queue_any_ready(const struct upstream_want *w, struct balance_backend *of) {
    bool any = !w->fresh && !w->preferred && !w->websocket;
    for (uint32_t i = 0; any && i < of->n; i++) {
        struct balance_endpoint *e = of->v[i];
        if (balance_was_tried(w->tried, e) || !health_is_in(e->vital)) continue;
        struct upstream_conn *u = ready_of(w, e);
        if (u) return u;
    }
    /* It is to be another connection: an idle one makes room for it. */
    for (uint32_t i = 0; i < of->n; i++)
        if (lane_close_one(of->v[i])) break;
    return NULL;
}
