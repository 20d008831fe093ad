/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* What a service manager is told and tells, by systemd's protocols [sd_notify(3), sd_listen_fds(3)], without its library. */
/* Sends "READY=1" and the like, several between newlines, to the socket that is named; "@" begins an abstract one. NULL or "": nobody asks, and
 * that is well. ERR_IO: errno. */
err notify_send(const char *socket_path, const char *text);
