/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* Sockets, all close-on-exec and non-blocking. On ERR_IO errno tells why. */
/* Listens on TCP; ip->family 0: every address of both families. SO_REUSEPORT, SO_REUSEADDR, TCP_NODELAY (inherited by what is accepted). */
err sock_listen(const struct ip *ip, uint16_t port, int backlog, int *ret_fd);
/* ERR_AGAIN: none waits. *peer and *peer_port are written. */
err sock_accept(int listen_fd, int *ret_fd, struct ip *peer, uint16_t *peer_port);
/* Begins to connect; OK: connected or under way (writable tells). TCP_NODELAY. */
err sock_connect(const struct ip *ip, uint16_t port, int *ret_fd);
/* The error a socket ended with, as errno; 0: none. Clears it. */
int sock_error(int fd);
/* Has this machine a way to the address? Nothing is sent.                                    [RFC 6724 6, rule 1] */
bool sock_has_way(const struct ip *ip);
/* Closing it is a reset from now on: what was not sent is dropped, and nobody takes it for an orderly end. */
void sock_break(int fd);
/* Bytes that the peer of a connection has taken, as far as it told. ERR_IO: the system does not say. */
err sock_acked(int fd, uint64_t *ret_bytes);
/* What it is bound to, as an address of its own form. */
err sock_local(int fd, struct ip *ret_ip, uint16_t *ret_port);
/* The local port. */
uint16_t sock_port(int fd);
/* No connection begins at a listening socket any more: a client's first packet is dropped unseen, and it comes again a second later, when
 * somebody else may listen. Where the kernel lets only the privileged filter packets, it is refused. Connections that have begun are still
 * completed and queued: see half_open.h. Both are for all descriptors of it. ERR_IO: errno. */
err sock_hush(int listen_fd);
/* ERR_IO: it can not be taken back, nothing begins there ever again. */
err sock_unhush(int listen_fd);
/* How many connections wait to be accepted. */
uint32_t sock_queued(int listen_fd);
