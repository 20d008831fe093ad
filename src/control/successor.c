/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/num.h"
#include "control/supervisor_state.h"
#include "io/log.h"

/* What a supervisor holds, for the binary that it goes on as: head, then children, then listeners each with its descriptors, then what a
 * service manager gave. Descriptors keep their numbers. */
struct child_state {
    uint32_t number;
    pid_t pid;
    int fd;
    bool ready, serving;
    uint64_t born_us;
};
struct held_state {
    struct ip ip;
    uint16_t port;
    enum words_use use;
    bool given, hushed;
    uint32_t asked_by, n;
};
struct state {
    uint32_t version, numbers, deaths, supervisors;
    int last_signal, last_good, crash, door, keepsake;
    int64_t last_death_s;
    uint32_t children_n, held_n, inherited_n;
};

int successor_file(const void *bytes, size_t n) {
    int fd = memfd_create("postern", 0); /* not closed on exec: that is what it is for */
    if (fd < 0) return -1;
    if (write(fd, bytes, n) == (ssize_t)n) return fd;
    close(fd);
    return -1;
}

bool successor_read(int fd, void *bytes, size_t n) {
    bool whole = fd >= 0 && pread(fd, bytes, n, 0) == (ssize_t)n;
    if (fd >= 0) close(fd);
    return whole;
}

int successor_named(const char *name) {
    const char *text = getenv(name);
    uint64_t v;
    int fd = text && num_parse(str_of(text), INT32_MAX, &v) == OK ? (int)v : -1;
    unsetenv(name);
    return fd;
}

/* The subcommand comes first; an earlier --workers gives way. */
char **successor_argv(const struct supervisor *s, const char *binary, const char *workers) {
    static const char option[] = "--workers";
    size_t n = 0, at = 0;
    while (s->c->argv[n]) n++;
    char **argv = base_zalloc((n + 4) * sizeof *argv);
    argv[at++] = (char *)(uintptr_t)binary;
    argv[at++] = s->c->argv[0];
    if (*workers) {
        argv[at++] = (char *)(uintptr_t)option;
        argv[at++] = (char *)(uintptr_t)workers;
    }
    bool options = true;
    for (size_t i = 1; i < n; i++) {
        char *one = s->c->argv[i];
        options &= strcmp(one, "--") != 0;
        if (*workers && options && strncmp(one, option, sizeof option - 1) == 0) {
            i += one[sizeof option - 1] == 0; /* its value is a word of its own */
            continue;
        }
        argv[at++] = one;
    }
    return argv;
}

/* ---- out ---- */

static void add(int file, const void *bytes, size_t n, bool *whole) {
    *whole = *whole && write(file, bytes, n) == (ssize_t)n;
}

static void keep(int fd, bool over_exec) {
    if (fd >= 0) fcntl(fd, F_SETFD, over_exec ? 0 : FD_CLOEXEC);
}

static void keep_all(const struct supervisor *s, bool over_exec) {
    for (const struct supervisor_child *c = s->children; c; c = c->next) keep(c->fd, over_exec);
    for (const struct held *h = s->held.first; h; h = h->next)
        for (uint32_t i = 0; i < h->n; i++) keep(h->fds[i], over_exec);
    for (uint32_t i = 0; i < s->held.inherited.n; i++) keep(s->held.inherited.v[i].fd, over_exec);
    keep(s->last_good, over_exec);
    keep(s->crash, over_exec);
    keep(s->upgrade.door.fd, over_exec);
}

static int write_state(const struct supervisor *s, int keepsake) {
    struct state head = {.version = WORDS_VERSION,
                         .numbers = s->numbers,
                         .deaths = s->deaths,
                         .supervisors = s->supervisors + 1,
                         .last_signal = s->last_signal,
                         .last_death_s = s->last_death_s,
                         .last_good = s->last_good,
                         .crash = s->crash,
                         .door = s->upgrade.door.fd,
                         .keepsake = keepsake,
                         .inherited_n = s->held.inherited.n};
    for (const struct supervisor_child *c = s->children; c; c = c->next) head.children_n++;
    for (const struct held *h = s->held.first; h; h = h->next) head.held_n++;
    int file = successor_file(&head, sizeof head);
    bool whole = file >= 0;
    for (const struct supervisor_child *c = s->children; c; c = c->next) {
        struct child_state x = {c->number, c->pid, c->fd, c->ready, c == s->serving, c->born_us};
        add(file, &x, sizeof x, &whole);
    }
    for (const struct held *h = s->held.first; h; h = h->next) {
        struct held_state x = {h->ip, h->port, h->use, h->given, h->hushed, h->asked_by, h->n};
        add(file, &x, sizeof x, &whole);
        add(file, h->fds, h->n * sizeof h->fds[0], &whole);
    }
    add(file, s->held.inherited.v, head.inherited_n * sizeof s->held.inherited.v[0], &whole);
    if (whole) return file;
    if (file >= 0) close(file);
    return -1;
}

