/* SPDX-License-Identifier: Apache-2.0 */
#include "control/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "control/inherited.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/sock.h"
#include "io/unix_sock.h"

enum {
    BACKLOG = 4096, /* the system cuts it to net.core.somaxconn */
    SOCKETS_MAX = 1024,
    CHUNK = 64, /* descriptors in a message */
    RESTART_US_MIN = 100000,
    RESTART_US_MAX = 10000000,
    LIVED_WELL_US = 10000000, /* who lived this long begins again with the shortest delay */
};
enum op { OP_OPEN, OP_CLOSE };
struct ask {
    enum op op;
    uint16_t port;
    uint32_t n;
    struct ip ip;
};
/* One or, when there are more descriptors than a message takes, several. */
struct reply {
    int error;        /* errno; 0: done */
    uint32_t n, left; /* descriptors in this message, and after it */
};

/* The listening sockets of one address and port. */
struct held {
    struct held *next;
    struct ip ip;
    uint16_t port;
    uint32_t n;
    int fds[];
};
enum phase { PHASE_RUN, PHASE_WAIT, PHASE_ENDING, PHASE_DONE };
struct supervisor {
    enum phase phase;
    struct loop loop;
    struct loop_fd signals, child;
    int signal_fd, child_fd;
    pid_t pid;
    uint64_t born_us, delay_us;
    struct timer restart;
    struct held *held;
    struct inherited inherited;
    int status;
    bool is_child;
    int serve_fd; /* the child's end, in the child */
};

static void handled_signals(sigset_t *s) {
    sigemptyset(s);
    sigaddset(s, SIGTERM);
    sigaddset(s, SIGINT);
    sigaddset(s, SIGHUP);
    sigaddset(s, SIGCHLD);
}

/* SO_REUSEPORT lets another process of the same user bind the same port and take a share of its connections unnoticed, so the first of our
 * sockets is tried without. errno tells why not. */
static bool is_free(const struct ip *ip, uint16_t port) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    int one = 1, off = ip->family == 6, family = ip->family == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0 && ip->family == 0) fd = socket(family = AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) return false;
    socklen_t n = family == AF_INET ? sizeof a.v4 : sizeof a.v6;
    if (family == AF_INET) {
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&a.v4.sin_addr, ip->bytes, 4);
    } else {
        a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&a.v6.sin6_addr, ip->bytes, 16);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* what is in TIME_WAIT is no obstacle */
    int failed = bind(fd, &a.any, n), why = errno;
    close(fd);
    errno = why;
    return failed == 0;
}

static void free_held(struct held *h) {
    for (uint32_t i = 0; i < h->n; i++) close(h->fds[i]);
    free(h);
}

static struct held **find_held(struct supervisor *s, const struct ip *ip, uint16_t port) {
    struct held **at = &s->held;
    while (*at && ((*at)->port != port || !ip_eq(&(*at)->ip, ip))) at = &(*at)->next;
    return at;
}

/* One queue, of a socket that is not ours to open: each of the n is another descriptor of it. */
static err open_one(const struct supervisor *s, const struct ask *a, int *ret_fd) {
    int fd = inherited_find(&s->inherited, &a->ip, a->port);
    if (fd < 0) return sock_listen(&a->ip, a->port, BACKLOG, ret_fd);
    *ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *ret_fd < 0 ? ERR_IO : OK;
}

/* The set of n sockets, made or as it is; one too few or too many is mended. NULL: errno. */
static struct held *open_held(struct supervisor *s, const struct ask *a) {
    struct held **at = find_held(s, &a->ip, a->port), *h = *at;
    if (!h) {
        if (inherited_find(&s->inherited, &a->ip, a->port) < 0 && !is_free(&a->ip, a->port)) return NULL;
        h = base_zalloc(sizeof *h);
        h->ip = a->ip, h->port = a->port;
    } else {
        *at = h->next;
    }
    h = base_realloc(h, sizeof *h + (a->n > h->n ? a->n : h->n) * sizeof h->fds[0]);
    while (h->n > a->n) close(h->fds[--h->n]);
    for (; h->n < a->n; h->n++) {
        if (open_one(s, a, &h->fds[h->n]) == OK) continue;
        int why = errno;
        free_held(h);
        errno = why;
        return NULL;
    }
    h->next = s->held;
    return s->held = h;
}

