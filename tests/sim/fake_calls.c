/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that the product makes, as the linker renames them: __wrap_x is ours, __real_x the true one. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fake_inside.h"

/* CALL(what it returns, its name, its parameters): both names of it. */
#define CALL(type, name, ...)                                                                                \
    type __real_##name(__VA_ARGS__);                                                                         \
    type __wrap_##name(__VA_ARGS__);                                                                         \
    type __wrap_##name(__VA_ARGS__)

static int fails(int why) {
    errno = why;
    return -1;
}

CALL(int, epoll_create1, int flags) {
    return fake_now ? fake_file_open(FAKE_EPOLL)->fd : __real_epoll_create1(flags);
}

CALL(int, eventfd, unsigned n, int flags) {
    return fake_now ? fake_file_open(FAKE_BELL)->fd : __real_eventfd(n, flags);
}

CALL(int, epoll_ctl, int epoll, int op, int fd, struct epoll_event *e) {
    if (!fake_file_of(epoll)) return __real_epoll_ctl(epoll, op, fd, e);
    struct fake_file *f = fake_file_of(fd);
    if (!f) fake_fail("descriptor %d is not of this world", fd);
    if (op == EPOLL_CTL_ADD && f->watched) return fails(EEXIST);
    if (op != EPOLL_CTL_ADD && !f->watched) return fails(ENOENT);
    f->watched = op != EPOLL_CTL_DEL;
    f->ready = false;
    if (!f->watched) return 0;
    f->watch = *e;
    f->ready = fake_file_poll(f) & (e->events | EPOLLERR | EPOLLHUP);
    return 0;
}

CALL(int, epoll_wait, int epoll, struct epoll_event *out, int most, int timeout_ms) {
    if (!fake_file_of(epoll)) return __real_epoll_wait(epoll, out, most, timeout_ms);
    return fake_wait(out, most, timeout_ms);
}

CALL(int, clock_gettime, clockid_t id, struct timespec *ret) {
    if (!fake_now) return __real_clock_gettime(id, ret);
    if (fake_one_in(8)) fake_now->now_us += fake_below(5);
    if (id == CLOCK_REALTIME && fake_one_in(4)) fake_now->hours = fake_below(3);
    uint64_t wall_us = UINT64_C(1800000000000000) + fake_now->hours * UINT64_C(3600000000);
    uint64_t us = fake_now->now_us + (id == CLOCK_REALTIME ? wall_us : 0);
    *ret = (struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};
    return 0;
}

/* ---- sockets ---- */

CALL(int, socket, int family, int type, int protocol) {
    if (!fake_now) return __real_socket(family, type, protocol);
    if (!(type & SOCK_NONBLOCK)) fake_fail("a socket that blocks");
    fake_now->sockets++;
    struct fake_file *f = fake_file_open(FAKE_TCP);
    return f ? f->fd : -1;
}

CALL(int, bind, int fd, const struct sockaddr *a, socklen_t n) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_bind(fd, a, n);
    f->port = ntohs(a->sa_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
                                            : ((const struct sockaddr_in6 *)a)->sin6_port);
    return 0;
}

CALL(int, listen, int fd, int backlog) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_listen(fd, backlog);
    f->kind = FAKE_LISTENER;
    return 0;
}

CALL(int, connect, int fd, const struct sockaddr *a, socklen_t n) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_connect(fd, a, n);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    if (a->sa_family != AF_INET) fake_fail("there are no backends of that family");
    struct ip ip = {.family = 4};
    memcpy(ip.bytes, &v4->sin_addr, 4);
    if (fake_now->welcome(fake_now->arg, &ip, ntohs(v4->sin_port), NULL) == FAKE_UNREACHABLE)
        return fails(ENETUNREACH);
    f->tcp = fake_tcp_connect(f, &ip, ntohs(v4->sin_port));
    return fails(EINPROGRESS);
}

CALL(int, accept4, int fd, struct sockaddr *a, socklen_t *n, int flags) {
    struct fake_file *l = fake_file_of(fd);
    if (!l) return __real_accept4(fd, a, n, flags);
    struct fake_tcp *t = l->queue;
    if (!t) return fails(EAGAIN);
    struct fake_file *f = fake_file_open(FAKE_TCP);
    if (!f) return -1;
    if (!(l->queue = t->next)) l->queue_end = &l->queue;
    t->next = NULL, t->file = f, f->tcp = t;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(t->peer_port)};
    memset((char *)&v6->sin6_addr + 10, 0xff, 2);
    memcpy((char *)&v6->sin6_addr + 12, t->ip.bytes, 4);
    *n = sizeof *v6;
    fake_now->accepts++, fake_now->progress++;
    fake_trace("tcp%llu accepted, descriptor %d", (unsigned long long)t->id, f->fd);
    return f->fd;
}

CALL(int, getsockname, int fd, struct sockaddr *a, socklen_t *n) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_getsockname(fd, a, n);
    struct sockaddr_in *v4 = (struct sockaddr_in *)a;
    *v4 = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr.s_addr = htonl(0x0a0000fe)};
    *n = sizeof *v4;
    return 0;
}

CALL(int, getsockopt, int fd, int level, int name, void *p, socklen_t *n) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_getsockopt(fd, level, name, p, n);
    if (level != SOL_SOCKET || name != SO_ERROR || !f->tcp) return fails(EINVAL);
    *(int *)p = f->tcp->error;
    f->tcp->error = 0;
    return 0;
}

