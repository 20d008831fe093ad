/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Connections to a local port whose handshake is under way: they will be in the queue of the listening socket, and are not yet. Asks the kernel
 * (sock_diag(7)), which looks at every connection there is. ERR_IO: it does not say. */
err half_open_count(uint16_t port, uint32_t *ret);
