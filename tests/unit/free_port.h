/* SPDX-License-Identifier: Apache-2.0 */
/* A port that nobody has, for whoever is to listen on it later: below the range from which the kernel gives ports to anybody, and for each process
 * from another place on, so that tests side by side do not meet. */
#pragma once
#include <unistd.h>

#include "io/sock.h"

static uint16_t free_port(void) {
    enum { FIRST = 10000, PORTS = 20000, EACH = 16 };
    static unsigned n;
    static const struct ip loopback_ = {.family = 4, .bytes = {127, 0, 0, 1}};
    for (;;) {
        uint16_t port = (uint16_t)(FIRST + ((unsigned)getpid() * EACH + n++) % PORTS);
        int fd;
        if (sock_listen(&loopback_, port, 1, &fd) != OK) continue;
        close(fd);
        return port;
    }
}
