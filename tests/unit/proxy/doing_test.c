/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
#include "proxy/doing.h"

#include "proxy/exchange.h"
#include "proxy/proxy_core.h"
#include "world.h"

/* What is told in the midst of an event, as if it crashed there. A callback is given nothing but its descriptor: one test at a time. */
static struct {
    const struct proxy *proxy;
    void (*on_ready)(struct loop_fd *f, uint32_t events);
    struct crash_text text;
    unsigned times;
} told;

static void on_told(struct loop_fd *f, uint32_t events) {
    told.text.n = 0, told.times++;
    doing_tell(told.proxy, &told.text);
    told.on_ready(f, events);
}

static void tell_at(struct world *w, struct loop_fd *f) {
    told.proxy = w->proxy, told.on_ready = f->on_ready, told.times = 0;
    f->on_ready = on_told;
}

static struct exchange *exchange_of(struct world *w, struct downstream **ret_client) {
    list_each (struct downstream, d, &w->proxy->clients, all)
        list_each (struct exchange, x, &d->exchanges, on_client) {
            *ret_client = d;
            return x;
        }
    return NULL;
}

static void has_told(const char *what) {
    assert_str(((str){told.text.p, told.text.n}), what);
    assert_null(memmem(told.text.p, told.text.n, "secret", 6));
}

static const char request[] =
    "POST /secret?secret=1 HTTP/1.1\r\nHost: secret.example\r\n"
    "Authorization: Bearer secret\r\nCookie: secret=secret\r\nContent-Length: 12\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 secret\r\nSet-Cookie: secret\r\nContent-Length: 6\r\n\r\n";

/* Route and progress, and nothing of what client and backend say. */
static void whose_event_and_how_far(void **state) {
    (void)state;
    struct world w;
    struct downstream *d = NULL;
    struct reply y = {0};
    world_init_wish(&w, (struct world_wish){.limits = &proxy_limits_usual, .records = true});
    int fd = world_client(&w), other = world_client(&w);
    rig_send(fd, str_of(request));
    int backend = world_take_request(&w);
    struct exchange *x = exchange_of(&w, &d);
    assert_non_null(x);
    tell_at(&w, &d->conn.watch);
    rig_send(fd, S("secret"));
    until(&w, told.times > 0);
    has_told(" connections=2 requests=1 at=\"client\" transport=\"plain\" request=\"wait\" attempts=1 "
             "port=8080 listener=\"http\" route=\"HTTPRoute/ns/all\"");
    d->conn.watch.on_ready = told.on_ready;
    tell_at(&w, &x->up.conn->conn.watch);
    rig_send(backend, str_of(answer));
    until(&w, told.times > 0);
    has_told(" connections=2 requests=1 at=\"backend\" request=\"wait\" attempts=1 port=8080 "
             "listener=\"http\" route=\"HTTPRoute/ns/all\"");
    x->up.conn->conn.watch.on_ready = told.on_ready;
    until(&w, has(fd, &y, "\r\n\r\n"));
    tell_at(&w, &d->conn.watch);
    rig_send(fd, S("secret"));
    until(&w, told.times > 0);
    has_told(" connections=2 requests=1 at=\"client\" transport=\"plain\" request=\"relay\" attempts=1 "
             "port=8080 listener=\"http\" route=\"HTTPRoute/ns/all\"");
    d->conn.watch.on_ready = told.on_ready;
    rig_send(backend, S("secret"));
    until(&w, has(fd, &y, "secret") && w.finished == 1);
    reply_fini(&y);
    close(fd), close(other), close(backend);
    world_fini(&w);
}

/* Before there is a request, and outside of every event. */
static void of_nobody(void **state) {
    (void)state;
    struct world w;
    world_init(&w, &proxy_limits_usual);
    int fd = world_client(&w);
    told.text.n = 0;
    doing_tell(w.proxy, &told.text);
    has_told(" connections=1 requests=0");
    struct downstream *d = NULL;
    list_each (struct downstream, one, &w.proxy->clients, all) d = one;
    assert_non_null(d);
    tell_at(&w, &d->conn.watch);
    rig_send(fd, S("GET /sec"));
    until(&w, told.times > 0);
    has_told(" connections=1 requests=0 at=\"client\" transport=\"plain\"");
    d->conn.watch.on_ready = told.on_ready;
    close(fd);
    world_fini(&w);
}

static void on_readable(struct loop_fd *f, uint32_t events) {
    (void)events;
    char c;
    assert_int_equal(read(f->fd, &c, 1), 1);
}

static void of_what_is_neither_client_nor_backend(void **state) {
    (void)state;
    struct world w;
    struct loop_fd own = {.fd = -1, .on_ready = on_readable};
    int pipe_ends[2];
    world_init(&w, &proxy_limits_usual);
    int fd = world_client(&w);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_ok(loop_add_level(&w.loop, &own, pipe_ends[0]));
    tell_at(&w, &own);
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
    until(&w, told.times > 0);
    has_told(" connections=1 requests=0 at=\"another event\"");
    loop_remove(&w.loop, &own);
    close(pipe_ends[0]), close(pipe_ends[1]), close(fd);
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_event_and_how_far),
        cmocka_unit_test(of_nobody),
        cmocka_unit_test(of_what_is_neither_client_nor_backend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
