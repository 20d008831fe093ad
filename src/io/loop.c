/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/clock.h"

enum { EVENTS_MAX = 256 };
static_assert((int)LOOP_IN == (int)EPOLLIN && (int)LOOP_OUT == (int)EPOLLOUT, "same bits");
static_assert((int)LOOP_ERR == (int)EPOLLERR && (int)LOOP_HUP == (int)EPOLLHUP, "same bits");
static_assert((int)LOOP_RDHUP == (int)EPOLLRDHUP, "same bits");

void loop_init(struct loop *l) {
    *l = (struct loop){
        .epoll = epoll_create1(EPOLL_CLOEXEC), .events_max = EVENTS_MAX, .now_us = clock_monotonic_us()};
    assert(l->epoll >= 0);
    l->taken = base_alloc(EVENTS_MAX * sizeof(struct epoll_event));
}

void loop_fini(struct loop *l) {
    if (l->epoll >= 0) close(l->epoll);
    free(l->taken);
    heap_fini(&l->timers.heap);
    *l = (struct loop){.epoll = -1};
}

void loop_forked(struct loop *l) {
    close(l->epoll);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert(l->epoll >= 0);
}

static err add(struct loop *l, struct loop_fd *f, int fd, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = f};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0) return ERR_IO;
    f->fd = fd;
    return OK;
}

err loop_add(struct loop *l, struct loop_fd *f, int fd) {
    return add(l, f, fd, (uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP) | EPOLLET);
}

err loop_add_level(struct loop *l, struct loop_fd *f, int fd) { return add(l, f, fd, EPOLLIN); }

err loop_add_wanted(struct loop *l, struct loop_fd *f, int fd, uint32_t events) {
    return add(l, f, fd, events);
}

void loop_want(struct loop *l, struct loop_fd *f, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = f};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, f->fd, &e);
}

/* What was already taken this turn must not reach an owner that is gone. */
static void forget(struct loop *l, const struct loop_fd *f) {
    struct epoll_event *taken = l->taken;
    for (int i = l->taken_at; i < l->taken_n; i++)
        if (taken[i].data.ptr == f) taken[i].data.ptr = NULL;
}

void loop_remove(struct loop *l, struct loop_fd *f) {
    if (f->fd < 0) return;
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, f->fd, NULL);
    forget(l, f);
    f->fd = -1;
}

void loop_close(struct loop *l, struct loop_fd *f) {
    if (f->fd < 0) return;
    close(f->fd);
    forget(l, f);
    f->fd = -1;
}

struct loop_fd *loop_current(const struct loop *l) {
    const struct epoll_event *taken = l->taken;
    return l->taken_at > 0 ? taken[l->taken_at - 1].data.ptr : NULL;
}

/* Milliseconds to sleep until the next timer, rounded up; -1: none. */
static int patience(const struct loop *l) {
    uint64_t next = timer_next(&l->timers);
    if (next == UINT64_MAX) return -1;
    uint64_t now = clock_monotonic_us();
    if (next <= now) return 0;
    uint64_t ms = (next - now + 999) / 1000;
    return ms < 3600000 ? (int)ms : 3600000;
}

void loop_turn(struct loop *l, bool wait) {
    struct epoll_event *taken = l->taken;
    l->taken_n = epoll_wait(l->epoll, taken, (int)l->events_max, wait ? patience(l) : 0);
    l->now_us = clock_monotonic_us();
    if (l->taken_n < 0) {
        assert(errno == EINTR);
        l->taken_n = 0;
    }
    for (l->taken_at = 0; l->taken_at < l->taken_n;) {
        struct epoll_event e = taken[l->taken_at++];
        struct loop_fd *f = e.data.ptr;
        if (f) f->on_ready(f, e.events);
    }
    l->taken_n = l->taken_at = 0;
    timer_run(&l->timers, l->now_us);
}

void loop_run(struct loop *l, void (*after_turn)(void *arg), void *arg) {
    while (!l->stopped) {
        loop_turn(l, true);
        if (after_turn) after_turn(arg);
    }
}
