/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/inherited.h"

static int listen_at(int fd, uint32_t address, uint16_t *ret_port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    socklen_t n = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s, 1), 0);
    getsockname(s, (struct sockaddr *)&a, &n);
    *ret_port = ntohs(a.sin_port);
    if (s != fd) {
        assert_int_equal(dup2(s, fd), fd);
        close(s);
    }
    return fd;
}

static void sockets_are_found_by_address_and_port(void **state) {
    (void)state;
    uint16_t all, one;
    char text[16];
    int kept[3]; /* what cmocka has there */
    for (int i = 0; i < 3; i++) kept[i] = fcntl(INHERITED_FIRST + i, F_DUPFD_CLOEXEC, 64);
    listen_at(3, INADDR_ANY, &all);
    listen_at(4, INADDR_LOOPBACK, &one);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    dup2(udp, 5);
    if (udp != 5) close(udp);
    struct inherited h;
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_PID", "1", 1); /* another's */
    inherited_take(&h);
    assert_int_equal(h.n, 0);
    assert_null(getenv("LISTEN_FDS"));
    inherited_fini(&h);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_PID", text, 1);
    inherited_take(&h);
    assert_int_equal(h.n, 2); /* a datagram socket is none */
    assert_int_equal(fcntl(5, F_GETFD), -1);
    struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}}, any = {0};
    assert_int_equal(inherited_find(&h, &any, all), 3);
    assert_int_equal(inherited_find(&h, &loopback, one), 4);
    assert_int_equal(inherited_find(&h, &any, one), -1);
    assert_int_equal(inherited_find(&h, &loopback, all), -1);
    assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(3, F_GETFL) & O_NONBLOCK);
    inherited_fini(&h);
    for (int i = 0; i < 3; i++)
        if (kept[i] >= 0) dup2(kept[i], INHERITED_FIRST + i), close(kept[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sockets_are_found_by_address_and_port)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
