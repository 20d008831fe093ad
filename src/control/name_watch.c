/* SPDX-License-Identifier: Apache-2.0 */
#include "control/name_watch.h"

#include "base/arena.h"
#include "control/name_book.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "resolve/needs.h"

struct name_watch {
    struct loop *loop;
    struct pipeline *pipeline;
    struct dns *dns;
    struct name_book *book;
    struct timer due;
};

static void work(struct name_watch *w) {
    uint64_t again_us = name_book_work(w->book, clock_monotonic_us());
    timer_clear(&w->due);
    if (again_us != UINT64_MAX) timer_set(&w->loop->timers, &w->due, again_us);
}

static void on_due(struct timer *t, uint64_t now_us) {
    (void)now_us;
    work(container_of(t, struct name_watch, due));
}

static void ask(void *arg, void *asker, str name, uint8_t family) {
    struct name_watch *w = arg;
    dns_ask(w->dns, asker, name, family);
}

static void on_answer(void *arg, void *asker, uint8_t family, const struct dns_answer *a) {
    struct name_watch *w = arg;
    uint64_t now_us = clock_monotonic_us();
    name_book_answer(w->book, asker, family, a, now_us);
    timer_set(&w->loop->timers, &w->due, now_us); /* not from here: name_book_work() may be asking */
}

/* What a name stands for is told at debug, that it stands for nothing or is not answered for once each time this begins. */
static void tell(void *arg, str name, const struct ip *ips, uint32_t n, str error) {
    struct name_watch *w = arg;
    const struct fact_name *known = facts_name(&w->pipeline->facts, name);
    bool failed = known && known->error.n;
    if (error.n && (!known || !str_eq(known->error, error)))
        log_warn("name host=" STR_FMT " addresses=%u err=\"" STR_FMT "\" %s", STR_ARG(name), n,
                 STR_ARG(error), n ? "going_on_with=\"those of before\"" : "requests_get=503");
    else if (!error.n && failed)
        log_info("name host=" STR_FMT " addresses=%u", STR_ARG(name), n);
    else
        log_debug("name host=" STR_FMT " addresses=%u", STR_ARG(name), n);
    facts_set_name(&w->pipeline->facts, name, ips, n, error);
}

static void forget(void *arg, str name) {
    struct name_watch *w = arg;
    facts_forget_name(&w->pipeline->facts, name);
}

struct name_watch *name_watch_new(struct loop *l, struct pipeline *p, const char *servers) {
    struct name_watch *w = base_zalloc(sizeof *w);
    *w = (struct name_watch){.loop = l, .pipeline = p};
    timer_init(&w->due, on_due);
    w->dns = dns_new(l, servers, on_answer, w);
    w->book = name_book_new(&(struct name_book_config){ask, tell, forget, w});
    return w;
}

void name_watch_free(struct name_watch *w) {
    if (!w) return;
    dns_free(w->dns);
    name_book_free(w->book);
    timer_forget(&w->loop->timers, &w->due);
    free(w);
}

void name_watch_passed(struct name_watch *w) {
    if (!w->pipeline->resolved.xbackends) return;
    OWNED(arena) a = arena_new();
    size_t n;
    str *names = needs_names(w->pipeline->resolver, &w->pipeline->plan, a, &n);
    name_book_want(w->book, names, n, clock_monotonic_us());
    work(w);
}

uint32_t name_watch_count(const struct name_watch *w, uint32_t *ret_failing) {
    return name_book_count(w->book, ret_failing);
}