static err reply(const struct supervisor *s, int error, const int *fds, uint32_t n) {
    for (uint32_t at = 0;;) {
        uint32_t count = n - at < CHUNK ? n - at : CHUNK;
        struct reply r = {.error = error, .n = count, .left = n - at - count};
        TRY(unix_sock_send(s->child_fd, &r, sizeof r, n ? fds + at : NULL, count));
        if ((at += count) == n) return OK;
    }
}

static void on_ask(struct loop_fd *f, uint32_t events) {
    struct supervisor *s = container_of(f, struct supervisor, child);
    (void)events;
    struct ask a;
    size_t n = 0, fds_n = 0;
    int none;
    err e = unix_sock_recv(s->child_fd, &a, sizeof a, &n, &none, 0, &fds_n);
    bool sound = e == OK && n == sizeof a && a.n >= 1 && a.n <= SOCKETS_MAX && a.ip.family <= 6;
    if (sound && a.op == OP_CLOSE) {
        struct held **at = find_held(s, &a.ip, a.port), *h = *at;
        if (h) {
            *at = h->next;
            free_held(h);
        }
        e = reply(s, 0, NULL, 0);
    } else if (sound && a.op == OP_OPEN) {
        const struct held *h = open_held(s, &a);
        e = h ? reply(s, 0, h->fds, h->n) : reply(s, errno ? errno : EIO, NULL, 0);
    }
    /* At its end the child is gone, or about to: SIGCHLD tells. Words that make no sense are not answered. */
    if (e != OK || !sound) loop_remove(&s->loop, &s->child);
}

/* What the child must not have of its parent's. The listening sockets reach it again by its asking. */
static void become_child(struct supervisor *s, int fd, pid_t parent) {
    s->is_child = true;
    s->serve_fd = fd;
    for (const struct held *h = s->held; h; h = h->next)
        for (uint32_t i = 0; i < h->n; i++) close(h->fds[i]);
    inherited_fini(&s->inherited);
    close(s->signal_fd);
    close(s->child_fd);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* without its supervisor it drains and ends */
    if (getppid() != parent) raise(SIGTERM);
    setpgid(0, 0); /* Ctrl-C reaches it by its supervisor, once */
    loop_stop(&s->loop);
}

static void start_child(struct supervisor *s) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_error("supervisor socketpair err=\"%s\"", strerror(errno));
        s->status = 1;
        loop_stop(&s->loop);
        return;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        log_error("supervisor fork err=\"%s\"", strerror(errno));
        close(pair[0]);
        close(pair[1]);
        s->phase = PHASE_WAIT;
        timer_set(&s->loop.timers, &s->restart, clock_monotonic_us() + RESTART_US_MAX);
        return;
    }
    s->child_fd = pair[0];
    if (pid == 0) {
        become_child(s, pair[1], parent);
        return;
    }
    close(pair[1]);
    s->phase = PHASE_RUN;
    s->pid = pid;
    s->born_us = clock_monotonic_us();
    if (loop_add_level(&s->loop, &s->child, s->child_fd) != OK) kill(pid, SIGKILL);
}

static void on_restart(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct supervisor *s = container_of(t, struct supervisor, restart);
    if (s->phase == PHASE_WAIT) start_child(s);
}

/* The child ended. By itself, or because it was told to: so do we. Killed by a signal: it is started again. */
static void on_end(struct supervisor *s, int how) {
    loop_remove(&s->loop, &s->child);
    close(s->child_fd);
    s->child_fd = -1, s->pid = 0;
    bool killed = WIFSIGNALED(how);
    s->status = killed ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    if (!killed || s->phase == PHASE_ENDING) {
        s->phase = PHASE_DONE;
        loop_stop(&s->loop);
        return;
    }
    uint64_t now = clock_monotonic_us();
    bool lived_well = now - s->born_us >= LIVED_WELL_US;
    s->delay_us = lived_well || !s->delay_us ? RESTART_US_MIN : num_min(s->delay_us * 2, RESTART_US_MAX);
    log_error("serving process died signal=%d restart_in_ms=%u", WTERMSIG(how),
              (unsigned)(s->delay_us / 1000));
    s->phase = PHASE_WAIT;
    timer_set(&s->loop.timers, &s->restart, now + s->delay_us);
}

