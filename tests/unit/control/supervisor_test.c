/* SPDX-License-Identifier: Apache-2.0 */
#include "control/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../free_port.h"
#include "control/supervised.h"
#include "io/sock.h"

enum { WAIT_MS = 10000, SOCKETS = 2 };
static const struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};

/* What the serving processes of one supervisor share with the test. */
struct shared {
    unsigned starts;
    uint16_t port;
    int told[2]; /* a pipe: each start writes its pid */
    int refused; /* errno of the last supervised_open() */
};
struct case_state {
    struct shared *s;
    pid_t supervisor;
    int log[2]; /* a pipe: what the supervisor and its children log */
};

static int setup(void **state) {
    struct case_state *c = base_zalloc(sizeof *c);
    c->s = mmap(NULL, sizeof *c->s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(c->s, MAP_FAILED);
    assert_int_equal(pipe2(c->s->told, 0), 0);
    assert_int_equal(pipe2(c->log, O_NONBLOCK), 0);
    c->s->port = free_port();
    *state = c;
    return 0;
}
static int teardown(void **state) {
    struct case_state *c = *state;
    close(c->s->told[0]);
    close(c->s->told[1]);
    close(c->log[0]);
    close(c->log[1]);
    munmap(c->s, sizeof *c->s);
    free(c);
    return 0;
}

static void start(struct case_state *c, int (*serve)(void *arg, const struct words_start *w)) {
    c->supervisor = fork();
    assert_true(c->supervisor >= 0);
    if (c->supervisor == 0) {
        dup2(c->log[1], STDERR_FILENO);
        _exit(supervisor_run(&(struct supervisor_config){
            .serve = serve, .arg = c->s})); /* the supervisor and each of its children */
    }
}

/* How long it said that it waits, the last time that it started another process. */
static unsigned waited_ms(const struct case_state *c) {
    static const char name[] = "restart_in_ms=";
    char log[8192];
    ssize_t n = read(c->log[0], log, sizeof log - 1);
    assert_true(n > 0);
    log[n] = 0;
    const char *last = NULL;
    for (const char *at = log; (at = strstr(at, name)); at++) last = at;
    assert_non_null(last);
    return (unsigned)strtoul(last + sizeof name - 1, NULL, 10);
}

static pid_t next_start(const struct case_state *c) {
    struct pollfd p = {.fd = c->s->told[0], .events = POLLIN};
    pid_t pid = 0;
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(read(p.fd, &pid, sizeof pid), sizeof pid);
    return pid;
}

static int end_of(const struct case_state *c) {
    int how;
    assert_int_equal(waitpid(c->supervisor, &how, 0), c->supervisor);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

/* Those that there are, n at most. */
static err open_all(const struct words_start *w, const struct ip *ip, uint16_t port, uint32_t n, int *fds,
                    int *why) {
    int *all = NULL;
    uint32_t have = 0;
    TRY(supervised_open(w->supervisor, WORDS_TRAFFIC, ip, port, n, &all, &have, why));
    for (uint32_t i = 0; i < have; i++) {
        if (i < n)
            fds[i] = all[i];
        else
            close(all[i]);
    }
    free(all);
    return OK;
}

static void tell(struct shared *s) {
    pid_t pid = getpid();
    s->starts++;
    if (write(s->told[1], &pid, sizeof pid) != sizeof pid) _exit(99);
}

static int wait_for_signal(void) {
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigwait(&set, &got);
    return got;
}

/* Accepts one connection on any of the sockets and says which start it was. */
static void serve_one(const struct shared *s, const int *fds) {
    struct pollfd p[SOCKETS];
    for (unsigned i = 0; i < SOCKETS; i++) p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    if (poll(p, SOCKETS, WAIT_MS) < 1) _exit(98);
    for (unsigned i = 0; i < SOCKETS; i++) {
        int fd;
        struct ip peer;
        uint16_t port;
        if (sock_accept(fds[i], &fd, &peer, &port) != OK) continue;
        char text = (char)('0' + s->starts);
        if (write(fd, &text, 1) != 1) _exit(97);
        close(fd);
    }
}

static int serve_after_death(void *arg, const struct words_start *w) {
    struct shared *s = arg;
    int fds[SOCKETS], why;
    if (open_all(w, &loopback, s->port, SOCKETS, fds, &why) != OK) return 96;
    tell(s);
    if (s->starts > 1) serve_one(s, fds);
    return wait_for_signal() == SIGTERM ? 7 : 8;
}

static char answer(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char got = 0;
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(read(fd, &got, 1), 1);
    return got;
}

static void test_what_is_queued_outlives_the_serving_process(void **state) {
    struct case_state *c = *state;
    start(c, serve_after_death);
    pid_t first = next_start(c);
    int fd;
    assert_int_equal(sock_connect(&loopback, c->s->port, &fd), OK); /* nobody accepts it */
    kill(first, SIGKILL);
    pid_t second = next_start(c);
    assert_int_equal(waited_ms(c), 100);
    assert_int_not_equal(first, second);
    assert_int_equal(answer(fd), '2');
    close(fd);
    kill(c->supervisor, SIGTERM);
    assert_int_equal(end_of(c), 7);
    assert_int_equal(c->s->starts, 2);
}

static void test_dying_again_and_again_is_slowed_down(void **state) {
    struct case_state *c = *state;
    start(c, serve_after_death);
    pid_t pid = next_start(c);
    for (unsigned ms = 100; ms <= 800; ms *= 2) {
        kill(pid, SIGKILL);
        pid = next_start(c);
        assert_int_equal(waited_ms(c), ms);
    }
    kill(pid, SIGKILL);
    kill(c->supervisor, SIGTERM); /* while it waits: there is nobody to drain */
    assert_int_equal(end_of(c), 128 + SIGKILL);
}

static int serve_and_hear(void *arg, const struct words_start *w) {
    (void)w;
    tell(arg);
    int first = wait_for_signal();
    tell(arg);
    return first == SIGHUP && wait_for_signal() == SIGINT ? 5 : 6;
}

static void test_signals_are_passed_on(void **state) {
    struct case_state *c = *state;
    start(c, serve_and_hear);
    pid_t pid = next_start(c);
    kill(c->supervisor, SIGHUP);
    assert_int_equal(next_start(c), pid);
    kill(c->supervisor, SIGINT);
    assert_int_equal(end_of(c), 5);
}

static int serve_and_end(void *arg, const struct words_start *w) {
    (void)w;
    tell(arg);
    return 3;
}

static void test_who_ends_by_itself_is_not_started_again(void **state) {
    struct case_state *c = *state;
    start(c, serve_and_end);
    assert_int_equal(end_of(c), 3);
    assert_int_equal(c->s->starts, 1);
}

static int serve_refused(void *arg, const struct words_start *w) {
    struct shared *s = arg;
    int fds[SOCKETS], why = 0;
    if (open_all(w, &loopback, s->port, SOCKETS, fds, &why) == OK) return 1;
    s->refused = why;
    struct ip nowhere = {.family = 4, .bytes = {192, 0, 2, 1}};
    if (open_all(w, &nowhere, s->port, SOCKETS, fds, &why) == OK) return 2;
    return why == EADDRNOTAVAIL ? 0 : 3;
}

static void test_a_port_of_another_is_refused(void **state) {
    struct case_state *c = *state;
    int other; /* with SO_REUSEPORT and of the same user: the system would let us share */
    assert_int_equal(sock_listen(&loopback, c->s->port, 8, &other), OK);
    start(c, serve_refused);
    assert_int_equal(end_of(c), 0);
    assert_int_equal(c->s->refused, EADDRINUSE);
    close(other);
}

static int serve_and_close(void *arg, const struct words_start *w) {
    struct shared *s = arg;
    enum { MANY = 100 }; /* more than one message takes */
    int fds[MANY], why, fd;
    if (open_all(w, &loopback, s->port, MANY, fds, &why) != OK) return 1;
    for (unsigned i = 0; i < MANY; i++) {
        if (sock_port(fds[i]) != s->port) return 2;
        close(fds[i]);
    }
    if (open_all(w, &loopback, s->port, SOCKETS, fds, &why) != OK) return 3;
    for (unsigned i = 0; i < SOCKETS; i++) close(fds[i]);
    if (sock_connect(&loopback, s->port, &fd) != OK) return 4; /* the supervisor still listens */
    close(fd);
    if (supervised_close(w->supervisor, &loopback, s->port) != OK) return 5;
    if (sock_connect(&loopback, s->port, &fd) == OK) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, WAIT_MS) != 1 || sock_error(fd) != ECONNREFUSED) return 6;
    }
    return 0;
}

static void test_closed_means_refused(void **state) {
    struct case_state *c = *state;
    start(c, serve_and_close);
    assert_int_equal(end_of(c), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_what_is_queued_outlives_the_serving_process),
        CASE(test_dying_again_and_again_is_slowed_down),
        CASE(test_signals_are_passed_on),
        CASE(test_who_ends_by_itself_is_not_started_again),
        CASE(test_a_port_of_another_is_refused),
        CASE(test_closed_means_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
