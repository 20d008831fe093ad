/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Which files this process may still reach, by the kernel's Landlock [landlock(7)]: nothing but what was allowed here, below folders or single
 * files. What is open stays open. */
enum landlock_use {
    LANDLOCK_READS,   /* files and lists of folders */
    LANDLOCK_APPENDS, /* writes to files, and makes them */
    LANDLOCK_LISTENS, /* makes and removes sockets */
};
struct landlock; /* what is to be allowed */
/* 0: the kernel has none of it. Else which version, of which later ones know more to forbid. */
int landlock_version(void);
/* ERR_IO: errno. What is to be allowed comes now. With scope_abstract other programs' abstract sockets are out of reach, too. */
err landlock_new(bool scope_abstract, struct landlock **ret);
void landlock_free(struct landlock *l);
DEFINE_CLEANUP(landlock)
/* A path that leads nowhere, or to a pipe or socket, allows nothing and is no mistake. ERR_IO: errno. */
err landlock_allow(struct landlock *l, const char *path, enum landlock_use use);
/* TCP ports that may still be bound (of what knows ports: version 4). */
err landlock_allow_port(struct landlock *l, uint16_t port);
/* From now on, for this thread and those it starts. no_new_privs is set. ERR_IO: errno. */
err landlock_begin(struct landlock *l);
