/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <signal.h>

#include "base/str.h"

/* What a process tells of its own death by a signal that its own code has brought about (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT): where it was, as
 * addresses that `addr2line -e BINARY` knows, and what it was doing. On standard error and in a memory file, by nothing but what a signal
 * handler may call. The signal then does what it would have done. */
struct crash_text {
    size_t n;
    char p[1024];
};
/* What there is no room for is left out. */
void crash_add(struct crash_text *t, str s);
void crash_add_number(struct crash_text *t, const char *name, uint64_t v); /* " name=v" */
void crash_add_word(struct crash_text *t, const char *name, str v);
/* The line is complete: it is told. */
void crash_tell(struct crash_text *t);

/* describe: tells what the threads are doing, reading their memory as it is. fd: the memory file, emptied now; -1: none. */
void crash_install(int fd, void (*describe)(void *arg, struct crash_text *t), void *arg);
/* Takes the signals that are told out of a set. */
void crash_signals_out_of(sigset_t *set);
/* Nobody is described any more. */
void crash_uninstall(void);
/* The calling thread's stack for the report, so that one of an exhausted stack can be told, too. To be given to crash_stack_free() by it. */
void *crash_stack_new(void);
void crash_stack_free(void *stack);
