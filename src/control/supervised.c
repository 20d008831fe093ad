/* SPDX-License-Identifier: Apache-2.0 */
#include "control/supervised.h"

#include <errno.h>
#include <unistd.h>

#include "io/unix_sock.h"

enum { CHUNK = 64 }; /* descriptors in a message */

/* What came is the caller's also when it is less than was promised. */
static int receive(int supervisor, int **fds, uint32_t *have) {
    struct words_reply r = {0};
    do {
        int taken[CHUNK];
        size_t got = 0, fds_n = 0;
        err e = unix_sock_recv(supervisor, &r, sizeof r, &got, taken, CHUNK, &fds_n);
        *fds = base_realloc(*fds, (*have + fds_n + 1) * sizeof **fds);
        for (size_t i = 0; e == OK && i < fds_n; i++) (*fds)[(*have)++] = taken[i];
        if (e != OK || got != sizeof r || r.n != fds_n) return e == ERR_END ? EPIPE : EIO;
        if (*have > WORDS_SOCKETS_MAX) return EMFILE;
    } while (!r.error && r.left);
    return r.error;
}

static err ask(int supervisor, const struct words_ask *a, int **ret_fds, uint32_t *ret_n, int *ret_errno) {
    if (unix_sock_send(supervisor, a, sizeof *a, NULL, 0) != OK) {
        *ret_errno = errno;
        return ERR_IO;
    }
    int *fds = NULL;
    uint32_t n = 0;
    int why = receive(supervisor, &fds, &n);
    if (!why && ret_fds) {
        *ret_fds = fds, *ret_n = n;
        return OK;
    }
    for (uint32_t i = 0; i < n; i++) close(fds[i]);
    free(fds);
    if (why) *ret_errno = why;
    return why ? ERR_IO : OK;
}

err supervised_open(int supervisor, enum words_use use, const struct ip *ip, uint16_t port, uint32_t n,
                    int **ret_fds, uint32_t *ret_n, int *ret_errno) {
    assert(n >= 1 && n <= WORDS_SOCKETS_MAX);
    struct words_ask a = {.op = WORDS_OPEN, .use = use, .port = port, .n = n, .ip = *ip};
    return ask(supervisor, &a, ret_fds, ret_n, ret_errno);
}

err supervised_hush(int supervisor, const struct ip *ip, uint16_t port) {
    struct words_ask a = {.op = WORDS_HUSH, .port = port, .n = 1, .ip = *ip};
    int why;
    return ask(supervisor, &a, NULL, NULL, &why);
}

err supervised_close(int supervisor, const struct ip *ip, uint16_t port) {
    struct words_ask a = {.op = WORDS_CLOSE, .port = port, .n = 1, .ip = *ip};
    int why;
    return ask(supervisor, &a, NULL, NULL, &why);
}

static err say(int supervisor, enum words_op op) {
    struct words_ask a = {.op = op, .n = 1};
    return unix_sock_send(supervisor, &a, sizeof a, NULL, 0);
}

err supervised_ready(int supervisor) { return say(supervisor, WORDS_READY); }

err supervised_left(int supervisor) { return say(supervisor, WORDS_LEFT); }
