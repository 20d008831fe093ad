/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"
#include "control/words.h"

/* The supervisor process owns the listening sockets, parses nothing and holds no secret but what
 * sealed sessions and TLS tickets are kept with, so that they outlive the serving process, and a file that it never reads (last_good.h). It starts that, starts it again within
 * a second when it dies (backing off when it keeps dying), passes signals on, and starts another binary on the same sockets when it is
 * told to (changeover.h), which then takes its own place, too. The two speak over a socket pair (words.h; the other side is supervised.h). */
struct supervisor_config {
    /* The serving process: in a child; the supervisor returns what this does. */
    int (*serve)(void *arg, const struct words_start *start);
    void *arg;
    char **argv;             /* of this command, for another binary; NULL: there is no upgrade */
    const char *socket_path; /* of the admin; where upgrades are asked for follows from it; NULL: nowhere */
    void *keepsake; /* secrets of `arg` that a binary hands to the next; read, or written before serve() */
    size_t keepsake_n;
};
/* Forks; the child calls serve() and exits with what that returns. Returns the exit status when serving has ended for good. */
int supervisor_run(const struct supervisor_config *c);
