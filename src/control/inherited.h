/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* Listening sockets that a service manager has opened for us (socket activation, [sd_listen_fds(3)]). They stay open for as long as the
 * supervisor lives: what waits in their queue when a listener goes and comes again is not lost. */
struct inherited_socket {
    int fd;
    struct ip ip; /* family 0: all addresses */
    uint16_t port;
};
struct inherited {
    struct inherited_socket *v;
    uint32_t n;
};
enum { INHERITED_FIRST = 3 }; /* descriptor */
/* Those that are meant for this process by LISTEN_PID and LISTEN_FDS, which are gone from the environment then. What is no listening TCP socket
 * is told and closed. */
void inherited_take(struct inherited *ret);
void inherited_fini(struct inherited *h);
/* The socket of an address and port; -1: there is none. It stays ours. */
int inherited_find(const struct inherited *h, const struct ip *ip, uint16_t port);
