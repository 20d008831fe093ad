/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/sock.h"
#include "io/thread.h"
#include "io/unix_sock.h"

struct letter {
    struct post post;
    unsigned from, n;
};
struct receiver {
    struct loop loop;
    struct mailbox box;
    unsigned next[4], got;
};
enum { SENDERS = 4, LETTERS = 5000 };

static void deliver(struct post *p, void *receiver) {
    struct letter *l = container_of(p, struct letter, post);
    struct receiver *r = receiver;
    assert_int_equal(l->n, r->next[l->from]++); /* in the order in which each sender posted */
    if (++r->got == SENDERS * LETTERS) loop_stop(&r->loop);
    free(l);
}
struct sender {
    struct receiver *to;
    unsigned from;
};
static void send_letters(void *arg) {
    struct sender *s = arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *l = base_zalloc(sizeof *l);
        *l = (struct letter){.post.deliver = deliver, .from = s->from, .n = i};
        mailbox_post(&s->to->box, &l->post);
    }
}
static void mailbox_loses_nothing_and_keeps_order(void **state) {
    (void)state;
    struct receiver r = {0};
    loop_init(&r.loop);
    mailbox_init(&r.box, &r);
    assert_ok(mailbox_attach(&r.box, &r.loop));
    struct sender s[SENDERS];
    struct thread *t[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){&r, i};
        assert_ok(thread_start(&t[i], "sender", send_letters, &s[i]));
    }
    loop_run(&r.loop, NULL, NULL);
    for (unsigned i = 0; i < SENDERS; i++) thread_join(t[i]);
    assert_int_equal(r.got, SENDERS * LETTERS);
    mailbox_fini(&r.box);
    loop_fini(&r.loop);
}

struct alarm {
    struct timer timer;
    unsigned fired;
    uint64_t at;
};
static void ring(struct timer *t, uint64_t now_us) {
    struct alarm *a = container_of(t, struct alarm, timer);
    a->fired++, a->at = now_us;
}
static void timers_may_move_both_ways(void **state) {
    (void)state;
    struct timers ts = {0};
    struct alarm a = {0}, b = {0};
    timer_init(&a.timer, ring);
    timer_init(&b.timer, ring);
    timer_set(&ts, &a.timer, 100);
    timer_set(&ts, &a.timer, 300); /* later: the heap still looks at 100 */
    assert_int_equal(timer_next(&ts), 100);
    timer_run(&ts, 150);
    assert_int_equal(a.fired, 0);
    assert_int_equal(timer_next(&ts), 300);
    timer_set(&ts, &a.timer, 200);
    timer_set(&ts, &b.timer, 250);
    timer_clear(&b.timer);
    timer_run(&ts, 260);
    assert_int_equal(a.fired, 1);
    assert_int_equal(b.fired, 0);
    assert_true(timer_next(&ts) == UINT64_MAX);
    timer_set(&ts, &b.timer, 500);
    timer_forget(&ts, &b.timer);
    timer_run(&ts, 1000);
    assert_int_equal(b.fired, 0);
    heap_fini(&ts.heap);
}

struct pair {
    struct loop_fd a, b;
    struct loop *loop;
    unsigned seen;
};
static void first_closes_second(struct loop_fd *f, uint32_t events) {
    (void)events;
    struct pair *p = container_of(f, struct pair, a);
    p->seen++;
    loop_close(p->loop, &p->b);
}
static void second_closes_first(struct loop_fd *f, uint32_t events) {
    (void)events;
    struct pair *p = container_of(f, struct pair, b);
    p->seen++;
    loop_close(p->loop, &p->a);
}
static void an_event_never_reaches_what_was_closed_in_the_same_turn(void **state) {
    (void)state;
    struct loop l;
    loop_init(&l);
    int x[2], y[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, x), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, y), 0);
    struct pair p = {.a.on_ready = first_closes_second, .b.on_ready = second_closes_first, .loop = &l};
    assert_ok(loop_add(&l, &p.a, x[0]));
    assert_ok(loop_add(&l, &p.b, y[0]));
    loop_turn(&l, true);
    assert_int_equal(p.seen, 1);
    if (p.a.fd >= 0) loop_close(&l, &p.a);
    if (p.b.fd >= 0) loop_close(&l, &p.b);
    close(x[1]);
    close(y[1]);
    loop_fini(&l);
}

static void sockets_listen_accept_and_share_a_port(void **state) {
    (void)state;
    struct ip any = {0}, local, peer;
    assert_ok(ip_parse(S("127.0.0.1"), &local));
    int first, second, client, server;
    uint16_t peer_port;
    assert_ok(sock_listen(&local, 0, 16, &first));
    uint16_t port = sock_port(first);
    assert_ok(sock_listen(&local, port, 16, &second)); /* SO_REUSEPORT */
    close(second);
    assert_ok(sock_connect(&local, port, &client));
    err e;
    do e = sock_accept(first, &server, &peer, &peer_port);
    while (e == ERR_AGAIN);
    assert_ok(e);
    assert_true(ip_eq(&peer, &local));
    assert_int_equal(peer_port, sock_port(client));
    assert_int_equal(sock_error(client), 0);
    close(client);
    close(server);
    close(first);
    assert_ok(sock_listen(&any, 0, 16, &first)); /* both families */
    close(first);
}

static void descriptors_travel_over_a_socket_pair(void **state) {
    (void)state;
    int pair[2], pipe_fds[2], got[4];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_ok(unix_sock_send(pair[0], "hello", 5, pipe_fds, 2));
    char bytes[16];
    size_t n, fds_n;
    assert_ok(unix_sock_recv(pair[1], bytes, sizeof bytes, &n, got, 4, &fds_n));
    assert_int_equal(n, 5);
    assert_int_equal(fds_n, 2);
    assert_int_equal(write(got[1], "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], bytes, 1), 1);
    close(pair[0]);
    assert_int_equal(unix_sock_recv(pair[1], bytes, sizeof bytes, &n, got, 4, &fds_n), ERR_END);
    for (int i = 0; i < 2; i++) close(pipe_fds[i]), close(got[i]);
    close(pair[1]);
}

static void a_stale_control_socket_is_replaced_and_a_live_one_is_not(void **state) {
    (void)state;
    char path[] = "/tmp/postern-io-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    char name[64];
    snprintf(name, sizeof name, "%s/s", path);
    int a, b, c;
    assert_ok(unix_sock_listen(name, &a));
    assert_int_equal(unix_sock_listen(name, &b), ERR_IO);
    close(a);
    assert_ok(unix_sock_listen(name, &b));
    assert_ok(unix_sock_connect(name, &c));
    close(b);
    close(c);
    unlink(name);
    rmdir(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailbox_loses_nothing_and_keeps_order),
        cmocka_unit_test(timers_may_move_both_ways),
        cmocka_unit_test(an_event_never_reaches_what_was_closed_in_the_same_turn),
        cmocka_unit_test(sockets_listen_accept_and_share_a_port),
        cmocka_unit_test(descriptors_travel_over_a_socket_pair),
        cmocka_unit_test(a_stale_control_socket_is_replaced_and_a_live_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
