/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "files/files.h"

/* What stays in force of manifests that can not be read (files_kept_put), in the memory file that the supervisor hands to each serving process: the
 * next one goes on by it. It holds secrets, and is never on disk. While nothing is broken it is empty.
 * In it: one text, or two while one is replaced, each behind a head with a generation and a checksum, so that at every moment one of them is
 * whole, whenever its writer is killed. Two processes that serve at once take turns by a lock. */
enum { LAST_GOOD_BYTES_MAX = 64 << 20 };
struct last_good {
    int fd;           /* -1: nothing outlives us */
    size_t bytes_max; /* of the text; a file that there is no room for is left out, and the log says so */
    bool written;     /* what `sign` stands for */
    uint64_t sign;
};
/* memory_limit: of the process; 0: none. */
void last_good_init(struct last_good *l, int fd, uint64_t memory_limit);
/* What the process before has left becomes what was read before. */
void last_good_take(struct last_good *l, struct files *f);
/* Leaves what is in force now, when that is something else than before. To be called by a process that serves. */
void last_good_leave(struct last_good *l, const struct files *f, const struct store *s);

/* The file itself. "" empties it. ERR_IO: errno. */
err last_good_write(int fd, str text);
/* Adds the newest whole text to b; none at all is "". ERR_PROTO: there is something, and it is nothing of ours; ERR_LIMIT: it is larger than b. */
err last_good_read(int fd, struct buf *b);
