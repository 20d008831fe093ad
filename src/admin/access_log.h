/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Lines to a descriptor that may be slow: what it does not take waits up to a bound, lines past that are dropped and counted. Owner: the
 * loop thread. */
struct access_log {
    int fd;
    bool own;  /* fd was opened here and is closed here */
    bool dead; /* the reader has gone: every line is dropped */
    bool is_socket, must_poll;
    struct buf waiting;
    uint64_t dropped; /* lines */
};
enum { ACCESS_LOG_WAITING_MAX = 1 << 20 };
/* fd stays the caller's and keeps its flags (it may be shared with other processes): a terminal or a pipe is opened anew. */
void access_log_init(struct access_log *l, int fd);
void access_log_fini(struct access_log *l); /* writes what can be written at once; the rest is dropped */
/* Whole lines, each with its newline. Never blocks (but as long as a disk does, when fd is a file). */
void access_log_add(struct access_log *l, str lines);
/* Writes what waits, as far as the sink takes it; true: nothing waits any more. */
bool access_log_flush(struct access_log *l);
