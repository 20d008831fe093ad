/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../free_port.h"
#include "admin/admin.h"
#include "io/clock.h"
#include "io/mailbox.h"
#include "io/sock.h"
#include "io/thread.h"
#include "io/unix_sock.h"

enum { ANSWER_BYTES_MAX = 1 << 22, BIG_BYTES = 3 << 20 };

struct fixture {
    struct loop loop;
    struct admin *admin;
    char folder[64], path[108];
    uint16_t port;
    struct admin_request *kept; /* the question that waits for its answer: of page /plan */
    char query[256];
};

static void on_ask(void *arg, struct admin_request *r, str page, str query) {
    struct fixture *f = arg;
    snprintf(f->query, sizeof f->query, STR_FMT, STR_ARG(query));
    if (str_eq(page, S("/plan"))) {
        f->kept = r;
    } else if (str_eq(page, S("/table"))) {
        char *big = base_alloc(BIG_BYTES);
        memset(big, 'x', BIG_BYTES);
        admin_answer(r, 200, S("text/plain"), (str){big, BIG_BYTES});
        free(big);
    } else {
        bool ready = !str_eq(page, S("/readyz"));
        admin_answer(r, ready ? 200 : 503, S("text/plain"), page);
    }
}

static int set_up(void **state) {
    struct fixture *f = base_zalloc(sizeof *f);
    loop_init(&f->loop);
    snprintf(f->folder, sizeof f->folder, "/tmp/postern-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/s", f->folder);
    f->port = free_port();
    struct admin_config c = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}},
                             .port = f->port,
                             .socket_path = f->path,
                             .ask = on_ask,
                             .arg = f};
    assert_ok(admin_new(&f->loop, &c, &f->admin));
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    admin_free(f->admin);
    assert_int_equal(access(f->path, F_OK), -1); /* the control socket goes with it */
    loop_fini(&f->loop);
    rmdir(f->folder);
    free(f);
    return 0;
}

static int dial(struct fixture *f, bool tcp) {
    int fd;
    if (tcp) {
        assert_ok(sock_connect(&(struct ip){.family = 4, .bytes = {127, 0, 0, 1}}, f->port, &fd));
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        assert_int_equal(poll(&p, 1, 10000), 1);
    } else {
        assert_ok(unix_sock_connect(f->path, &fd));
    }
    return fd;
}

static void say(int fd, str s) { assert_int_equal(send(fd, s.p, s.n, MSG_NOSIGNAL), s.n); }

/* Turns the loop until the server has closed, or what came ends with `until`. */
static void hear(struct fixture *f, int fd, struct buf *b, str until) {
    char in[65536];
    uint64_t give_up_us = clock_monotonic_us() + 20000000;
    buf_init(b, ANSWER_BYTES_MAX);
    for (;;) {
        assert_true(clock_monotonic_us() < give_up_us);
        loop_turn(&f->loop, false);
        ssize_t n = recv(fd, in, sizeof in, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) return;
        if (n > 0) buf_add(b, (str){in, (size_t)n});
        if (n > 0 && until.n && str_ends(buf_str(b), until)) return;
    }
}

static void expect(struct fixture *f, bool tcp, const char *request, const char *start, const char *end) {
    struct buf b;
    int fd = dial(f, tcp);
    say(fd, str_of(request));
    hear(f, fd, &b, S(""));
    str got = buf_str(&b);
    if (!str_starts(got, str_of(start)) || !str_ends(got, str_of(end))) {
        fail_msg("%s\ngot: " STR_FMT, request, STR_ARG(got));
    }
    buf_fini(&b);
    close(fd);
}

