/* SPDX-License-Identifier: Apache-2.0 */
/* The upstream of one worker, or of two, with backends on loopback that the test itself plays. Time is the test's: it stands still until the test
 * says how much of it passes. What the kernel has to tell is waited for, however long that takes. */
#pragma once
#include "../worker/rig.h"

#include <sys/epoll.h>

#include "asked.h"
#include "upstream/upstream_core.h"

enum { SET_ENDPOINTS_MAX = 48, SET_PATIENCE_MS = 60000 };

struct set {
    struct rig rig; /* the plan and its compiler; no worker */
    struct loop loop;
    struct conn_common common;
    struct upstream *upstream, *other; /* other: of another worker, which this one's turns run, too */
    const struct table_backend *backend;
    struct table_balancing by;
    uint32_t n;
    int listeners[SET_ENDPOINTS_MAX];
    uint16_t ports[SET_ENDPOINTS_MAX];
    uint32_t generation;
};

/* The table becomes what the plan says now. */
static inline void set_apply(struct set *s) {
    struct rig *r = &s->rig;
    struct table *before = r->table;
    struct compile_work work;
    r->plan.revision++;
    r->table = compile_apply(r->compiler, &r->plan, &r->delta, ++s->generation, &work);
    plan_delta_fini(&r->delta);
    upstream_adopt(s->upstream, r->table);
    upstream_adopt(s->other, r->table);
    if (before) compile_home(r->compiler, before);
}
/* The backend has these of its endpoints. */
static inline void set_endpoints(struct set *s, uint32_t from, uint32_t n) {
    rig_backend(&s->rig, "a", s->ports + from, n);
    set_apply(s);
}

static inline void set_settle(struct set *s) {
    do {
        conn_settle(&s->common);
        conn_flush_gathered(&s->common);
        conn_common_turn(&s->common);
    } while (conn_busy(&s->common));
}
/* One event of the kernel. */
static inline void set_turn(struct set *s) {
    struct epoll_event e;
    int n;
    do n = epoll_wait(s->loop.epoll, &e, 1, SET_PATIENCE_MS);
    while (n < 0 && errno == EINTR);
    if (n < 1) fail_msg("nothing happens");
    struct loop_fd *f = e.data.ptr;
    f->on_ready(f, e.events);
    set_settle(s);
}
#define set_until(s, condition)                                                                              \
    while (!(condition)) set_turn(s)
/* Time passes, and what is due happens at its time. */
static inline void set_pass(struct set *s, uint64_t us) {
    uint64_t end = s->loop.now_us + us;
    for (uint64_t next; (next = timer_next(&s->loop.timers)) <= end;) {
        if (next > s->loop.now_us) s->loop.now_us = next;
        timer_run(&s->loop.timers, s->loop.now_us);
        set_settle(s);
    }
    s->loop.now_us = end;
}

static inline struct upstream_counts set_counts(struct upstream *u) {
    struct upstream_counts c;
    upstream_count(u, &c);
    return c;
}
static inline struct balance_backend *set_state(const struct set *s, const struct upstream *u) {
    return u->balance.backends[s->backend->slot];
}

static inline void set_init(struct set *s, uint32_t n, struct table_balancing by) {
    static struct tls_scratch *scratch;
    *s = (struct set){.rig = {.a = arena_new(), .compiler = compiler_new()}, .by = by, .n = n};
    plan_init(&s->rig.plan);
    loop_init(&s->loop);
    conn_common_init(&s->common, &s->loop);
    struct upstream_config c = {.codec = {.head_bytes_max = 4096,
                                          .line_bytes_max = 1024,
                                          .fields_max = 64,
                                          .trailer_bytes_max = 1024},
                                .connect_us = 5000000,
                                .idle_us = 60000000,
                                .seed = 1,
                                .workers = 2,
                                .scratch = &scratch};
    s->upstream = upstream_new(&s->common, &c);
    s->other = upstream_new(&s->common, &c);
    for (uint32_t i = 0; i < n; i++) s->listeners[i] = rig_listen(&s->ports[i]);
    rig_listener(&s->rig, "http", "", NULL);
    rig_route(&s->rig, "all", "http", "", "a", NULL);
    set_endpoints(s, 0, n);
    s->backend = asked_backend(s->rig.table);
}
static inline void set_fini(struct set *s) {
    struct upstream *both[] = {s->upstream, s->other};
    for (int i = 0; i < 2; i++) {
        upstream_adopt(both[i], NULL);
        upstream_drain(both[i]);
    }
    set_settle(s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(set_counts(both[i]).open, 0);
        upstream_free(both[i]);
    }
    conn_common_fini(&s->common);
    loop_fini(&s->loop);
    for (uint32_t i = 0; i < s->n; i++) close(s->listeners[i]);
    compile_home(s->rig.compiler, s->rig.table);
    for (struct compile_grave *g; (g = compile_retired(s->rig.compiler));) compile_buried(s->rig.compiler, g);
    compiler_free(s->rig.compiler);
    plan_delta_fini(&s->rig.delta);
    plan_fini(&s->rig.plan);
    arena_free(s->rig.a);
}
