/* SPDX-License-Identifier: Apache-2.0 */
#include "control/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "control/supervisor_state.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/unix_sock.h"

enum {
    CHUNK = 64, /* descriptors in a message */
    RESTART_US_MIN = 100000,
    RESTART_US_MAX = 10000000,
    LIVED_WELL_US = 10000000, /* who lived this long begins again with the shortest delay */
    LOOP_DEATHS = 3,          /* in a row: said to be a crash loop */
};

static void handled_signals(sigset_t *s) {
    sigemptyset(s);
    sigaddset(s, SIGTERM);
    sigaddset(s, SIGINT);
    sigaddset(s, SIGHUP);
    sigaddset(s, SIGCHLD);
}

static err reply(int fd, int error, const int *fds, uint32_t n) {
    for (uint32_t at = 0;;) {
        uint32_t count = n - at < CHUNK ? n - at : CHUNK;
        struct words_reply r = {.error = error, .n = count, .left = n - at - count};
        TRY(unix_sock_send(fd, &r, sizeof r, n ? fds + at : NULL, count));
        if ((at += count) == n) return OK;
    }
}

/* Listeners that are gone without anybody who could say so: the one that serves now is alone, and never asked for them. */
static void close_vanished(struct supervisor *s) {
    const struct supervisor_child *c = s->serving;
    if (c && c->ready && s->children == c && !c->next) held_close_unasked(&s->held, c->number);
}

static void become_serving(struct supervisor_child *c) {
    struct supervisor *s = c->s;
    c->ready = true;
    if (!changeover_is_ready(c)) close_vanished(s);
    changeover_go_on(s);
}

static err answer(struct supervisor_child *c, const struct words_ask *a) {
    struct held_all *held = &c->s->held;
    const struct held *h;
    switch (a->op) {
    case WORDS_OPEN:
        h = held_open(held, a, c->number);
        return h ? reply(c->fd, 0, h->fds, h->n) : reply(c->fd, errno ? errno : EIO, NULL, 0);
    case WORDS_HUSH: held_hush(held, a, c->number); return reply(c->fd, 0, NULL, 0);
    case WORDS_CLOSE: held_close(held, a, c->number); return reply(c->fd, 0, NULL, 0);
    case WORDS_READY: become_serving(c); return OK;
    case WORDS_LEFT:
        changeover_has_left(c);
        changeover_go_on(c->s);
        return OK;
    }
    return ERR_PROTO;
}

static void on_ask(struct loop_fd *f, uint32_t events) {
    struct supervisor_child *c = container_of(f, struct supervisor_child, asks);
    (void)events;
    struct words_ask a;
    size_t n = 0, fds_n = 0;
    int none;
    err e = unix_sock_recv(c->fd, &a, sizeof a, &n, &none, 0, &fds_n);
    bool sound = e == OK && n == sizeof a && a.n >= 1 && a.n <= WORDS_SOCKETS_MAX && a.ip.family <= 6;
    /* At its end the child is gone, or about to: SIGCHLD tells. Words that make no sense are not answered. */
    if (!sound || answer(c, &a) != OK) loop_remove(&c->s->loop, &c->asks);
}

/* ---- children ---- */

struct supervisor_child *supervisor_adopt(struct supervisor *s, uint32_t number, pid_t pid, int fd,
                                          uint64_t born_us) {
    struct supervisor_child *c = base_zalloc(sizeof *c);
    *c = (struct supervisor_child){.next = s->children,
                                   .s = s,
                                   .asks = {.fd = -1, .on_ready = on_ask},
                                   .number = number,
                                   .pid = pid,
                                   .fd = fd,
                                   .born_us = born_us};
    return s->children = c;
}

void supervisor_forget(struct supervisor_child *c) {
    struct supervisor *s = c->s;
    struct supervisor_child **at = &s->children;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    if (s->serving == c) s->serving = NULL;
    changeover_has_left(c);
    loop_remove(&s->loop, &c->asks);
    close(c->fd);
    free(c);
}

