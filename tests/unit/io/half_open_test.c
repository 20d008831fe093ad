/* SPDX-License-Identifier: Apache-2.0 */
#include "io/half_open.h"

#include "../unit.h"

#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sock.h"

enum { PATIENCE_MS = 60000, CLIENTS = 3 };

/* A handshake is not over here until the client has sent something. */
static int listen_deferred(const struct ip *ip, uint16_t *ret_port) {
    int fd, seconds = 60;
    assert_ok(sock_listen(ip, 0, 16, &fd));
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds), 0);
    *ret_port = sock_port(fd);
    return fd;
}

static int connected_to(const struct ip *ip, uint16_t port) {
    int fd;
    assert_ok(sock_connect(ip, port, &fd));
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    assert_int_equal(sock_error(fd), 0);
    return fd;
}

static bool kernel_tells(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void handshakes_under_way_are_counted(const struct ip *ip) {
    uint16_t port, other;
    uint32_t n = 77;
    int door = listen_deferred(ip, &port), beside = listen_deferred(ip, &other), fds[CLIENTS];
    if (!kernel_tells()) { /* of a kernel without it nothing is known, and that is said */
        assert_int_equal(half_open_count(port, &n), ERR_IO);
        assert_int_equal(n, 77);
        close(door), close(beside);
        return;
    }
    assert_ok(half_open_count(port, &n));
    assert_int_equal(n, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = connected_to(ip, port);
        assert_ok(half_open_count(port, &n));
        assert_int_equal(n, i + 1);
    }
    assert_int_equal(sock_queued(door), 0);
    assert_ok(half_open_count(other, &n)); /* another port's are not among them */
    assert_int_equal(n, 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct pollfd p = {.fd = door, .events = POLLIN};
        assert_int_equal(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        struct ip peer;
        uint16_t from;
        int fd;
        assert_ok(sock_accept(door, &fd, &peer, &from));
        assert_ok(half_open_count(port, &n)); /* accepted: not under way any more */
        assert_int_equal(n, CLIENTS - 1 - i);
        close(fd), close(fds[i]);
    }
    close(door), close(beside);
}

static void of_version_4(void **state) {
    (void)state;
    static const struct ip v4 = {.family = 4, .bytes = {127, 0, 0, 1}};
    handshakes_under_way_are_counted(&v4);
}

static void of_version_6(void **state) {
    (void)state;
    static const struct ip v6 = {.family = 6, .bytes = {[15] = 1}};
    if (!sock_has_way(&v6)) return; /* a machine without IPv6 has no such connections */
    handshakes_under_way_are_counted(&v6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_version_4),
        cmocka_unit_test(of_version_6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