static void pass_on(struct supervisor *s, int signal) {
    if (signal != SIGHUP) {
        if (s->phase == PHASE_WAIT) { /* nobody there to drain */
            s->phase = PHASE_DONE;
            loop_stop(&s->loop);
            return;
        }
        s->phase = PHASE_ENDING;
    }
    if (s->pid > 0) kill(s->pid, signal);
}

static void on_signals(struct loop_fd *f, uint32_t events) {
    struct supervisor *s = container_of(f, struct supervisor, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        int how;
        if (info.ssi_signo != SIGCHLD) {
            pass_on(s, (int)info.ssi_signo);
        } else if (s->pid > 0 && waitpid(s->pid, &how, WNOHANG) == s->pid) {
            on_end(s, how);
        }
    }
}

int supervisor_run(int (*serve)(void *arg, int supervisor), void *arg) {
    struct supervisor s = {.child_fd = -1};
    sigset_t signals, before;
    handled_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, &before);
    s.signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    inherited_take(&s.inherited);
    loop_init(&s.loop);
    s.signals = (struct loop_fd){.fd = -1, .on_ready = on_signals};
    s.child = (struct loop_fd){.fd = -1, .on_ready = on_ask};
    timer_init(&s.restart, on_restart);
    if (s.signal_fd < 0 || loop_add_level(&s.loop, &s.signals, s.signal_fd) != OK) {
        log_error("supervisor signalfd err=\"%s\"", strerror(errno));
        s.status = 1;
    } else {
        start_child(&s);
        loop_run(&s.loop, NULL, NULL);
    }
    timer_forget(&s.loop.timers, &s.restart);
    loop_fini(&s.loop);
    while (s.held) {
        struct held *h = s.held;
        s.held = h->next;
        if (s.is_child)
            free(h); /* its descriptors are closed here, and the parent's stay */
        else
            free_held(h);
    }
    inherited_fini(&s.inherited);
    if (s.is_child)
        return serve(arg, s.serve_fd); /* the signals stay blocked: serve() takes them by a descriptor */
    if (s.signal_fd >= 0) close(s.signal_fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return s.status;
}

static err receive(int supervisor, uint32_t n, int *ret_fds, int *ret_errno) {
    uint32_t have = 0;
    struct reply r = {0};
    do {
        size_t got = 0, fds_n = 0;
        err e = unix_sock_recv(supervisor, &r, sizeof r, &got, n ? ret_fds + have : NULL, n - have, &fds_n);
        if (e != OK || got != sizeof r || r.n != fds_n)
            r = (struct reply){.error = e == ERR_END ? EPIPE : EIO};
        if (!r.error) have += r.n;
    } while (!r.error && r.left);
    if (!r.error && have != n) r.error = EIO;
    if (!r.error) return OK;
    for (uint32_t i = 0; i < have; i++) close(ret_fds[i]);
    *ret_errno = r.error;
    return ERR_IO;
}

err supervisor_open(int supervisor, const struct ip *ip, uint16_t port, uint32_t n, int *ret_fds,
                    int *ret_errno) {
    assert(n >= 1 && n <= SOCKETS_MAX);
    struct ask a = {.op = OP_OPEN, .port = port, .n = n, .ip = *ip};
    if (unix_sock_send(supervisor, &a, sizeof a, NULL, 0) != OK) {
        *ret_errno = errno;
        return ERR_IO;
    }
    return receive(supervisor, n, ret_fds, ret_errno);
}

err supervisor_close(int supervisor, const struct ip *ip, uint16_t port) {
    struct ask a = {.op = OP_CLOSE, .port = port, .n = 1, .ip = *ip};
    int why;
    TRY(unix_sock_send(supervisor, &a, sizeof a, NULL, 0));
    return receive(supervisor, 0, NULL, &why);
}