void successor_become(struct supervisor *s, const char *binary) {
    int keepsake = successor_file(s->c->keepsake, s->c->keepsake_n);
    int file = keepsake >= 0 ? write_state(s, keepsake) : -1;
    if (file >= 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", file);
        setenv(WORDS_GOES_ON, number, 1);
        keep_all(s, true);
        char **argv = successor_argv(s, binary, s->upgrade.workers);
        execv(binary, argv);
        int why = errno;
        free(argv);
        keep_all(s, false);
        unsetenv(WORDS_GOES_ON);
        close(file);
        errno = why;
    }
    log_warn("upgrade supervisor err=\"%s\" effect=\"the supervisor goes on as the binary it was\"",
             strerror(errno));
    if (keepsake >= 0) close(keepsake);
}

/* ---- in ---- */

static bool take(int file, void *bytes, size_t n) { return read(file, bytes, n) == (ssize_t)n; }

static bool take_child(struct supervisor *s, int file) {
    struct child_state x;
    if (!take(file, &x, sizeof x)) return false;
    struct supervisor_child *c = supervisor_adopt(s, x.number, x.pid, x.fd, x.born_us);
    c->ready = x.ready;
    if (x.serving) s->serving = c;
    return loop_add_level(&s->loop, &c->asks, c->fd) == OK;
}

static bool take_held(struct supervisor *s, int file) {
    struct held_state x;
    if (!take(file, &x, sizeof x) || x.n > WORDS_SOCKETS_MAX) return false;
    struct held *h = base_zalloc(sizeof *h + x.n * sizeof h->fds[0]);
    if (!take(file, h->fds, x.n * sizeof h->fds[0])) {
        free(h); /* of its descriptors, those that are not known are not closed, or given to anybody */
        return false;
    }
    *h = (struct held){s->held.first, x.ip, x.port, x.use, x.given, x.hushed, x.asked_by, x.n};
    s->held.first = h;
    return true;
}

static bool take_inherited(struct supervisor *s, int file, uint32_t n) {
    if (n > WORDS_SOCKETS_MAX) return false;
    struct inherited h = {base_zalloc((n + 1) * sizeof *h.v), n};
    if (!take(file, h.v, n * sizeof *h.v)) {
        free(h.v);
        return false;
    }
    s->held.inherited = h;
    return true;
}

bool successor_take(struct supervisor *s, int fd) {
    struct state head;
    bool sound = lseek(fd, 0, SEEK_SET) == 0 && take(fd, &head, sizeof head) &&
                 head.version == WORDS_VERSION &&
                 successor_read(head.keepsake, s->c->keepsake, s->c->keepsake_n);
    for (uint32_t i = 0; sound && i < head.children_n; i++) sound = take_child(s, fd);
    for (uint32_t i = 0; sound && i < head.held_n; i++) sound = take_held(s, fd);
    sound = sound && take_inherited(s, fd, head.inherited_n);
    close(fd);
    if (!sound) {
        log_error(
            "upgrade supervisor err=\"what the one before held can not be read\" effect=\"starting anew\"");
        return false;
    }
    s->numbers = head.numbers, s->deaths = head.deaths, s->supervisors = head.supervisors;
    s->last_signal = head.last_signal, s->last_death_s = head.last_death_s;
    s->last_good = head.last_good, s->crash = head.crash;
    keep_all(s, false);
    changeover_open(s, head.door);
    keep(head.door, false);
    log_info("supervisor goes on version=%s binaries_before=%u", POSTERN_VERSION, s->supervisors);
    return true;
}