struct supervisor_child *supervisor_child_new(struct supervisor *s, int *ret_end) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return NULL;
    struct supervisor_child *c = supervisor_adopt(s, ++s->numbers, 0, pair[0], clock_monotonic_us());
    if (loop_add_level(&s->loop, &c->asks, c->fd) != OK) {
        close(pair[1]);
        supervisor_forget(c);
        return NULL;
    }
    *ret_end = pair[1];
    return c;
}

struct words_start supervisor_start_of(const struct supervisor *s, int end) {
    return (struct words_start){.version = WORDS_VERSION,
                                .supervisor = end,
                                .keepsake = -1,
                                .log = -1,
                                .last_good = s->last_good,
                                .crash = s->crash,
                                .deaths = s->deaths,
                                .last_signal = s->last_signal,
                                .last_death_s = s->last_death_s,
                                .supervisors = s->supervisors};
}

/* What the child must not have of its parent's is gone with supervisor_run()'s end. The listening sockets reach it again by its asking. */
static void become_child(struct supervisor *s, int end, pid_t parent) {
    s->is_child = true;
    loop_forked(&s->loop);
    s->start = supervisor_start_of(s, end);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* without its supervisor it drains and ends */
    if (getppid() != parent) raise(SIGTERM);
    setpgid(0, 0); /* Ctrl-C reaches it by its supervisor, once */
    loop_stop(&s->loop);
}

static void wait_and_start(struct supervisor *s, uint64_t us) {
    s->phase = SUPERVISOR_WAITS;
    timer_set(&s->loop.timers, &s->restart, clock_monotonic_us() + us);
}

static void start_child(struct supervisor *s) {
    int end = -1;
    struct supervisor_child *c = supervisor_child_new(s, &end);
    pid_t parent = getpid(), pid = c ? fork() : -1;
    if (pid < 0) {
        log_error("serving process err=\"%s\" retrying in_ms=%u", strerror(errno), RESTART_US_MAX / 1000);
        if (c) close(end), supervisor_forget(c);
        wait_and_start(s, RESTART_US_MAX);
        return;
    }
    if (pid == 0) {
        become_child(s, end, parent);
        return;
    }
    close(end);
    c->pid = pid;
    s->serving = c;
    s->phase = SUPERVISOR_RUNS;
}

static void on_restart(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct supervisor *s = container_of(t, struct supervisor, restart);
    if (s->phase == SUPERVISOR_WAITS) start_child(s);
}

static void done(struct supervisor *s) {
    s->phase = SUPERVISOR_DONE;
    loop_stop(&s->loop);
}

/* Killed by a signal: another is started, later each time that it did not live for long. */
static void start_again(struct supervisor *s, uint64_t born_us, int signal) {
    uint64_t now = clock_monotonic_us();
    bool lived_well = now - born_us >= LIVED_WELL_US;
    s->delay_us = lived_well || !s->delay_us ? RESTART_US_MIN : num_min(s->delay_us * 2, RESTART_US_MAX);
    s->in_a_row = lived_well ? 1 : s->in_a_row + 1;
    s->deaths++;
    s->last_signal = signal;
    s->last_death_s = clock_wall_s();
    log_error("serving process died signal=%d name=SIG%s lived_ms=%llu restart_in_ms=%u%s", signal,
              sigabbrev_np(signal) ? sigabbrev_np(signal) : "?", (unsigned long long)((now - born_us) / 1000),
              (unsigned)(s->delay_us / 1000),
              signal == SIGKILL ? " hint=\"killed from outside; the kernel does so when memory ends\"" : "");
    if (s->in_a_row >= LOOP_DEATHS)
        log_error(
            "crash loop deaths_in_a_row=%u restart_in_ms=%u remedy=\"what it did is told above; connections "
            "wait meanwhile\"",
            s->in_a_row, (unsigned)(s->delay_us / 1000));
    wait_and_start(s, s->delay_us);
}

