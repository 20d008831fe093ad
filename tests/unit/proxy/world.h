/* SPDX-License-Identifier: Apache-2.0 */
/* A proxy without its worker: the test turns the loop. Clients are socket pairs, backends are listening sockets of the test's own. What
 * takes long in earnest takes a few milliseconds here; a test waits for what then happens, however long that takes. */
#pragma once
#include "../worker/rig.h"

#include <fcntl.h>

#include "proxy/proxy.h"

enum { SOON_US = 30000, WORLD_OTHERS_MAX = 3 };

struct world {
    struct rig rig; /* the plan and its compiler; no worker */
    struct loop loop;
    struct timer guard;
    struct proxy *proxy;
    uint32_t slot;
    bool busy;
    int backend;                  /* listens: of the backend "a" */
    int others[WORLD_OTHERS_MAX]; /* more of its endpoints */
    unsigned finished;
    enum http_reason reason; /* of the last exchange */
    uint16_t status;
    struct ip client;
    uint64_t attempts, bytes_in, bytes_out;
    char retries[256], stop[32];
};
/* What a world is to have besides. */
struct world_wish {
    const struct proxy_limits *limits;
    struct plan_settings *settings;
    void (*change)(struct rig *r, struct plan_rule *rule);
    void (*add)(struct world *w); /* to the plan */
    uint32_t others;              /* endpoints of "a" besides the first */
    struct crowd *crowd;
    bool records;
};

static inline void on_guard(struct timer *t, uint64_t now_us) {
    (void)t, (void)now_us;
    fail_msg("nothing happens");
}
static inline void on_finished(void *arg, const struct access_record *r) {
    struct world *w = arg;
    w->finished++;
    w->reason = r->reason;
    w->status = r->status;
    w->bytes_in = r->bytes_in, w->bytes_out = r->bytes_out;
    if (r->form == ACCESS_OFF) return; /* nothing else was told */
    w->client = r->client;
    w->attempts = r->attempts;
    snprintf(w->retries, sizeof w->retries, STR_FMT, STR_ARG(r->retries));
    snprintf(w->stop, sizeof w->stop, STR_FMT, STR_ARG(r->retry_stop));
}
static inline void world_turn(struct world *w) {
    loop_turn(&w->loop, !w->busy);
    w->busy = proxy_turn(w->proxy);
}
#define until(w, condition)                                                                                  \
    while (!(condition)) world_turn(w)

static inline int world_listen(uint16_t *ret_port) {
    int fd = rig_listen(ret_port);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}
static inline void world_init_wish(struct world *w, struct world_wish wish) {
    static const struct tls_seed seed;
    uint16_t ports[1 + WORLD_OTHERS_MAX];
    *w = (struct world){.rig = {.a = arena_new(), .compiler = compiler_new()}};
    struct rig *r = &w->rig;
    r->settings = wish.settings;
    plan_init(&r->plan);
    loop_init(&w->loop);
    timer_init(&w->guard, on_guard);
    timer_set(&w->loop.timers, &w->guard, w->loop.now_us + 60000000);
    w->backend = world_listen(&ports[0]);
    for (uint32_t i = 0; i < wish.others; i++) w->others[i] = world_listen(&ports[1 + i]);
    rig_listener(r, "http", "", NULL);
    rig_backend(r, "a", ports, 1 + wish.others);
    if (wish.add) wish.add(w);
    rig_route(r, "all", "http", "", "a", wish.change);
    r->plan.revision++;
    struct compile_work work;
    r->table = compile_apply(r->compiler, &r->plan, &r->delta, 1, &work);
    w->proxy = proxy_new(&(struct proxy_config){.loop = &w->loop,
                                                .seed = &seed,
                                                .finished = on_finished,
                                                .arg = w,
                                                .limits = wish.limits,
                                                .crowd = wish.crowd,
                                                .records = wish.records});
    proxy_adopt(w->proxy, r->table);
    const struct table_socket *v;
    assert_int_equal(table_sockets(r->table, &v), 1);
    w->slot = v[0].slot;
}
static inline void world_init_by(struct world *w, const struct proxy_limits *limits,
                                 struct plan_settings *settings) {
    world_init_wish(w, (struct world_wish){.limits = limits, .settings = settings});
}
static inline void world_init(struct world *w, const struct proxy_limits *limits) {
    world_init_by(w, limits, NULL);
}

static inline void world_fini(struct world *w) {
    struct rig *r = &w->rig;
    proxy_cut(w->proxy);
    proxy_adopt(w->proxy, NULL);
    proxy_free(w->proxy);
    timer_forget(&w->loop.timers, &w->guard);
    loop_fini(&w->loop);
    if (w->backend >= 0) close(w->backend);
    for (size_t i = 0; i < WORLD_OTHERS_MAX; i++)
        if (w->others[i] > 0) close(w->others[i]);
    compile_home(r->compiler, r->table);
    for (struct compile_grave *g; (g = compile_retired(r->compiler));) compile_buried(r->compiler, g);
    compiler_free(r->compiler);
    plan_delta_fini(&r->delta);
    plan_fini(&r->plan);
    arena_free(r->a);
}

static inline int world_client_of(struct world *w, uint8_t last_byte) {
    struct ip peer = {.family = 4, .bytes = {192, 0, 2, last_byte}};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    proxy_accept(w->proxy, fds[0], &peer, 999, w->slot);
    return fds[1];
}
static inline int world_client(struct world *w) { return world_client_of(w, 1); }
static inline int world_accept(struct world *w, int listener) {
    int fd;
    until(w, (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
    return fd;
}
static inline int world_backend(struct world *w) { return world_accept(w, w->backend); }
/* Takes what has come. */
static inline bool has(int fd, struct reply *y, const char *text) {
    char bytes[4096];
    if (!y->bytes.max) buf_init(&y->bytes, 1 << 20);
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) >= 0 || errno != EAGAIN;) {
        y->end |= n <= 0;
        y->reset |= n < 0;
        if (n <= 0) break;
        buf_add(&y->bytes, (str){bytes, (size_t)n});
    }
    return reply_has(y, text);
}
static inline bool ended(int fd, struct reply *y) { return has(fd, y, ""), y->end; }
/* The answer to the only request of this world, and its exchange over. */
static inline void world_is_told(struct world *w, int fd, struct reply *y, const char *begins,
                                 const char *end) {
    until(w, has(fd, y, end) && w->finished == 1);
    if (!str_starts(reply_text(y), str_of(begins))) fail_msg("%.*s", (int)y->bytes.n, y->bytes.p);
}
/* Nobody has come there. */
static inline bool world_is_untouched(int listener) {
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) < 0;
}
/* The backend's side of one request up to its head. */
static inline int world_take_request(struct world *w) {
    struct reply q = {0};
    int fd = world_backend(w);
    until(w, has(fd, &q, "\r\n\r\n"));
    reply_fini(&q);
    return fd;
}
