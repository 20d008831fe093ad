/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* The supervisor process owns the listening sockets, parses nothing and holds no secret but what
 * sealed sessions and TLS tickets are kept with, so that they outlive the serving process. It starts that, starts it again within
 * a second when it dies (backing off when it keeps dying), and passes signals on. The two speak over a socket pair. */
/* Forks; the child calls serve(arg, fd of its end) and exits with what that returns. Returns the exit status when serving has ended for good. */
int supervisor_run(int (*serve)(void *arg, int supervisor), void *arg);

/* The serving process's side: asks for `n` listening sockets of an address (family 0: all) and port, one per worker; those that exist already are
 * handed out again. ERR_IO: *ret_errno says why it could not be bound. Blocking, answered within microseconds. */
err supervisor_open(int supervisor, const struct ip *ip, uint16_t port, uint32_t n, int *ret_fds,
                    int *ret_errno);
/* The listener is gone and every queue has been emptied: the supervisor closes its copies. */
err supervisor_close(int supervisor, const struct ip *ip, uint16_t port);