/* One of them ended. The one that serves by itself, or because it was told to: so do we, once the others have. */
static void on_end(struct supervisor_child *c, int how) {
    struct supervisor *s = c->s;
    bool killed = WIFSIGNALED(how), served = c == s->serving;
    uint64_t born_us = c->born_us;
    if (served) s->status = killed ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    if (changeover_has_died(c, how)) {
        /* told to whoever asked for it */
    } else if (!served) {
        log_info("former serving process ended pid=%d %s=%d", (int)c->pid, killed ? "signal" : "status",
                 killed ? WTERMSIG(how) : WEXITSTATUS(how));
    }
    supervisor_forget(c);
    if (served && killed && s->phase != SUPERVISOR_ENDS)
        start_again(s, born_us, WTERMSIG(how));
    else if (served)
        s->phase = SUPERVISOR_ENDS;
    if (s->phase == SUPERVISOR_ENDS && !s->children) done(s);
    close_vanished(s);
    changeover_go_on(s);
}

static void pass_on(struct supervisor *s, int signal) {
    if (signal != SIGHUP) {
        s->phase = SUPERVISOR_ENDS;
        if (!s->children) done(s); /* nobody there to drain */
    }
    for (const struct supervisor_child *c = s->children; c; c = c->next)
        if (c->pid > 0 && (signal != SIGHUP || c == s->serving)) kill(c->pid, signal);
}

/* As the first process of a container we are everybody's parent. */
static void reap(struct supervisor *s) {
    int how;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;)
        for (struct supervisor_child *c = s->children, *next; c; c = next) {
            next = c->next;
            if (c->pid == pid) on_end(c, how);
        }
}

static void on_signals(struct loop_fd *f, uint32_t events) {
    struct supervisor *s = container_of(f, struct supervisor, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else
            pass_on(s, (int)info.ssi_signo);
    }
}

/* ---- the door ---- */

/* Started by another binary's supervisor, which serves until we are ready. */
static int serve_for_another(const struct supervisor_config *c, int fd) {
    struct words_start start = {0};
    if (!successor_read(fd, &start, sizeof start) || start.version != WORDS_VERSION) {
        log_error(
            "upgrade err=\"the running supervisor hands over in a way that this version does not know\" "
            "remedy=\"start anew instead\"");
        return 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (start.keepsake >= 0 && !successor_read(start.keepsake, c->keepsake, c->keepsake_n)) return 1;
    return c->serve(c->arg, &start);
}

static void supervisor_init(struct supervisor *s, const struct supervisor_config *c,
                            const sigset_t *signals) {
    *s = (struct supervisor){.c = c, .last_good = -1, .crash = -1};
    s->signal_fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    s->signals = (struct loop_fd){.fd = -1, .on_ready = on_signals};
    loop_init(&s->loop);
    timer_init(&s->restart, on_restart);
}

static void supervisor_fini(struct supervisor *s) {
    changeover_close(s);
    while (s->children) supervisor_forget(s->children);
    timer_forget(&s->loop.timers, &s->restart);
    loop_fini(&s->loop);
    held_fini(&s->held);
    if (s->signal_fd >= 0) close(s->signal_fd);
    if (s->is_child) return;
    if (s->last_good >= 0) close(s->last_good);
    if (s->crash >= 0) close(s->crash);
}

static void begin(struct supervisor *s, int before) {
    if (s->signal_fd < 0 || loop_add_level(&s->loop, &s->signals, s->signal_fd) != OK) {
        log_error("supervisor signalfd err=\"%s\"", strerror(errno));
        s->status = 1;
        return;
    }
    if (before >= 0 && successor_take(s, before)) {
        reap(s); /* who ended while nobody looked */
    } else {
        inherited_take(&s->held.inherited);
        s->last_good = memfd_create("postern-last-good", MFD_CLOEXEC);
        s->crash = memfd_create("postern-crash", MFD_CLOEXEC);
        changeover_open(s, -1);
        start_child(s);
    }
    loop_run(&s->loop, NULL, NULL);
}

int supervisor_run(const struct supervisor_config *c) {
    int serving = successor_named(WORDS_SERVING), before = successor_named(WORDS_GOES_ON);
    if (serving >= 0) return serve_for_another(c, serving);
    struct supervisor s;
    sigset_t signals, mask;
    handled_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, &mask);
    supervisor_init(&s, c, &signals);
    begin(&s, before);
    supervisor_fini(&s);
    if (s.is_child)
        return c->serve(c->arg, &s.start); /* the signals stay blocked: serve() takes them by a descriptor */
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return s.status;
}
