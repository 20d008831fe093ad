/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000, NOBODY = 65534 };
static const struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};

static bool connects(uint16_t port, int *ret_fd) {
    struct pollfd p = {.events = POLLOUT};
    if (sock_connect(&loopback, port, &p.fd) != OK) return false;
    *ret_fd = p.fd;
    return poll(&p, 1, WAIT_MS) == 1 && sock_error(p.fd) == 0;
}

static bool accepts(int listen_fd) {
    struct pollfd p = {.fd = listen_fd, .events = POLLIN};
    struct ip peer;
    uint16_t port;
    int fd;
    if (poll(&p, 1, WAIT_MS) != 1 || sock_accept(listen_fd, &fd, &peer, &port) != OK) return false;
    close(fd);
    return true;
}

/* A connection that was not taken up by one that listens, while one that began later was by another. */
static bool is_left_alone(uint16_t port, int other_fd) {
    int fd = -1, later = -1;
    err e = sock_connect(&loopback, port, &fd);
    bool alone = connects(sock_port(other_fd), &later) && accepts(other_fd);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    alone = alone && (e != OK || poll(&p, 1, 0) == 0 || sock_error(fd) != 0);
    if (fd >= 0) close(fd);
    if (later >= 0) close(later);
    return alone;
}

/* 0, or what went wrong. */
static int hush(bool privileged) {
    int fd, other, client;
    if (sock_listen(&loopback, 0, 16, &fd) != OK || sock_listen(&loopback, 0, 16, &other) != OK) return 1;
    uint16_t port = sock_port(fd);
    if (!connects(port, &client)) return 2;
    if (sock_hush(fd) != OK) return 3;
    if (!is_left_alone(port, other)) return 4;
    if (sock_queued(fd) != 1 || !accepts(fd) || sock_queued(fd) != 0) return 5;
    if (sock_unhush(fd) != OK) return privileged ? 6 : 0;
    return connects(port, &client) && accepts(fd) ? 0 : 7;
}

static void test_what_has_begun_alone_is_queued(void **state) {
    (void)state;
    for (int privileged = 0; privileged < 2; privileged++) {
        int how;
        pid_t pid = fork();
        if (pid == 0) {
            if (!privileged && geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0) _exit(8);
            _exit(hush(privileged && geteuid() == 0));
        }
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_int_equal(how, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_has_begun_alone_is_queued)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
