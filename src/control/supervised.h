/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/words.h"

/* The serving process's side of the supervisor: `supervisor` is words_start.supervisor. All but supervised_ready() and supervised_left() are one
 * thread's, blocking, answered within microseconds. */
/* Asks for listening sockets of an address (family 0: all) and port, `n` at least, one per worker; there are more of them when there were more
 * workers once. Those that exist already are handed out again. *ret_fds is to be freed. ERR_IO: *ret_errno says why it could not be bound. */
err supervised_open(int supervisor, enum words_use use, const struct ip *ip, uint16_t port, uint32_t n,
                    int **ret_fds, uint32_t *ret_n, int *ret_errno);
/* The listener is gone: no connection begins any more, those that have begun come to be queued (half_open.h). */
err supervised_hush(int supervisor, const struct ip *ip, uint16_t port);
/* Every queue has been emptied: the supervisor closes its copies. */
err supervised_close(int supervisor, const struct ip *ip, uint16_t port);
/* We serve; whoever served before may drain. From any thread. */
err supervised_ready(int supervisor);
/* Whoever asks for pages meets the one that serves now. From any thread. */
err supervised_left(int supervisor);
