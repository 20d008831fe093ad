/* SPDX-License-Identifier: Apache-2.0 */
#include "control/changeover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "control/supervisor_state.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/unix_sock.h"

enum {
    LINE_BYTES_MAX = 5000,
    ASK_MS = 1000,
    LEAVE_US = 2000000 /* the one before lets go in this time, or is left to itself */
};

err changeover_socket_path(const char *admin_path, char ret[108]) {
    int n = snprintf(ret, 108, "%s.upgrade", admin_path);
    return n > 0 && n < 108 ? OK : ERR_LIMIT;
}

/* ---- what whoever asked is told ---- */

__attribute__((format(printf, 2, 3))) static void tell(struct changeover *u, const char *fmt, ...) {
    struct buf b;
    buf_init(&b, LINE_BYTES_MAX);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    buf_add_char(&b, '\n');
    if (u->client >= 0 && send(u->client, b.p, b.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_warn("upgrade err=\"whoever asked for it does not listen\"");
    buf_fini(&b);
}

static void hang_up(struct changeover *u) {
    if (u->client >= 0) close(u->client);
    u->client = -1;
}

/* ---- the new process ---- */

/* What it says before it is ready goes to our standard error and to whoever asked. */
static void on_said(struct loop_fd *f, uint32_t events) {
    struct supervisor *s = container_of(f, struct supervisor, upgrade.said);
    struct changeover *u = &s->upgrade;
    char text[4096];
    (void)events;
    ssize_t n = read(u->said_fd, text, sizeof text);
    if (n <= 0) {
        loop_remove(&s->loop, &u->said);
        return;
    }
    if (write(STDERR_FILENO, text, (size_t)n) < 0) { /* nowhere to tell it */
    }
    if (u->client >= 0 && send(u->client, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) hang_up(u);
}

static void forget_fresh(struct supervisor *s) {
    struct changeover *u = &s->upgrade;
    while (u->said.fd >= 0) on_said(&u->said, 0); /* its last words */
    if (u->said_fd >= 0) close(u->said_fd);
    u->said_fd = -1;
    u->fresh = NULL;
    timer_clear(&u->limit);
}

/* In the child. Never returns. */
__attribute__((noreturn)) static void become_fresh(struct supervisor *s, int end, int said, pid_t parent) {
    struct changeover *u = &s->upgrade;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) raise(SIGTERM);
    setpgid(0, 0);
    struct words_start start = supervisor_start_of(s, end);
    start.takes_over = true;
    start.keepsake = successor_file(s->c->keepsake, s->c->keepsake_n);
    start.log = fcntl(STDERR_FILENO, F_DUPFD, 3);
    const int kept[] = {end, s->last_good, s->crash};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (kept[i] >= 0) fcntl(kept[i], F_SETFD, 0);
    int file = successor_file(&start, sizeof start);
    char number[16];
    snprintf(number, sizeof number, "%d", file);
    setenv(WORDS_SERVING, number, 1);
    dup2(said, STDERR_FILENO);
    execv(u->binary, successor_argv(s, u->binary, u->workers));
    dprintf(STDERR_FILENO, "%s can not be run: %s\n", u->binary, strerror(errno));
    _exit(127);
}

static bool start_fresh(struct supervisor *s) {
    struct changeover *u = &s->upgrade;
    int end = -1, pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0) return false;
    struct supervisor_child *c = supervisor_child_new(s, &end);
    pid_t parent = getpid(), pid = c ? fork() : -1;
    if (pid == 0) become_fresh(s, end, pipes[1], parent);
    /* Its last words are those that are there: who keeps the other end open keeps nobody waiting. */
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    close(pipes[1]);
    if (end >= 0) close(end);
    if (pid < 0 || loop_add_level(&s->loop, &u->said, pipes[0]) != OK) {
        close(pipes[0]);
        if (pid > 0) kill(pid, SIGKILL);
        if (c && pid < 0) supervisor_forget(c);
        return false;
    }
    c->pid = pid;
    u->fresh = c;
    u->said_fd = pipes[0];
    return true;
}

static void on_limit(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct supervisor *s = container_of(t, struct supervisor, upgrade.limit);
    timer_clear(t);
    if (s->upgrade.before) {
        s->upgrade.before = NULL;
        s->upgrade.silent = true;
        changeover_go_on(s);
    }
    if (!s->upgrade.fresh) return;
    tell(&s->upgrade, "it is not ready in time and is ended");
    kill(s->upgrade.fresh->pid, SIGKILL);
}

static void end_handing_over(struct changeover *u) {
    u->before = NULL;
    u->handing_over = false;
    timer_clear(&u->limit);
}

bool changeover_has_died(struct supervisor_child *c, int how) {
    struct changeover *u = &c->s->upgrade;
    bool was_ready = u->handing_over && c == c->s->serving;
    if (u->fresh != c && !was_ready) return false;
    if (was_ready)
        end_handing_over(u);
    else
        forget_fresh(c->s);
    bool killed = WIFSIGNALED(how);
    int what = killed ? WTERMSIG(how) : WEXITSTATUS(how);
    log_error("upgrade binary=\"%s\" err=\"it ended with %s %d %s\" effect=\"%s\"", u->binary,
              killed ? "signal" : "status", what, was_ready ? "as soon as it served" : "before it was ready",
              was_ready ? "the one before had handed over; the binary before serves anew" : "none");
    tell(u, CHANGEOVER_FAILED "%s ended with %s %d %s", u->binary, killed ? "signal" : "status", what,
         was_ready ? "as soon as it served" : "before it was ready; what served before goes on");
    hang_up(u);
    return true;
}

bool changeover_is_ready(struct supervisor_child *c) {
    struct supervisor *s = c->s;
    struct changeover *u = &s->upgrade;
    if (u->fresh != c) return false;
    forget_fresh(s);
    struct supervisor_child *before = s->serving;
    s->serving = c;
    if (s->phase == SUPERVISOR_WAITS) s->phase = SUPERVISOR_RUNS; /* nobody served */
    timer_clear(&s->restart);
    u->handing_over = true;
    u->before = before;
    u->before_pid = before ? before->pid : 0;
    u->silent = false;
    if (!before) return true;
    kill(before->pid, before->ready ? SIGUSR2 : SIGTERM); /* not ready: there is nothing to hand over */
    timer_set(&s->loop.timers, &u->limit, clock_monotonic_us() + LEAVE_US);
    return true;
}

void changeover_has_left(struct supervisor_child *c) {
    struct changeover *u = &c->s->upgrade;
    if (u->before == c) u->before = NULL;
}

void changeover_go_on(struct supervisor *s) {
    struct changeover *u = &s->upgrade;
    if (!u->handing_over || u->before) return;
    end_handing_over(u);
    if (s->phase >= SUPERVISOR_ENDS) {
        tell(u, CHANGEOVER_FAILED "the gateway is ending");
        hang_up(u);
        return;
    }
    char rest[100] = "";
    if (u->before_pid)
        snprintf(rest, sizeof rest, "; the one before, process %d, %s", (int)u->before_pid,
                 u->silent ? "does not react and has not let go of the admin's address"
                           : "finishes what it has begun");
    log_info("upgrade done binary=\"%s\" pid=%d draining=%d%s", u->binary, (int)s->serving->pid,
             (int)u->before_pid, u->silent ? " err=\"it does not react\"" : "");
    tell(u, CHANGEOVER_DONE "%s serves as process %d%s", u->binary, (int)s->serving->pid, rest);
    hang_up(u);
    successor_become(s, u->binary);
}

/* ---- the door ---- */

static void begin(struct supervisor *s, const struct changeover_wish *w) {
    struct changeover *u = &s->upgrade;
    unsigned n = 0;
    for (const struct supervisor_child *c = s->children; c; c = c->next) n++;
    bool sound = w->version == WORDS_VERSION && w->seconds >= 1 && w->seconds <= CHANGEOVER_SECONDS_MAX &&
                 memchr(w->binary, 0, sizeof w->binary) && memchr(w->workers, 0, sizeof w->workers);
    const char *why = !sound ? "it was asked for in a way that this version does not know"
                      : u->fresh || u->handing_over ? "another one is under way"
                      : s->phase >= SUPERVISOR_ENDS ? "the gateway is ending"
                      : n >= SUPERVISOR_CHILDREN_MAX
                          ? "too many former processes still finish what they have begun"
                          : NULL;
    if (!why) {
        memcpy(u->binary, w->binary, sizeof u->binary);
        memcpy(u->workers, w->workers, sizeof u->workers);
        log_info("upgrade begins binary=\"%s\"", u->binary);
        if (start_fresh(s)) {
            timer_set(&s->loop.timers, &u->limit, clock_monotonic_us() + w->seconds * UINT64_C(1000000));
            return;
        }
        why = strerror(errno);
    }
    tell(u, CHANGEOVER_FAILED "%s", why);
    hang_up(u);
}

/* Whole, or not at all; a process that is stopped meanwhile and goes on reads on. */
static bool read_wish(int fd, struct changeover_wish *w) {
    struct timeval most = {.tv_usec = ASK_MS * 1000 - 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    size_t have = 0;
    while (have < sizeof *w) {
        ssize_t n = recv(fd, (char *)w + have, sizeof *w - have, MSG_WAITALL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        have += (size_t)n;
    }
    return true;
}

static void on_door(struct loop_fd *f, uint32_t events) {
    struct supervisor *s = container_of(f, struct supervisor, upgrade.door);
    struct changeover *u = &s->upgrade;
    struct changeover_wish w;
    (void)events;
    int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    if (!read_wish(fd, &w) || u->client >= 0) {
        static const char busy[] = CHANGEOVER_FAILED "another one is under way\n";
        if (u->client < 0 || send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            log_warn("upgrade err=\"asked for in a way that can not be understood\"");
        close(fd);
        return;
    }
    u->client = fd;
    begin(s, &w);
}

void changeover_open(struct supervisor *s, int door) {
    struct changeover *u = &s->upgrade;
    u->client = u->said_fd = -1;
    u->door = (struct loop_fd){.fd = -1, .on_ready = on_door};
    u->said = (struct loop_fd){.fd = -1, .on_ready = on_said};
    timer_init(&u->limit, on_limit);
    char path[108];
    if (!s->c->argv || !s->c->socket_path) return;
    err e = door >= 0 ? OK : changeover_socket_path(s->c->socket_path, path);
    if (e == OK && door < 0) e = unix_sock_listen(path, &door);
    if (e == OK) e = loop_add_level(&s->loop, &u->door, door);
    if (e != OK)
        log_warn("upgrade err=\"%s\" effect=\"postern upgrade does not reach this process\"",
                 strerror(errno));
}

void changeover_close(struct supervisor *s) {
    struct changeover *u = &s->upgrade;
    if (!u->door.on_ready) return; /* never opened */
    char path[108];
    int door = u->door.fd;
    loop_remove(&s->loop, &u->door);
    if (door >= 0) close(door);
    if (door >= 0 && !s->is_child && changeover_socket_path(s->c->socket_path, path) == OK) unlink(path);
    loop_remove(&s->loop, &u->said);
    if (u->said_fd >= 0) close(u->said_fd);
    hang_up(u);
    timer_forget(&s->loop.timers, &u->limit);
}
