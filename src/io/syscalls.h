/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Which system calls a process may still make, by a filter of the kernel [seccomp(2)]; threads started later have it too. What starts programs,
 * looks into other processes or changes the machine ends the process at once; any other call that is not in the list fails with EPERM and is
 * told to the log, so that a library that tries something new goes on without it.
 * programs: some are started (a credential plugin of a kubeconfig). ERR_ABSENT: the kernel has no filters; ERR_IO: errno. */
err syscalls_limit(bool programs);
/* Built without a sanitizer: the list is in force, not only what is fatal. */
bool syscalls_all_known(void);
