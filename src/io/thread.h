/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Threads: the only place that names pthread. All signals are blocked in a new thread. */
struct thread;
err thread_start(struct thread **ret, const char *name, void (*run)(void *arg), void *arg);
void thread_join(struct thread *t); /* and frees it; NULL is fine */
unsigned thread_cores(void);        /* that this process may run on */
