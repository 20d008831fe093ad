/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/log.h"

static bool is_unix(const struct access_log *l) {
    return l->sink == ACCESS_SINK_STREAM || l->sink == ACCESS_SINK_DATAGRAM;
}

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

/* ---- what is counted, what is told ---- */

static void drop(struct access_log *l, str lines) {
    for (size_t i = 0; i < lines.n; i++) l->dropped += lines.p[i] == '\n';
}

static void fails(struct access_log *l, int why) {
    if (l->why != why)
        log_warn("access log to=\"%s\" err=\"%s\" dropping=\"lines, until it takes them again\"",
                 l->path ? l->path : "standard output", strerror(why));
    l->why = why;
}

static void works(struct access_log *l) {
    if (l->why) log_info("access log to=\"%s\" takes lines again", l->path ? l->path : "standard output");
    l->why = 0;
}

/* The rest of a line whose beginning went elsewhere is nobody's. */
static void drop_torn(struct access_log *l) {
    if (l->torn && l->waiting.n) {
        size_t rest = str_find(buf_str(&l->waiting), '\n') + 1;
        drop(l, str_upto(buf_str(&l->waiting), rest));
        buf_consume(&l->waiting, rest < l->waiting.n ? rest : l->waiting.n);
    }
    l->torn = false;
}

/* ---- opening ---- */

static void shut(struct access_log *l) {
    if (l->own && l->fd >= 0) close(l->fd);
    l->fd = -1;
}

static int open_socket(const char *path, int type) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path)); /* its length was looked at */
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* Who reads decides whether it is a stream or datagrams. */
static err connect_to(struct access_log *l) {
    l->sink = ACCESS_SINK_STREAM;
    l->fd = open_socket(l->path, SOCK_STREAM);
    if (l->fd < 0 && errno == EPROTOTYPE) {
        l->sink = ACCESS_SINK_DATAGRAM;
        l->fd = open_socket(l->path, SOCK_DGRAM);
    }
    return l->fd >= 0 ? OK : ERR_IO;
}

static err open_file(struct access_log *l) {
    struct stat st;
    l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
    if (l->fd < 0 || fstat(l->fd, &st) < 0) return ERR_IO;
    l->device = st.st_dev, l->inode = st.st_ino;
    return OK;
}

static err open_path(struct access_log *l) {
    shut(l);
    drop_torn(l);
    err e = is_unix(l) ? connect_to(l) : open_file(l);
    if (e != OK) fails(l, errno);
    return e;
}

err access_log_open(struct access_log *l, const char *to) {
    if (strcmp(to, "-") == 0) {
        access_log_init(l, STDOUT_FILENO);
        return OK;
    }
    bool socket = str_starts(str_of(to), S("unix:"));
    *l = (struct access_log){.fd = -1, .own = true, .is_socket = socket, .path = socket ? to + 5 : to};
    l->sink = socket ? ACCESS_SINK_STREAM : ACCESS_SINK_FILE;
    buf_init(&l->waiting, ACCESS_LOG_WAITING_MAX);
    if (socket && strlen(l->path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    if (socket) {
        if (open_path(l) != OK) return OK; /* told; its reader may come */
        return OK;
    }
    err e = open_file(l);
    if (e != OK && errno == ENXIO) return OK; /* a FIFO that nobody reads yet */
    return e;
}

void access_log_reopen(struct access_log *l) {
    if (l->sink == ACCESS_SINK_FD) return;
    access_log_flush(l); /* what belongs to the file of before */
    if (open_path(l) == OK) works(l);
}

void access_log_mend(struct access_log *l) {
    struct stat st;
    if (l->sink == ACCESS_SINK_FD) return;
    bool moved = l->sink == ACCESS_SINK_FILE && l->fd >= 0 &&
                 (stat(l->path, &st) < 0 || st.st_dev != l->device || st.st_ino != l->inode);
    if (l->fd < 0 || moved) access_log_reopen(l);
}

void access_log_fini(struct access_log *l) {
    access_log_flush(l);
    shut(l);
    buf_fini(&l->waiting);
    *l = (struct access_log){.fd = -1, .dead = true};
}

/* ---- writing ---- */

/* What cannot be mended by waiting: the other side has gone. */
static void broke(struct access_log *l, int why) {
    if (l->sink == ACCESS_SINK_FD) {
        l->dead = true;
    } else {
        fails(l, why);
        shut(l);
    }
}

static ssize_t put_once(struct access_log *l, str s) {
    if (l->is_socket) return send(l->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(l->fd, s.p, s.n);
}

/* How many bytes are done with; 0: none now. */
static size_t put(struct access_log *l, str s) {
    if (l->must_poll) {
        struct pollfd p = {.fd = l->fd, .events = POLLOUT};
        if (poll(&p, 1, 0) != 1) return 0;
        s = str_upto(s, PIPE_BUF);
    }
    if (l->sink == ACCESS_SINK_DATAGRAM) s = str_upto(s, str_find(s, '\n') + 1);
    ssize_t n;
    do n = put_once(l, s);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        l->torn = s.p[n - 1] != '\n';
        works(l);
        return (size_t)n;
    }
    if (n == 0 || errno == EAGAIN || errno == ENOBUFS) return 0;
    if (l->sink == ACCESS_SINK_DATAGRAM && errno == EMSGSIZE) {
        drop(l, s);
        return s.n;
    }
    if (l->sink == ACCESS_SINK_FILE && errno != EPIPE)
        fails(l, errno); /* the disk is full, or fails: it may have room again */
    else
        broke(l, errno);
    return 0;
}

static size_t put_all(struct access_log *l, str s) {
    size_t sent = 0;
    while (sent < s.n && !l->dead && l->fd >= 0) {
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
