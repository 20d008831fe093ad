/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/told.h"
#include "upstream/upstream_core.h"

static uint64_t reach_id(const struct balance_endpoint *e) { return e->reach ? e->reach->id : 0; }

struct upstream_lane *lane_of(struct balance_endpoint *e, uint64_t client_id) {
    for (struct upstream_lane *l = e->lanes; l; l = l->next)
        if (l->reach_id == reach_id(e) && l->client_id == client_id && !l->stale) return l;
    struct upstream_lane *l = base_zalloc(sizeof *l);
    l->reach_id = reach_id(e), l->client_id = client_id;
    link_init(&l->idle);
    link_init(&l->open);
    link_init(&l->told);
    l->next = e->lanes;
    e->lanes = l;
    return l;
}

static void lane_free(struct upstream_lane *l) {
    assert(!l->conns_n);
    tls_client_forget(l->session);
    free(l);
}

void lane_free_all(struct balance_endpoint *e) {
    while (e->lanes) {
        struct upstream_lane *l = e->lanes;
        e->lanes = l->next;
        lane_free(l);
    }
}

/* The latest made stays with its session; those before it are of certificates that were replaced, or seldom asked for. */
void lane_end_unused(struct balance_endpoint *e, struct upstream_lane *lane) {
    if (lane->conns_n || (lane == e->lanes && !lane->stale)) return;
    struct upstream_lane **at = &e->lanes;
    while (*at != lane) at = &(*at)->next;
    *at = lane->next;
    lane_free(lane);
}

void lane_leave(struct upstream_conn *u) {
    if (u->mux) mux_closed(u);
    if (!link_is_on(&u->place)) return;
    link_remove(&u->place);
    u->lane->idle_n--;
    u->set->counts.idle--;
    u->conn.idle = false;
}

void lane_take(struct upstream_conn *u) {
    lane_leave(u);
    conn_deadline(&u->conn, UINT64_MAX);
    u->used = true;
    u->set->counts.reused++;
}

struct upstream_conn *lane_take_idle(struct upstream_lane *lane) {
    if (link_empty(&lane->idle)) return NULL;
    struct upstream_conn *u = container_of(lane->idle.next, struct upstream_conn, place);
    lane_take(u);
    return u;
}

bool lane_give_idle(struct upstream_conn *u) {
    struct upstream_lane *lane = u->lane;
    if (!conn_reusable(&u->conn) || lane->stale || u->set->draining || lane->idle_n >= UPSTREAM_IDLE_MAX)
        return false;
    link_prepend(u->client ? &lane->told : &lane->idle, &u->place);
    lane->idle_n++;
    u->set->counts.idle++;
    u->conn.idle = true;
    conn_deadline(&u->conn, u->set->common->loop->now_us + u->idle_us);
    conn_resume(&u->conn); /* when something is left to read, nobody asked for it */
    if (u->client) told_idle(u);
    return true;
}

static void close_idle(struct upstream_lane *lane) {
    list_each (struct upstream_conn, m, &lane->open, place) mux_settle(m);
    list_each (struct upstream_conn, u, &lane->idle, place) dial_close(u);
    list_each (struct upstream_conn, t, &lane->told, place) {
        if (t->mux)
            mux_settle(t);
        else
            dial_close(t);
    }
}

bool lane_close_one(struct balance_endpoint *e) {
    for (struct upstream_lane *l = e->lanes; l; l = l->next) {
        if (link_empty(&l->idle)) continue;
        dial_close(container_of(l->idle.prev, struct upstream_conn, place));
        return true;
    }
    return false;
}

void lane_close_idle(struct balance_endpoint *e) {
    for (struct upstream_lane *l = e->lanes; l; l = l->next) close_idle(l);
}

void lane_close_stale(struct balance_endpoint *e) {
    for (struct upstream_lane *l = e->lanes, *next; l; l = next) {
        next = l->next;
        if (!e->gone && l->reach_id == reach_id(e)) continue;
        l->stale = true;
        close_idle(l);
        lane_end_unused(e, l);
    }
}