static void pages_are_answered_on_both_sockets(void **state) {
    struct fixture *f = *state;
    for (int tcp = 0; tcp < 2; tcp++) {
        expect(f, tcp, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n",
               "\r\n\r\n/healthz");
        expect(f, tcp, "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 503 ",
               "\r\n\r\n/readyz");
        expect(f, tcp, "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
               "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
    }
    expect(f, true, "GET /explain?a=1&b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ",
           "/explain");
    assert_string_equal(f->query, "a=1&b");
}

static void unknown_pages_and_methods_are_refused(void **state) {
    struct fixture *f = *state;
    expect(f, true, "GET /nosuch HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 ",
           "become of a request\n");
    expect(f, true, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ",
           "become of a request\n");
    expect(f, true, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
           "HTTP/1.1 405 ", "only GET and HEAD\n");
    expect(f, true, "GARBAGE\r\n\r\n", "HTTP/1.1 400 ", "\n");
}

static void heads_are_bounded(void **state) {
    struct fixture *f = *state;
    struct buf b, got;
    buf_init(&b, 20000);
    buf_add(&b, S("GET /healthz HTTP/1.1\r\nHost: a\r\nX: "));
    for (int i = 0; i < 9000; i++) buf_add_char(&b, 'x');
    buf_add(&b, S("\r\n\r\n"));
    int fd = dial(f, true);
    say(fd, buf_str(&b));
    hear(f, fd, &got, S(""));
    assert_true(str_starts(buf_str(&got), S("HTTP/1.1 431 ")));
    close(fd);
    buf_fini(&got);
    buf_fini(&b);
}

static void connections_are_kept_and_pipelined(void **state) {
    struct fixture *f = *state;
    struct buf b;
    int fd = dial(f, true);
    say(fd, S("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /status HTTP/1.1\r\nHost: a\r\n\r\n"));
    hear(f, fd, &b, S("/status"));
    assert_true(str_starts(buf_str(&b), S("HTTP/1.1 200 OK\r\n")));
    buf_fini(&b);
    say(fd, S("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
    hear(f, fd, &b, S("/metrics"));
    buf_fini(&b);
    close(fd);
}

static void an_answer_may_come_later_or_never_be_heard(void **state) {
    struct fixture *f = *state;
    struct buf b;
    int fd = dial(f, true);
    say(fd, S("GET /plan HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (!f->kept) loop_turn(&f->loop, true);
    admin_answer(TAKE(f->kept), 200, S("application/json"), S("{}"));
    hear(f, fd, &b, S("{}"));
    buf_fini(&b);
    say(fd, S("GET /plan HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (!f->kept) loop_turn(&f->loop, true);
    timer_run(&f->loop.timers,
              clock_monotonic_us() + 11000000); /* its deadline: the connection goes, the question stays */
    hear(f, fd, &b, S(""));
    assert_int_equal(b.n, 0);
    admin_answer(TAKE(f->kept), 200, S("application/json"), S("{}"));
    buf_fini(&b);
    close(fd);
}

static void silence_has_a_deadline(void **state) {
    struct fixture *f = *state;
    struct buf b;
    int fd = dial(f, true);
    say(fd, S("GET /heal"));
    for (int i = 0; i < 3; i++) loop_turn(&f->loop, false);
    timer_run(&f->loop.timers, clock_monotonic_us() + 9000000);
    assert_int_equal(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    timer_run(&f->loop.timers, clock_monotonic_us() + 11000000);
    hear(f, fd, &b, S(""));
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    close(fd);
}

static void connections_are_bounded(void **state) {
    struct fixture *f = *state;
    enum { MANY = 70, MAX = 64 };
    int fds[MANY], open_n = 0;
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(f, true);
        for (int k = 0; k < 2; k++) loop_turn(&f->loop, false);
    }
    for (int i = 0; i < MANY; i++) {
        ssize_t n = recv(fds[i], (char[1]){0}, 1, MSG_DONTWAIT);
        open_n += n < 0 && errno == EAGAIN;
    }
    assert_int_equal(open_n, MAX);
    for (int i = 0; i < MANY; i++) close(fds[i]);
    for (int i = 0; i < 10; i++) loop_turn(&f->loop, false);
    expect(f, true, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n",
           "/healthz");
}

static void a_slow_reader_gets_a_long_answer(void **state) {
    struct fixture *f = *state;
    struct buf b;
    int fd = dial(f, false);
    say(fd, S("GET /table HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    for (int i = 0; i < 5; i++) loop_turn(&f->loop, false); /* nobody reads: it must wait */
    hear(f, fd, &b, S(""));
    assert_true(b.n > BIG_BYTES && str_ends(buf_str(&b), S("xxxx")));
    buf_fini(&b);
    close(fd);
}

static void the_control_socket_is_ours_alone(void **state) {
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct admin_config c = {.socket_path = f->path, .ask = on_ask, .arg = f};
    struct admin *second;
    assert_int_equal(admin_new(&f->loop, &c, &second), ERR_IO); /* somebody is there */
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(access(f->path, F_OK), 0);
}

/* The client blocks, so it runs beside. */
struct client {
    const char *path;
    err e;
    uint16_t status;
    struct buf body;
    struct mailbox box;
    struct post done;
};
static void on_done(struct post *p, void *receiver) {
    (void)p;
    loop_stop(receiver);
}
static void run_client(void *arg) {
    struct client *c = arg;
    c->e = admin_get(c->path, S("/explain?x=%20"), &c->status, &c->body);
    mailbox_post(&c->box, &c->done);
}
static void the_client_asks_over_the_control_socket(void **state) {
    struct fixture *f = *state;
    struct client c = {.path = f->path, .done.deliver = on_done};
    struct thread *t;
    buf_init(&c.body, 1024);
    mailbox_init(&c.box, &f->loop);
    assert_ok(mailbox_attach(&c.box, &f->loop));
    assert_ok(thread_start(&t, "client", run_client, &c));
    loop_run(&f->loop, NULL, NULL);
    thread_join(t);
    assert_ok(c.e);
    assert_int_equal(c.status, 200);
    assert_str(buf_str(&c.body), "/explain");
    assert_string_equal(f->query, "x=%20");
    mailbox_fini(&c.box);
    buf_fini(&c.body);
    uint16_t status;
    assert_int_equal(admin_get("/tmp/postern-no-such-socket", S("/"), &status, &c.body), ERR_IO);
}

static void addresses_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text, *ip;
        uint16_t port;
    } good[] = {{"127.0.0.1:9901", "127.0.0.1", 9901},
                {"[::1]:1", "::1", 1},
                {":9901", "", 9901},
                {"9901", "", 9901},
                {"0", "", 0}};
    static const char *const bad[] = {"",         "localhost:9901", "127.0.0.1",   "127.0.0.1:0", "::1:80",
                                      "[::1]",    "[127.0.0.1]:80", "1.2.3.4:x",   ":",           "65536",
                                      "1.2.3.4:", "[::1:80",        " 127.0.0.1:1"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct ip ip;
        uint16_t port;
        struct buf b;
        assert_ok(admin_parse_address(str_of(good[i].text), &ip, &port));
        buf_init(&b, 64);
        if (ip.family) ip_print(&b, &ip);
        assert_str(buf_str(&b), good[i].ip);
        assert_int_equal(port, good[i].port);
        buf_fini(&b);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct ip ip;
        uint16_t port;
        if (admin_parse_address(str_of(bad[i]), &ip, &port) == OK) fail_msg("took %s", bad[i]);
    }
}

static void each_address_has_its_socket_path(void **state) {
    (void)state;
    char a[108], b[108];
    struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};
    setenv("XDG_RUNTIME_DIR", "/somewhere", 1);
    admin_socket_path(&loopback, 9901, a);
    assert_string_equal(a, "/somewhere/postern-127.0.0.1-9901.sock");
    admin_socket_path(&loopback, 9902, b);
    assert_string_not_equal(a, b);
    char endless[300];
    memset(endless, 'x', sizeof endless - 1);
    endless[0] = '/', endless[sizeof endless - 1] = 0;
    setenv("XDG_RUNTIME_DIR", endless, 1); /* does not fit: as if not set */
    admin_socket_path(&(struct ip){0}, 9901, a);
    unsetenv("XDG_RUNTIME_DIR");
    admin_socket_path(&(struct ip){0}, 9901, b);
    assert_string_equal(a, b);
}

static void queries_go_there_and_back(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct buf b;
    buf_init(&b, 1024);
    buf_add(&b, S("&&url="));
    admin_query_escape(&b, S("http://a/?b=c&d +%"));
    buf_add(&b, S("&flag&x=%zz%4"));
    str query = buf_str(&b), name, value;
    assert_true(admin_query_next(a, &query, &name, &value));
    assert_str(name, "url");
    assert_str(value, "http://a/?b=c&d +%");
    assert_true(admin_query_next(a, &query, &name, &value));
    assert_str(name, "flag");
    assert_int_equal(value.n, 0);
    assert_true(admin_query_next(a, &query, &name, &value));
    assert_str(value, "%zz%4");
    assert_false(admin_query_next(a, &query, &name, &value));
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_are_answered_on_both_sockets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_pages_and_methods_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heads_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_are_kept_and_pipelined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_may_come_later_or_never_be_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_has_a_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_reader_gets_a_long_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_control_socket_is_ours_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_client_asks_over_the_control_socket, set_up, tear_down),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(each_address_has_its_socket_path),
        cmocka_unit_test(queries_go_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
