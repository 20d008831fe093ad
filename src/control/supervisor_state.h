/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/held.h"
#include "control/supervisor.h"
#include "io/loop.h"

/* What supervisor.c, changeover.c and successor.c share. */
enum supervisor_phase { SUPERVISOR_RUNS, SUPERVISOR_WAITS, SUPERVISOR_ENDS, SUPERVISOR_DONE };
enum { SUPERVISOR_CHILDREN_MAX = 8 };
/* A serving process. */
struct supervisor_child {
    struct supervisor_child *next;
    struct supervisor *s;
    struct loop_fd asks;
    uint32_t number; /* of its start */
    pid_t pid;
    int fd;     /* our end of the socket pair */
    bool ready; /* it said so */
    uint64_t born_us;
};
struct changeover {
    struct loop_fd door, said;       /* who asks; what the new process says on standard error */
    int client;                      /* -1: nobody waits */
    struct supervisor_child *fresh;  /* started, not ready yet */
    struct supervisor_child *before; /* lets go of what it has; NULL: it has, or ended */
    bool handing_over,
        silent; /* from the fresh one's readiness to the end; the one before did not let go in time */
    pid_t before_pid;
    int said_fd;
    struct timer limit;
    char binary[4096], workers[16];
};
struct supervisor {
    const struct supervisor_config *c;
    enum supervisor_phase phase;
    struct loop loop;
    struct loop_fd signals;
    int signal_fd;
    struct supervisor_child *children,
        *serving; /* serving: the newest that is ready, or the first; NULL: none */
    uint32_t numbers, deaths, in_a_row, supervisors;
    int last_signal, last_good, crash;
    int64_t last_death_s;
    uint64_t delay_us;
    struct timer restart;
    struct held_all held;
    struct changeover upgrade;
    int status;
    bool is_child;
    struct words_start start; /* of the child, in the child */
};
/* supervisor.c */
/* One more, that holds one end of a socket pair; the other is *ret_end. NULL: errno. */
struct supervisor_child *supervisor_child_new(struct supervisor *s, int *ret_end);
struct supervisor_child *supervisor_adopt(struct supervisor *s, uint32_t number, pid_t pid, int fd,
                                          uint64_t born_us);
void supervisor_forget(struct supervisor_child *c);
/* What a child is given; the descriptors but `supervisor` are ours. */
struct words_start supervisor_start_of(const struct supervisor *s, int end);
/* changeover.c: the command's side of it is changeover.h. */
void changeover_open(struct supervisor *s, int door); /* door: listens already; -1: it is to be opened */
void changeover_close(struct supervisor *s);
bool changeover_is_ready(struct supervisor_child *c);          /* c said so. true: it was waited for */
bool changeover_has_died(struct supervisor_child *c, int how); /* the same of its end */
void changeover_has_left(struct supervisor_child *c);          /* it handed over, or is forgotten */
/* May go on as another binary, and not return then: nothing else is under way. */
void changeover_go_on(struct supervisor *s);
/* successor.c */
/* A memory file of these bytes, that a process to come may read; -1: errno. */
int successor_file(const void *bytes, size_t n);
/* Reads all of a memory file; closes it. false: it is shorter. */
bool successor_read(int fd, void *bytes, size_t n);
/* The descriptor that a variable names, which is gone then; -1: none. */
int successor_named(const char *name);
/* This process goes on as another binary, with all it holds. Returns only when that could not be. */
void successor_become(struct supervisor *s, const char *binary);
/* It has: takes up what the one before held. false: nothing can be made of it. */
bool successor_take(struct supervisor *s, int fd);
/* The command line for a binary, with another number of workers unless that is ""; in a block to free(). */
char **successor_argv(const struct supervisor *s, const char *binary, const char *workers);
