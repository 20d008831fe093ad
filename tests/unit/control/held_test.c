/* SPDX-License-Identifier: Apache-2.0 */
#include "control/held.h"

#include "../free_port.h"
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sock.h"

enum { PATIENCE_MS = 60000 };
static const struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};

static struct words_ask traffic(uint16_t port, uint32_t n) {
    return (struct words_ask){.op = WORDS_OPEN, .use = WORDS_TRAFFIC, .port = port, .n = n, .ip = loopback};
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* A client there comes through. */
static bool is_taken(uint16_t port) {
    int fd;
    assert_ok(sock_connect(&loopback, port, &fd));
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    bool taken = sock_error(fd) == 0;
    close(fd);
    return taken;
}

static bool is_hushed(int fd) {
    socklen_t n = 0; /* of its filter, in instructions; 0: it has none */
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n), 0);
    return n > 0;
}

static void each_worker_has_its_own_and_none_is_closed(void **state) {
    (void)state;
    struct held_all a = {0};
    struct words_ask two = traffic(free_port(), 2), three = traffic(two.port, 3), one = traffic(two.port, 1);
    const struct held *h = held_open(&a, &two, 1);
    assert_int_equal(h->n, 2);
    int first = h->fds[0], second = h->fds[1];
    assert_int_not_equal(first, second);
    assert_true(sock_port(first) == two.port && sock_port(second) == two.port);
    h = held_open(&a, &three, 2);
    assert_int_equal(h->n, 3);
    assert_true(h->fds[0] == first && h->fds[1] == second);
    assert_int_equal(sock_port(h->fds[2]), two.port);
    h = held_open(&a, &one, 3);
    assert_int_equal(h->n, 3);
    assert_int_equal(h->asked_by, 3);
    assert_ptr_equal(a.first, h);
    assert_null(h->next);
    held_fini(&a);
    assert_false(is_open(first));
    assert_false(is_taken(two.port));
}

/* SO_REUSEPORT alone would let it in, and it took a share of what is not its own. */
static void a_port_of_others_is_left_to_them(void **state) {
    (void)state;
    struct held_all a = {0};
    int theirs;
    assert_ok(sock_listen(&loopback, 0, 1, &theirs));
    struct words_ask w = traffic(sock_port(theirs), 1);
    assert_null(held_open(&a, &w, 1));
    assert_int_equal(errno, EADDRINUSE);
    w.ip = (struct ip){0}; /* all addresses: theirs is one of them */
    assert_null(held_open(&a, &w, 1));
    assert_int_equal(errno, EADDRINUSE);
    assert_null(a.first);
    close(theirs);
    assert_non_null(held_open(&a, &w, 1));
    held_fini(&a);
}

static void one_use_is_never_given_for_the_other(void **state) {
    (void)state;
    struct held_all a = {0};
    struct words_ask w = traffic(free_port(), 1), admin = w;
    admin.use = WORDS_ADMIN;
    const struct held *h = held_open(&a, &w, 1);
    errno = 0;
    assert_null(held_open(&a, &admin, 2));
    assert_int_equal(errno, EADDRINUSE);
    assert_ptr_equal(a.first, h);
    assert_int_equal(h->asked_by, 1);
    held_fini(&a);
}

/* Who hands over does not silence what the process after it has asked for. */
static void only_the_newest_that_asked_ends_it(void **state) {
    (void)state;
    struct held_all a = {0};
    struct words_ask w = traffic(free_port(), 2);
    assert_non_null(held_open(&a, &w, 1));
    const struct held *h = held_open(&a, &w, 2);
    held_hush(&a, &w, 1);
    assert_false(h->hushed || is_hushed(h->fds[0]));
    held_close(&a, &w, 1);
    assert_ptr_equal(a.first, h);
    held_hush(&a, &w, 2);
    assert_true(h->hushed && is_hushed(h->fds[0]) && is_hushed(h->fds[1]));
    h = held_open(&a, &w, 3);
    assert_false(h->hushed || is_hushed(h->fds[0]) || is_hushed(h->fds[1]));
    assert_true(is_taken(w.port));
    held_close(&a, &w, 3);
    assert_null(a.first);
    assert_false(is_taken(w.port));
    held_hush(&a, &w, 3); /* of what there is not, nothing comes */
    held_close(&a, &w, 3);
}

