/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void access_log_init(struct access_log *l, int fd) {
    *l = (struct access_log){.fd = fd};
    buf_init(&l->waiting, ACCESS_LOG_WAITING_MAX);
    struct stat st;
    if (fstat(fd, &st) < 0) {
        l->dead = true;
        return;
    }
    l->is_socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)) return;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int mine = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (mine >= 0) {
        l->fd = mine, l->own = true;
    } else {
        l->must_poll = true; /* no /proc: a pipe that polls as writable takes PIPE_BUF bytes [POSIX write] */
    }
}

void access_log_fini(struct access_log *l) {
    access_log_flush(l);
    if (l->own) close(l->fd);
    buf_fini(&l->waiting);
    *l = (struct access_log){.fd = -1, .dead = true};
}

static void drop(struct access_log *l, str lines) {
    for (size_t i = 0; i < lines.n; i++) l->dropped += lines.p[i] == '\n';
}

/* How many bytes went; 0: none now. */
static size_t put(struct access_log *l, str s) {
    if (l->must_poll) {
        struct pollfd p = {.fd = l->fd, .events = POLLOUT};
        if (poll(&p, 1, 0) != 1) return 0;
        s = str_upto(s, PIPE_BUF);
    }
    ssize_t n;
    do {
        n = l->is_socket ? send(l->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(l->fd, s.p, s.n);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) l->dead = true;
    return n > 0 ? (size_t)n : 0;
}

static size_t put_all(struct access_log *l, str s) {
    size_t sent = 0;
    while (sent < s.n && !l->dead) {
        size_t n = put(l, str_from(s, sent));
        if (!n) break;
        sent += n;
    }
    return sent;
}

bool access_log_flush(struct access_log *l) {
    if (l->waiting.n) buf_consume(&l->waiting, put_all(l, buf_str(&l->waiting)));
    if (l->dead) {
        drop(l, buf_str(&l->waiting));
        buf_clear(&l->waiting);
    }
    return !l->waiting.n;
}

/* What the sink did not take waits, as many whole lines as fit; the first piece may be the rest of a line that began to be written. */
static void wait(struct access_log *l, str lines) {
    size_t room = l->waiting.max - l->waiting.n;
    str fits = str_upto(lines, room);
    if (fits.n < lines.n) {
        size_t newline = str_rfind(fits, '\n');
        fits.n = newline < fits.n ? newline + 1 : 0;
    }
    buf_add(&l->waiting, fits);
    drop(l, str_from(lines, fits.n));
}

void access_log_add(struct access_log *l, str lines) {
    if (!lines.n) return;
    if (l->dead) {
        drop(l, lines);
        return;
    }
    size_t sent = access_log_flush(l) ? put_all(l, lines) : 0;
    if (l->dead) {
        drop(l, str_from(lines, sent));
        return;
    }
    if (sent < lines.n) wait(l, str_from(lines, sent));
}
