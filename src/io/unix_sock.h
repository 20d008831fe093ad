/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Sockets in the file system and descriptors sent over socket pairs. On ERR_IO errno tells why. */
/* Listens (not blocking), mode 0600. A stale path (nobody accepts there) is replaced; EADDRINUSE when somebody does. */
err unix_sock_listen(const char *path, int *ret_fd);
/* The same in the place of whoever listens there now, who is to know and is reached by nobody any more. */
err unix_sock_replace(const char *path, int *ret_fd);
err unix_sock_connect(const char *path, int *ret_fd); /* blocking */
/* One message with up to 64 descriptors: what the supervisor and the serving process speak. */
err unix_sock_send(int sock, const void *bytes, size_t n, const int *fds, size_t fds_n);
/* ERR_END: the other side is gone; ERR_AGAIN: nothing there (on a socket that does not block). Descriptors are close-on-exec. */
err unix_sock_recv(int sock, void *bytes, size_t n_max, size_t *ret_n, int *fds, size_t fds_max,
                   size_t *ret_fds_n);
