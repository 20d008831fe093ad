/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Who a process is to the kernel. One thread may run when these are called: what a thread gives up, others keep. */
/* Becomes another user for good, by name or number, as in "postern", "postern:web" or "65532:65532"; the group is the user's own unless given.
 * What it was allowed to do as root it keeps until the next call below. ERR_ABSENT, ERR_IO: *why tells. */
err privileges_become(const char *user, struct buf *why);
/* For who opens ports and nothing else: of all capabilities CAP_NET_BIND_SERVICE alone is kept, when it is there, over exec too; none can be had
 * again, by no program that is started. ERR_IO: errno. */
err privileges_keep_ports(void);
/* For who opens no port: nothing is kept. ERR_IO: errno. */
err privileges_drop(void);
/* No core file of this process, nobody of the same user looks into its memory: it holds keys. */
void privileges_hide_memory(void);
