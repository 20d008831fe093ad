/* SPDX-License-Identifier: Apache-2.0 */
/* A worker in a thread, a table made of words, backends in threads, clients that block: everything over loopback. */
#pragma once
#include "../unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "compile/compile.h"
#include "io/clock.h"
#include "io/sock.h"
#include "io/thread.h"
#include "worker/worker.h"

/* ---- bytes ---- */

static inline void rig_send(int fd, str s) {
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n <= 0) return; /* the other side has had enough: what it answered is what counts */
        s = str_from(s, (size_t)n);
    }
}
static inline void rig_printf(int fd, const char *fmt, ...) {
    struct buf b;
    buf_init(&b, 1 << 20);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    rig_send(fd, buf_str(&b));
    buf_fini(&b);
}
static inline size_t rig_find(str s, const char *what) {
    const char *p = s.n ? memmem(s.p, s.n, what, strlen(what)) : NULL;
    return p ? (size_t)(p - s.p) : SIZE_MAX;
}

/* ---- a backend: what it does is said by the path ---- */

struct backend {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int connections, requests;
    atomic_bool stop;
    pthread_t served[512];
    int fds[512];
    atomic_int served_n;
};
struct backend_conn {
    struct backend *b;
    int fd, index;
};

/* Reads a head; false at the end. What follows it stays in in. */
static inline bool backend_read_head(int fd, struct buf *in, size_t *ret_head) {
    size_t at;
    char bytes[16384];
    while ((at = rig_find(buf_str(in), "\r\n\r\n")) == SIZE_MAX) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0) return false;
        buf_add(in, (str){bytes, (size_t)n});
    }
    *ret_head = at + 4;
    return true;
}
static inline bool backend_more(int fd, struct buf *in) {
    char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n > 0) buf_add(in, (str){bytes, (size_t)n});
    return n > 0;
}
/* Reads the body behind the head and forgets both; its bytes are counted. */
static inline bool backend_read_body(int fd, struct buf *in, size_t head, size_t *ret_bytes) {
    str h = str_upto(buf_str(in), head);
    size_t length = rig_find(h, "Content-Length: ");
    bool chunked = rig_find(h, "Transfer-Encoding: chunked") != SIZE_MAX;
    size_t left = length == SIZE_MAX ? 0 : (size_t)strtoul(h.p + length + 16, NULL, 10);
    *ret_bytes = 0;
    buf_consume(in, head);
    if (!chunked) {
        for (*ret_bytes = left; left;) {
            if (in->n == 0 && !backend_more(fd, in)) return false;
            size_t n = in->n < left ? in->n : left;
            buf_consume(in, n);
            left -= n;
        }
        return true;
    }
    for (;;) {
        size_t line;
        while ((line = rig_find(buf_str(in), "\r\n")) == SIZE_MAX)
            if (!backend_more(fd, in)) return false;
        size_t n = strtoul(in->p, NULL, 16);
        while (in->n < line + 2 + n + 2)
            if (!backend_more(fd, in)) return false;
        if (n == 0) { /* trailers, if any, end with an empty line */
            while ((line = rig_find(buf_str(in), "\r\n\r\n")) == SIZE_MAX)
                if (!backend_more(fd, in)) return false;
            buf_consume(in, line + 4);
            return true;
        }
        buf_consume(in, line + 2 + n + 2);
        *ret_bytes += n;
    }
}
static inline void backend_big(int fd, size_t n, bool chunked) {
    static const char block[16000];
    if (chunked)
        rig_send(fd, S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"));
    else
        rig_printf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
    while (n) {
        size_t part = n < sizeof block ? n : sizeof block;
        if (chunked) rig_printf(fd, "%zx\r\n", part);
        rig_send(fd, (str){block, part});
        if (chunked) rig_send(fd, S("\r\n"));
        n -= part;
    }
    if (chunked) rig_send(fd, S("0\r\nX-Sum: 7\r\n\r\n"));
}
static inline void backend_wait_for_end(int fd) {
    char byte[512];
    while (recv(fd, byte, sizeof byte, 0) > 0) {}
}
/* One request. false: the connection is to be closed. */
static inline bool backend_answer(int fd, struct buf *in, size_t head) {
    str h = str_upto(buf_str(in), head);
    size_t bytes = 0;
    bool is_head = str_starts(h, S("HEAD "));
#define IS(path) (rig_find(h, " " path) != SIZE_MAX)
    if (IS("/reset")) return false;
    if (IS("/garbage")) return rig_send(fd, S("this is no HTTP\r\n\r\n")), false;
    if (IS("/half"))
        return rig_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")), false;
    if (IS("/hang")) return backend_wait_for_end(fd), false;
    if (IS("/early")) {
        rig_send(fd, S("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"));
        shutdown(fd, SHUT_WR);
        backend_wait_for_end(fd);
        return false;
    }
    if (IS("/toclose")) return rig_send(fd, S("HTTP/1.1 200 OK\r\n\r\nuntil the end")), false;
    if (IS("/continue")) rig_send(fd, S("HTTP/1.1 100 Continue\r\n\r\n"));
    if (IS("/hints")) rig_send(fd, S("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
    if (IS("/big/")) return backend_big(fd, strtoul(h.p + rig_find(h, "/big/") + 5, NULL, 10), false), true;
    if (IS("/chunks/"))
        return backend_big(fd, strtoul(h.p + rig_find(h, "/chunks/") + 8, NULL, 10), true), true;
    if (IS("/late-end")) { /* the end of the response comes alone, after the client's word */
        rig_send(fd, S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
        bool told = backend_read_body(fd, in, head, &bytes);
        return rig_send(fd, S("0\r\n\r\n")), told;
    }
    if (IS("/dated")) {
        rig_send(fd,
                 S("HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"));
        return buf_consume(in, head), true;
    }
    if (IS("/204")) return rig_send(fd, S("HTTP/1.1 204 No Content\r\n\r\n")), buf_consume(in, head), true;
    if (IS("/304"))
        return rig_send(fd, S("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")), buf_consume(in, head),
               true;
    char *copy = str_dup(h);
    size_t head_n = h.n;
    bool stale = IS("/stale");
    bool ok = backend_read_body(fd, in, head, &bytes);
    if (ok) {
        rig_printf(fd, "HTTP/1.1 200 OK\r\nX-Body: %zu\r\nContent-Length: %zu\r\n\r\n%s", bytes, head_n,
                   is_head ? "" : copy);
    }
    free(copy);
    return ok && !stale;
#undef IS
}
static inline void *backend_serve(void *arg) {
    struct backend_conn *c = arg;
    struct buf in;
    buf_init(&in, 64 << 20);
    for (size_t head; backend_read_head(c->fd, &in, &head);) {
        atomic_fetch_add(&c->b->requests, 1);
        if (!backend_answer(c->fd, &in, head)) break;
        if (rig_find(str_upto(buf_str(&in), head), "GET /big/") != SIZE_MAX ||
            rig_find(str_upto(buf_str(&in), head), "GET /chunks/") != SIZE_MAX)
            buf_consume(&in, head);
    }
    buf_fini(&in);
    shutdown(c->fd, SHUT_RDWR);
    free(c);
    return NULL;
}
static inline void *backend_run(void *arg) {
    struct backend *b = arg;
    while (!atomic_load(&b->stop)) {
        int fd = accept(b->fd, NULL, NULL), one = 1;
        if (fd < 0) break;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        atomic_fetch_add(&b->connections, 1);
        int i = atomic_load(&b->served_n);
        assert_in_range(i, 0, 511);
        struct backend_conn *c = base_zalloc(sizeof *c);
        *c = (struct backend_conn){b, fd, i};
        b->fds[i] = fd;
        pthread_create(&b->served[i], NULL, backend_serve, c);
        atomic_store(&b->served_n, i + 1);
    }
    return NULL;
}
static inline int rig_listen(uint16_t *ret_port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 512), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}
static inline struct backend *backend_start(void) {
    struct backend *b = base_zalloc(sizeof *b);
    b->fd = rig_listen(&b->port);
    pthread_create(&b->thread, NULL, backend_run, b);
    return b;
}
static inline void backend_stop(struct backend *b) {
    atomic_store(&b->stop, true);
    shutdown(b->fd, SHUT_RDWR);
    pthread_join(b->thread, NULL);
    for (int i = 0; i < atomic_load(&b->served_n); i++) {
        shutdown(b->fds[i], SHUT_RDWR);
        pthread_join(b->served[i], NULL);
        close(b->fds[i]);
    }
    close(b->fd);
    free(b);
}

/* ---- a plan ---- */

struct rig {
    struct arena *a;
    struct plan plan;
    struct plan_delta delta;
    struct compiler *compiler;
    struct table *table;
    struct mailbox home;
    struct worker *worker;
    struct thread *thread;
    int listen_fd;
    uint16_t port;
    enum access_form access;
    bool tls;
    struct plan_settings *settings;                       /* of listeners */
    unsigned adopted, released, buried, sockets, drained; /* what came home */
};

static inline void rig_set(struct rig *r, const void *piece) {
    const struct plan_piece *p = piece;
    plan_set(&r->plan, p->kind, p->key, plan_pack(piece), &r->delta);
}
static inline void rig_listener(struct rig *r, const char *section, const char *hostname,
                                const char *certificate) {
    str *keys = arena_array(r->a, str, 1);
    keys[0] = str_of(certificate);
    rig_set(r, &(struct plan_listener){.piece = {.kind = PLAN_LISTENER,
                                                 .key = arena_printf(r->a, "Gateway/infra/gw/%s", section)},
                                       .gateway = S("infra/gw"),
                                       .section = arena_str(r->a, str_of(section)),
                                       .bind_address = S(""),
                                       .bind_port = 1, /* the socket is the rig's own */
                                       .port = 8080,
                                       .protocol = certificate ? PLAN_HTTPS : PLAN_HTTP,
                                       .tls_min = certificate ? PLAN_TLS_1_2 : PLAN_TLS_UNSET,
                                       .certificates = {keys, certificate ? 1 : 0},
                                       .settings = r->settings,
                                       .hostname = arena_str(r->a, str_of(hostname))});
}
/* A backend "ns/NAME:80" with endpoints on loopback. */
static inline void rig_backend(struct rig *r, const char *name, const uint16_t *ports, uint32_t n) {
    str key = arena_printf(r->a, "ns/%s:80", name);
    struct plan_endpoint *v = arena_array(r->a, struct plan_endpoint, n ? n : 1);
    for (uint32_t i = 0; i < n; i++) v[i] = (struct plan_endpoint){S("127.0.0.1"), ports[i]};
    rig_set(r, &(struct plan_backend){.piece = {.kind = PLAN_BACKEND, .key = key},
                                      .ns = S("ns"),
                                      .name = arena_str(r->a, str_of(name)),
                                      .port = 80,
                                      .protocol = PLAN_BACKEND_HTTP});
    rig_set(r, &(struct plan_endpoints){.piece = {.kind = PLAN_ENDPOINTS, .key = key}, .endpoints = {v, n}});
}
/* A route of one rule: paths below `path` to the backend. change (may be NULL) sets what else the rule has. */
static inline void rig_route(struct rig *r, const char *name, const char *section, const char *path,
                             const char *backend, void (*change)(struct rig *r, struct plan_rule *rule)) {
    struct plan_match *match = arena_make(r->a, struct plan_match);
    *match = (struct plan_match){
        .path_type = PLAN_PATH_PREFIX, .path = arena_str(r->a, str_of(path)), .method = S("")};
    struct plan_target *target = arena_make(r->a, struct plan_target);
    target->weight = 1;
    target->backend = backend ? arena_printf(r->a, "ns/%s:80", backend) : S("");
    if (!backend) target->answer = 500, target->why = S("no such Service");
    struct plan_rule *rule = arena_make(r->a, struct plan_rule);
    *rule = (struct plan_rule){.matches = {match, 1}, .targets = {target, 1}};
    if (change) change(r, rule);
    str *host = arena_make(r->a, str);
    *host = S("");
    struct plan_attachment *at = arena_make(r->a, struct plan_attachment);
    *at = (struct plan_attachment){.listener = arena_printf(r->a, "Gateway/infra/gw/%s", section),
                                   .hostnames = {host, 1}};
    rig_set(r, &(struct plan_route){
                   .piece = {.kind = PLAN_ROUTE, .key = arena_printf(r->a, "HTTPRoute/ns/%s", name)},
                   .ns = S("ns"),
                   .name = arena_str(r->a, str_of(name)),
                   .attachments = {at, 1},
                   .rules = {rule, 1}});
}

/* ---- home ---- */

struct rig_table {
    struct worker_table m;
    struct rig *rig;
};
static inline void rig_on_adopted(struct worker_table *m, void *home) {
    (void)home;
    container_of(m, struct rig_table, m)->rig->adopted++;
}
static inline void rig_on_released(struct worker_table *m, void *home) {
    (void)home;
    struct rig_table *t = container_of(m, struct rig_table, m);
    t->rig->released++;
    compile_home(t->rig->compiler, m->t);
    free(t);
}
static inline void rig_on_socket(struct worker_socket *m, void *home) {
    ((struct rig *)home)->sockets++;
    free(m);
}
static inline void rig_on_grave(struct worker_grave *m, void *home) {
    struct rig *r = home;
    r->buried++;
    compile_buried(r->compiler, m->owner);
    free(m);
}
static inline void rig_on_drained(struct worker_drain *m, void *home) {
    ((struct rig *)home)->drained++;
    free(m);
}
/* Takes what comes home until the condition holds. */
#define rig_until(r, condition)                                                                              \
    do {                                                                                                     \
        uint64_t until_ = clock_monotonic_us() + 20000000;                                                   \
        while (!(condition)) {                                                                               \
            struct pollfd p_ = {.fd = (r)->home.event, .events = POLLIN};                                    \
            poll(&p_, 1, 5);                                                                                 \
            uint64_t n_;                                                                                     \
            if (p_.revents && read((r)->home.event, &n_, sizeof n_) < 0) {}                                  \
            mailbox_deliver(&(r)->home);                                                                     \
            if (clock_monotonic_us() > until_) fail_msg("in vain: %s", #condition);                          \
        }                                                                                                    \
    } while (0)

/* The plan as it is now goes out, and is adopted when this returns. */
static inline void rig_apply(struct rig *r) {
    struct compile_work work;
    r->plan.revision++;
    r->table = compile_apply(r->compiler, &r->plan, &r->delta, 1, &work);
    plan_delta_fini(&r->delta);
    struct rig_table *t = base_zalloc(sizeof *t);
    *t = (struct rig_table){.m = {.t = r->table, .adopted = rig_on_adopted, .released = rig_on_released},
                            .rig = r};
    unsigned wanted = r->adopted + 1;
    worker_post_table(r->worker, &t->m);
    rig_until(r, r->adopted == wanted);
}
/* Rules that no table holds any more are asked after. Returns how many graves. */
static inline unsigned rig_retire(struct rig *r) {
    unsigned n = 0;
    for (struct compile_grave *g; (g = compile_retired(r->compiler)); n++) {
        struct worker_grave *m = base_zalloc(sizeof *m);
        *m = (struct worker_grave){.n = g->n, .rule_slots = g->rule_slots, .owner = g, .done = rig_on_grave};
        worker_post_grave(r->worker, m);
    }
    return n;
}
static inline void rig_init(struct rig *r, enum access_form access) {
    *r = (struct rig){.a = arena_new(), .compiler = compiler_new(), .access = access};
    plan_init(&r->plan);
    mailbox_init(&r->home, r);
    struct worker_config c = {.access = access, .home = &r->home};
    tls_seed_make(&c.seed, clock_wall_s());
    r->worker = worker_new(&c);
}
static inline void rig_start(struct rig *r) {
    struct ip ip = {.family = 4, .bytes = {127, 0, 0, 1}};
    assert_ok(sock_listen(&ip, 0, 512, &r->listen_fd));
    r->port = sock_port(r->listen_fd);
    assert_ok(thread_start(&r->thread, "worker", worker_run, r->worker));
    rig_apply(r);
    const struct table_socket *v;
    assert_int_equal(table_sockets(r->table, &v), 1);
    struct worker_socket *m = base_zalloc(sizeof *m);
    *m = (struct worker_socket){.fd = r->listen_fd, .port_slot = v[0].slot, .done = rig_on_socket};
    worker_post_socket(r->worker, m);
    rig_until(r, r->sockets == 1);
}
static inline void rig_drain(struct rig *r, uint64_t us) {
    struct worker_drain *m = base_zalloc(sizeof *m);
    *m = (struct worker_drain){.deadline_us = clock_monotonic_us() + us, .done = rig_on_drained};
    worker_post_drain(r->worker, m);
}
static inline void rig_fini(struct rig *r) {
    if (!r->drained) rig_drain(r, 0);
    rig_until(r, r->drained >= 1);
    thread_join(r->thread);
    rig_until(r, r->released == r->adopted);
    rig_retire(r);
    worker_free(r->worker);
    mailbox_fini(&r->home);
    close(r->listen_fd);
    compiler_free(r->compiler);
    plan_delta_fini(&r->delta);
    plan_fini(&r->plan);
    arena_free(r->a);
}

/* ---- a client ---- */

static inline int rig_connect(const struct rig *r) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(r->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 20};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}
struct reply {
    struct buf bytes;
    int status;
    size_t head, body; /* bytes */
    bool end, reset;   /* the connection ended after it */
};
static inline void reply_fini(struct reply *y) { buf_fini(&y->bytes); }
static inline str reply_text(const struct reply *y) { return buf_str(&y->bytes); }
static inline bool reply_has(const struct reply *y, const char *s) {
    return rig_find(reply_text(y), s) != SIZE_MAX;
}
static inline bool rig_take(int fd, struct reply *y) {
    static _Thread_local char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) fail_msg("no answer");
    if (n <= 0) y->end = true, y->reset = n < 0;
    if (n > 0) buf_add(&y->bytes, (str){bytes, (size_t)n});
    return n > 0;
}
/* Reads one response into y (which is empty or zero): by Content-Length, chunks, or none for no_body; 1xx heads are kept in the bytes. */
static inline void rig_read(int fd, struct reply *y, bool no_body) {
    if (!y->bytes.max) buf_init(&y->bytes, 64 << 20);
    size_t from = 0, at;
    for (;;) {
        while ((at = rig_find(str_from(buf_str(&y->bytes), from), "\r\n\r\n")) == SIZE_MAX)
            if (!rig_take(fd, y)) return;
        y->status = (int)strtol(y->bytes.p + from + 9, NULL, 10);
        y->head = from + at + 4;
        if (y->status >= 200) break;
        from = y->head;
    }
    str head = str_upto(str_from(buf_str(&y->bytes), from), y->head - from);
    size_t length = rig_find(head, "Content-Length: ");
    if (no_body || y->status == 204 || y->status == 304) return;
    if (length != SIZE_MAX) {
        y->body = strtoul(head.p + length + 16, NULL, 10);
        while (y->bytes.n < y->head + y->body)
            if (!rig_take(fd, y)) return;
    } else if (rig_find(head, "chunked") != SIZE_MAX) {
        while (!str_ends(buf_str(&y->bytes), S("\r\n\r\n")) ||
               rig_find(str_from(buf_str(&y->bytes), y->head - 2), "\r\n0\r\n") == SIZE_MAX)
            if (!rig_take(fd, y)) return;
    } else {
        while (rig_take(fd, y)) {}
    }
}
/* One request on its own connection, which is closed; the status is returned, the rest is in *y when it is not NULL. */
static inline int rig_ask(const struct rig *r, const char *request, struct reply *y) {
    struct reply own = {0};
    struct reply *to = y ? y : &own;
    int fd = rig_connect(r);
    rig_send(fd, str_of(request));
    rig_read(fd, to, strncmp(request, "HEAD ", 5) == 0);
    close(fd);
    int status = to->status;
    reply_fini(&own);
    return status;
}
