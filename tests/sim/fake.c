/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "fake_inside.h"

struct fake *fake_now;

enum { TRACE_TOLD_BYTES = 24 << 10 };

void fake_init(struct fake *k, uint64_t seed) {
    *k = (struct fake){.seed = seed, .now_us = FAKE_BEGIN_US, .rng.state = hash_join(seed, 17)};
    buf_init(&k->trace, FAKE_TRACE_BYTES_MAX);
    fake_now = k;
}

void fake_fini(struct fake *k) {
    heap_fini(&k->events);
    buf_fini(&k->trace);
    fake_now = NULL;
}

/* ---- what is told ---- */

void fake_trace(const char *fmt, ...) {
    struct fake *k = fake_now;
    size_t from = k->trace.n;
    va_list args;
    va_start(args, fmt);
    buf_printf(&k->trace, "%10llu ", (unsigned long long)k->now_us);
    buf_vprintf(&k->trace, fmt, args);
    buf_add_char(&k->trace, '\n');
    va_end(args);
    str line = str_from(buf_str(&k->trace), from);
    k->trace_hash = hash_join(k->trace_hash, hash_bytes(line.p, line.n, 0));
}

void fake_tell(void) {
    struct fake *k = fake_now;
    if (!k) return;
    str all = buf_str(&k->trace);
    bool whole = getenv("SIM_TRACE") || all.n <= TRACE_TOLD_BYTES;
    str told = whole ? all : str_from(all, all.n - TRACE_TOLD_BYTES);
    fprintf(stderr, STR_FMT "%sseed %llu (build/debug/sim_test %llu shows it; SIM_TRACE=1: all of it)\n",
            STR_ARG(told), whole ? "" : "(what went before is left out)\n", (unsigned long long)k->seed,
            (unsigned long long)k->seed);
}

void fake_fail(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fake_tell();
    fprintf(stderr, "FAILED: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    _Exit(1);
}

/* ---- time ---- */

void fake_at(struct fake_event *e, uint64_t us) {
    heap_set(&fake_now->events, &e->item, us > fake_now->now_us ? us : fake_now->now_us);
}

static void run_due(struct fake *k) {
    for (struct heap_item *it; (it = heap_first(&k->events)) && it->key <= k->now_us;) {
        heap_remove(&k->events, it);
        struct fake_event *e = container_of(it, struct fake_event, item);
        k->progress++;
        e->run(e);
    }
}

void fake_rest(void) {
    struct fake *k = fake_now;
    for (const struct heap_item *it; (it = heap_first(&k->events));) {
        k->now_us = it->key;
        run_due(k);
    }
}

/* ---- descriptors ---- */

struct fake_file *fake_file_open(enum fake_kind kind) {
    struct fake *k = fake_now;
    int at = 0;
    if ((kind == FAKE_TCP) && k->out_of_files) {
        k->out_of_files--;
        errno = EMFILE;
        return NULL;
    }
    while (at < FAKE_FDS_MAX && k->files[at]) at++;
    if (at == FAKE_FDS_MAX) fake_fail("more than %d descriptors", FAKE_FDS_MAX);
    struct fake_file *f = base_zalloc(sizeof *f);
    *f = (struct fake_file){.kind = kind, .fd = FAKE_FD_FIRST + at};
    f->queue_end = &f->queue;
    k->files[at] = f;
    k->files_n++;
    if ((uint32_t)at >= k->files_top) k->files_top = (uint32_t)at + 1;
    return f;
}

struct fake_file *fake_file_of(int fd) {
    if (!fake_now || fd < FAKE_FD_FIRST || fd >= FAKE_FD_FIRST + FAKE_FDS_MAX) return NULL;
    struct fake_file *f = fake_now->files[fd - FAKE_FD_FIRST];
    if (!f) fake_fail("a call on descriptor %d, which is not open", fd);
    return f;
}

void fake_file_close(struct fake_file *f) {
    fake_now->files[f->fd - FAKE_FD_FIRST] = NULL;
    fake_now->files_n--;
    fake_now->progress++;
    free(f);
}

/* ---- readiness ---- */

uint32_t fake_file_poll(const struct fake_file *f) {
    switch (f->kind) {
    case FAKE_BELL: return (f->bell ? EPOLLIN : 0) | EPOLLOUT;
    case FAKE_LISTENER: return f->queue ? EPOLLIN : 0;
    case FAKE_TCP: return f->tcp ? fake_tcp_poll(f->tcp) : EPOLLOUT | EPOLLHUP;
    case FAKE_EPOLL: return 0;
    }
    abort();
}

void fake_file_wake(struct fake_file *f, uint32_t events) {
    if (f && f->watched && (events & (f->watch.events | EPOLLERR | EPOLLHUP))) f->ready = true;
}

static int collect(struct fake *k, struct epoll_event *out, int most) {
    struct fake_file *list[FAKE_FDS_MAX];
    int n = 0, given = 0;
    for (uint32_t i = 0; i < k->files_top; i++) {
        struct fake_file *f = k->files[i];
        if (!f || !f->watched) continue;
        if (!f->ready && f->kind == FAKE_TCP && rng_below(&k->rng, 4000) == 0)
            f->ready = true; /* for nothing */
        if (f->ready) list[n++] = f;
    }
    for (int i = n - 1; i > 0; i--) { /* in any order */
        int j = (int)rng_below(&k->rng, (uint32_t)i + 1);
        struct fake_file *t = list[i];
        list[i] = list[j], list[j] = t;
    }
    if (n > 1 && rng_below(&k->rng, 4) == 0) most = 1 + (int)rng_below(&k->rng, 3); /* the rest: next time */
    for (int i = 0; i < n && given < most; i++) {
        struct fake_file *f = list[i];
        uint32_t now = fake_file_poll(f) & (f->watch.events | EPOLLERR | EPOLLHUP);
        if (!now || f->watch.events & EPOLLET) f->ready = false;
        if (now) out[given++] = (struct epoll_event){.events = now, .data = f->watch.data};
    }
    return given;
}

static void count_turn(struct fake *k) {
    k->turns++;
    k->idle_turns = k->progress == k->progress_seen ? k->idle_turns + 1 : 0;
    k->progress_seen = k->progress;
    if (k->idle_turns > FAKE_IDLE_TURNS_MAX) fake_fail("it turns and nothing happens");
}

int fake_wait(struct epoll_event *out, int most, int timeout_ms) {
    struct fake *k = fake_now;
    uint64_t until = timeout_ms < 0 ? UINT64_MAX : k->now_us + (uint64_t)timeout_ms * 1000;
    count_turn(k);
    if (rng_below(&k->rng, 8) == 0) k->now_us += rng_below(&k->rng, 2000); /* it was not run for a while */
    for (;;) {
        run_due(k);
        if (k->between) k->between(k->arg);
        int n = collect(k, out, most);
        if (n) return n;
        if (k->now_us >= until || !timeout_ms) return 0;
        const struct heap_item *it = heap_first(&k->events);
        if (!it && until == UINT64_MAX) fake_fail("it waits for ever");
        uint64_t next = it ? it->key : UINT64_MAX;
        k->now_us = next < until ? next : until;
        if (k->now_us == until) k->now_us += rng_below(&k->rng, 1000);
        if (rng_below(&k->rng, 3) == 0) k->now_us += rng_below(&k->rng, 300);
        k->progress++;
    }
}
