/* SPDX-License-Identifier: Apache-2.0 */
/* What a process keeps once it has what it needs: no privilege, the system calls of its trade (syscalls.h), the files it was given (landlock.h).
 * In:    paths and ports, before any thread is started.     Out: words on what holds, for the log and `status`.
 * Own:   the list until sandbox_begin(); from then on the kernel has it, for good.
 * Never: a failure because a kernel lacks a part: that part is told as missing. */
#pragma once
#include "base/buf.h"
#include "io/landlock.h"

struct sandbox;
struct sandbox_config {
    bool programs; /* some are started, which need what they need: files stay open, calls to start them too */
    bool keeps_abstract; /* speaks to an abstract socket of another program */
};
struct sandbox *sandbox_new(const struct sandbox_config *c);
void sandbox_free(struct sandbox *s);
DEFINE_CLEANUP(sandbox)
/* As landlock_allow(). */
void sandbox_allow(struct sandbox *s, const char *path, enum landlock_use use);
/* Reads `path` and what may come in its place: a folder; of a file its folder, and the folder where links lead to; of what is not there yet the
 * folder in which it will come. */
void sandbox_follow(struct sandbox *s, const char *path);
/* Where the links in a folder, in depth, lead to. */
void sandbox_follow_links(struct sandbox *s, const char *folder);
void sandbox_allow_port(struct sandbox *s, uint16_t port);
/* From now on. What holds is told to the log and put into `words` ("no_new_privs capabilities=none seccomp landlock=7"). */
void sandbox_begin(struct sandbox *s, struct buf *words);