static void what_nobody_asked_for_since_is_closed(void **state) {
    (void)state;
    struct held_all a = {0};
    struct words_ask w[3];
    for (uint32_t i = 0; i < COUNT_OF(w); i++) {
        w[i] = traffic(free_port(), 1);
        assert_non_null(held_open(&a, &w[i], 1));
    }
    assert_non_null(held_open(&a, &w[1], 2));
    held_close_unasked(&a, 1);
    assert_true(is_taken(w[0].port) && is_taken(w[1].port) && is_taken(w[2].port));
    held_close_unasked(&a, 2);
    assert_true(!is_taken(w[0].port) && is_taken(w[1].port) && !is_taken(w[2].port));
    held_close_unasked(&a, 3);
    assert_null(a.first);
}

/* All workers take from one queue, which is there before and after them. */
static void a_service_managers_socket_outlives_its_listener(void **state) {
    (void)state;
    struct held_all a = {0};
    int given;
    assert_ok(sock_listen(&loopback, 0, 5, &given));
    struct words_ask w = traffic(sock_port(given), 3);
    a.inherited = (struct inherited){base_zalloc(sizeof *a.inherited.v), 1};
    a.inherited.v[0] = (struct inherited_socket){given, loopback, w.port};
    const struct held *h = held_open(&a, &w, 1);
    assert_int_equal(h->n, 3);
    assert_true(h->given);
    int copy = h->fds[2];
    assert_int_not_equal(copy, given);
    assert_true(fcntl(copy, F_GETFD) & FD_CLOEXEC);
    held_hush(&a, &w, 1);
    assert_false(h->hushed || is_hushed(given));
    held_close(&a, &w, 1);
    assert_null(a.first);
    assert_false(is_open(copy));
    assert_true(is_taken(w.port)); /* for whoever comes next */
    assert_int_equal(sock_queued(given), 1);
    held_fini(&a);
    assert_false(is_open(given));
}

/* Descriptors end: whoever has some goes on with those, who has none is told why. */
static void too_few_descriptors(void **state) {
    (void)state;
    struct held_all a = {0};
    struct rlimit before, few;
    struct words_ask w = traffic(free_port(), 2), more = traffic(w.port, 60),
                     other = traffic(free_port(), 60);
    assert_non_null(held_open(&a, &w, 1));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    int next = dup(0);
    few.rlim_cur = (rlim_t)next + 3;
    close(next);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    const struct held *h = held_open(&a, &more, 2);
    uint32_t had = h ? h->n : 0;
    const struct held *none = held_open(&a, &other, 2);
    int why = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(had >= 2 && had < 60);
    assert_null(none);
    assert_int_equal(why, EMFILE);
    assert_ptr_equal(a.first, h);
    assert_null(h->next);
    h = held_open(&a, &more, 3);
    assert_int_equal(h->n, 60);
    for (uint32_t i = 0; i < h->n; i++) assert_int_equal(sock_port(h->fds[i]), more.port);
    held_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_worker_has_its_own_and_none_is_closed),
        cmocka_unit_test(a_port_of_others_is_left_to_them),
        cmocka_unit_test(one_use_is_never_given_for_the_other),
        cmocka_unit_test(only_the_newest_that_asked_ends_it),
        cmocka_unit_test(what_nobody_asked_for_since_is_closed),
        cmocka_unit_test(a_service_managers_socket_outlives_its_listener),
        cmocka_unit_test(too_few_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
