/* SPDX-License-Identifier: Apache-2.0 */
#include "io/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "io/crash.h"

struct thread {
    pthread_t id;
    void (*run)(void *);
    void *arg;
    char name[16];
};

static void *body(void *arg) {
    struct thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    void *stack = crash_stack_new();
    t->run(t->arg);
    crash_stack_free(stack);
    return NULL;
}

err thread_start(struct thread **ret, const char *name, void (*run)(void *arg), void *arg) {
    struct thread *t = base_zalloc(sizeof *t);
    t->run = run, t->arg = arg;
    snprintf(t->name, sizeof t->name, "%s", name);
    sigset_t all, before; /* a new thread inherits the mask */
    sigfillset(&all);
    sigdelset(&all, SIGSYS);    /* blocked, it would end the process instead of telling what was refused */
    crash_signals_out_of(&all); /* blocked, they end the process untold */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&t->id, NULL, body, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(t);
        return ERR_IO;
    }
    *ret = t;
    return OK;
}

void thread_join(struct thread *t) {
    if (!t) return;
    pthread_join(t->id, NULL);
    free(t);
}

unsigned thread_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}