CALL(int, setsockopt, int fd, int level, int name, const void *p, socklen_t n) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_setsockopt(fd, level, name, p, n);
    if (level == SOL_SOCKET && name == SO_LINGER && f->tcp) {
        const struct linger *l = p;
        f->tcp->linger0 = l->l_onoff && !l->l_linger;
    }
    return 0;
}

CALL(int, shutdown, int fd, int how) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_shutdown(fd, how);
    if (!f->tcp || f->tcp->connecting || f->tcp->dead) return fails(ENOTCONN);
    if (how != SHUT_WR) fake_fail("shutdown both ways");
    fake_tcp_shut(f->tcp);
    return 0;
}

static void close_listener(struct fake_file *f) {
    for (struct fake_tcp *t = f->queue, *next; t; t = next) {
        next = t->next;
        t->linger0 = true;
        fake_tcp_close(t);
    }
}

CALL(int, close, int fd) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_close(fd);
    if (f->tcp) {
        fake_tcp_race(f->tcp);
        fake_trace("tcp%llu closed, descriptor %d%s", (unsigned long long)f->tcp->id, fd,
                   f->tcp->in.n ? ", not read to the end" : "");
        fake_tcp_close(f->tcp);
    }
    if (f->kind == FAKE_LISTENER) close_listener(f);
    fake_file_close(f);
    return 0;
}

/* ---- bytes ---- */

static int take_error(struct fake_tcp *t) {
    int why = t->error;
    t->error = 0;
    return fails(why);
}

static ssize_t tcp_read(struct fake_tcp *t, void *p, size_t n, bool peek) {
    if (peek && !t->peeked) fake_tcp_peeked(t);
    fake_tcp_race(t);
    size_t got = n < t->in.n ? n : t->in.n;
    if (t->connecting) return fails(EAGAIN);
    if (!got && t->in_fin) return 0;
    if (!got && t->error) return take_error(t);
    if (!got) return t->dead ? 0 : fails(EAGAIN);
    memcpy(p, t->in.p, got);
    if (peek) return (ssize_t)got;
    buf_consume(&t->in, got);
    fake_now->progress++;
    fake_tcp_took(t);
    return (ssize_t)got;
}

static ssize_t tcp_write(struct fake_tcp *t, const struct iovec *v, size_t n) {
    fake_tcp_race(t);
    if (t->connecting) return fails(EAGAIN);
    if (t->dead && t->error) return take_error(t);
    if (t->dead || t->out_fin) return fails(EPIPE);
    ssize_t went = 0;
    for (size_t i = 0; i < n; i++) {
        size_t room = t->out.n < t->out_max ? t->out_max - t->out.n : 0;
        size_t some = v[i].iov_len < room ? v[i].iov_len : room;
        buf_add(&t->out, (str){v[i].iov_base, some});
        went += (ssize_t)some;
        if (some == v[i].iov_len) continue;
        t->no_space = true;
        break;
    }
    if (!went && t->no_space) return fails(EAGAIN);
    fake_now->progress++;
    fake_tcp_wrote(t);
    return went;
}

CALL(ssize_t, recv, int fd, void *p, size_t n, int flags) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_recv(fd, p, n, flags);
    return f->tcp ? tcp_read(f->tcp, p, n, flags & MSG_PEEK) : fails(ENOTCONN);
}

CALL(ssize_t, sendmsg, int fd, const struct msghdr *m, int flags) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_sendmsg(fd, m, flags);
    if (!(flags & MSG_NOSIGNAL)) fake_fail("a send that may raise SIGPIPE");
    return f->tcp ? tcp_write(f->tcp, m->msg_iov, m->msg_iovlen) : fails(ENOTCONN);
}

CALL(ssize_t, send, int fd, const void *p, size_t n, int flags) {
    if (!fake_file_of(fd)) return __real_send(fd, p, n, flags);
    struct iovec v = {(void *)(uintptr_t)p, n};
    return __wrap_sendmsg(fd, &(struct msghdr){.msg_iov = &v, .msg_iovlen = 1}, flags);
}

CALL(ssize_t, read, int fd, void *p, size_t n) {
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_read(fd, p, n);
    if (f->kind != FAKE_BELL) return f->tcp ? tcp_read(f->tcp, p, n, false) : fails(EINVAL);
    if (!f->bell) return fails(EAGAIN);
    memcpy(p, &f->bell, sizeof f->bell);
    f->bell = 0;
    return sizeof f->bell;
}

CALL(ssize_t, write, int fd, const void *p, size_t n) {
    if (fake_now && fd == STDERR_FILENO) { /* the log's lines */
        fake_trace("log " STR_FMT, STR_ARG(str_trim((str){p, n})));
        return (ssize_t)n;
    }
    struct fake_file *f = fake_file_of(fd);
    if (!f) return __real_write(fd, p, n);
    if (f->kind != FAKE_BELL) fake_fail("write() to a socket");
    uint64_t more;
    memcpy(&more, p, sizeof more);
    f->bell += more;
    fake_now->progress++;
    fake_file_wake(f, EPOLLIN);
    return (ssize_t)n;
}

/* What is random in earnest is the seed's. */
CALL(void, tls_random, void *p, size_t n) {
    if (!fake_now) {
        __real_tls_random(p, n);
        return;
    }
    for (size_t i = 0; i < n; i++) ((unsigned char *)p)[i] = (unsigned char)fake_below(256);
}
