/* SPDX-License-Identifier: Apache-2.0 */
#include "control/builder.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#include "base/hash.h"
#include "control/follower.h"
#include "control/name_watch.h"
#include "control/pages.h"
#include "io/clock.h"
#include "io/log.h"
#include "resolve/features.h"

enum {
    FINDINGS_MAX = 10000, /* kept and shown; more are counted */
    FINDINGS_LOGGED_MAX = 100,
    ROUTES_MANY = 1000, /* resolved in one pass: what the pass took goes back to the system */
    PAGE_BYTES_MAX = 512 << 20,
    HOLD_US = 100000, /* for what a new route names */
    HOLD_FIRST_US = 10000000,
    UNSETTLED_US = 300000, /* under churn statuses are written between tables at the latest after so long */
};

static void pass(struct builder *b);

/* Where the time between a change and the first answer by it goes: bench/kube -l puts these lines together. */
static void tell_phase(const char *phase, uint64_t revision) {
    log_debug("phase=%s revision=%llu at_us=%llu", phase, (unsigned long long)revision,
              (unsigned long long)clock_monotonic_us());
}

static struct builder_news *news_new(struct builder *b, enum builder_event event) {
    struct builder_news *n = base_zalloc(sizeof *n);
    n->post.deliver = b->deliver;
    n->event = event;
    buf_init(&n->body, PAGE_BYTES_MAX);
    return n;
}

void builder_news_free(struct builder_news *n) {
    buf_fini(&n->body);
    free(n);
}

static void on_facts(void *arg) {
    struct builder *b = arg;
    tell_phase("facts", b->pipeline.facts.revision_adopted);
    pass(b);
}

static void on_drained(void *arg) {
    struct builder *b = arg;
    mailbox_post(b->to, &news_new(b, BUILDER_DRAINED)->post);
}

static void on_again(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct builder *b = container_of(t, struct builder, again);
    timer_clear(t);
    pass(b);
}

static void on_flush(struct timer *t, uint64_t now_us) {
    (void)now_us;
    timer_clear(t);
    builder_flush(container_of(t, struct builder, flush));
}

static void on_hold(struct timer *t, uint64_t now_us) {
    (void)now_us;
    timer_clear(t);
    pass(container_of(t, struct builder, hold));
}

/* What time decides is looked at anew: when to look again was reckoned by the clock of before. */
static void on_clock(struct loop_fd *f, uint32_t events) {
    struct builder *b = container_of(f, struct builder, clock);
    (void)events;
    if (!clock_was_set(f->fd)) return;
    log_info("clock was set");
    if (b->ready) pass(b);
}

static void watch_clock(struct builder *b) {
    b->clock = (struct loop_fd){.fd = -1, .on_ready = on_clock};
    b->clock_fd = clock_watch();
    if (b->clock_fd < 0 || loop_add_level(&b->loop, &b->clock, b->clock_fd) != OK)
        log_warn("clock is not watched err=\"%s\"", strerror(errno));
}

void builder_init(struct builder *b, const struct control_config *config, struct mailbox *to,
                  void (*deliver)(struct post *p, void *receiver)) {
    *b = (struct builder){.config = config, .to = to, .deliver = deliver};
    loop_init(&b->loop);
    mailbox_init(&b->box, b);
    err e = mailbox_attach(&b->box, &b->loop);
    assert(e == OK);
    b->files = files_new(&config->files);
    last_good_init(&b->last_good, config->start.last_good, config->memory_limit);
    pipeline_init(&b->pipeline, str_of(config->controller_name));
    b->pipeline.sandbox = config->sandbox;
    b->pipeline.start = &config->start;
    struct facts *f = &b->pipeline.facts;
    f->serving = true;
    f->port_maps_n = (uint32_t)config->port_maps_n;
    if (f->port_maps_n) { /* facts own their list of maps as little as the config does: it outlives them */
        f->port_maps = (struct fact_port_map *)(uintptr_t)config->port_maps;
    }
    b->names = name_watch_new(&b->loop, &b->pipeline, config->dns);
    b->found_arena = arena_new();
    finding_init(&b->found, b->found_arena);
    watch_clock(b);
    timer_init(&b->again, on_again);
    timer_init(&b->flush, on_flush);
    timer_init(&b->hold, on_hold);
    if (!config->cluster) return;
    struct follower_config c = {.pipeline = &b->pipeline,
                                .to = to,
                                .controller_name = config->controller_name,
                                .instance = config->cluster->identity,
                                .address_type = (uint8_t)config->cluster->type};
    b->follower = follower_new(&c);
    features_enable_cluster(f);
}

void builder_fini(struct builder *b) {
    mailbox_fini(&b->box);
    if (b->publish.c.loop) publish_fini(&b->publish);
    timer_forget(&b->loop.timers, &b->again);
    loop_remove(&b->loop, &b->clock);
    if (b->clock_fd >= 0) close(b->clock_fd);
    timer_forget(&b->loop.timers, &b->flush);
    timer_forget(&b->loop.timers, &b->hold);
    follower_free(b->follower);
    name_watch_free(b->names);
    map_each (e, &b->told) free(e->value);
    map_each (e, &b->false_ones) free(e->value);
    map_fini(&b->told);
    map_fini(&b->false_ones);
    pipeline_fini(&b->pipeline);
    files_free(b->files);
    arena_free(b->found_arena);
    loop_fini(&b->loop);
}

/* Each finding is said once, for as long as it stands. */
static void tell_findings(struct builder *b) {
    struct map now;
    map_init(&now);
    struct buf line, quoted;
    buf_init(&line, 1 << 16);
    buf_init(&quoted, 1 << 18);
    uint32_t said = 0;
    for (const struct finding *f = b->found.first; f; f = f->next) {
        buf_clear(&line);
        finding_print(&line, f);
        char *key = map_take(&b->told, buf_str(&line));
        bool fresh = !key;
        if (map_get(&now, buf_str(&line))) continue;
        if (fresh) key = str_dup(buf_str(&line));
        map_put(&now, str_of(key), key);
        if (!fresh || ++said > FINDINGS_LOGGED_MAX) continue;
        buf_clear(&quoted);
        buf_add_json(&quoted, buf_str(&line));
        log_warn("manifest finding=" STR_FMT, STR_ARG(buf_str(&quoted)));
    }
    uint32_t silent = said > FINDINGS_LOGGED_MAX ? said - FINDINGS_LOGGED_MAX : 0;
    if (silent || b->found.n > b->found.n_max)
        log_warn("manifest more_findings=%u show_with=\"postern status\"",
                 silent + (b->found.n > b->found.n_max ? b->found.n - b->found.n_max : 0));
    map_each (e, &b->told) free(e->value);
    map_fini(&b->told);
    b->told = now;
    buf_fini(&line);
    buf_fini(&quoted);
}

static void read_files(struct builder *b) {
    if (!b->began_us) b->began_us = clock_monotonic_us();
    struct files_work work;
    arena_reset(b->found_arena);
    finding_init(&b->found, b->found_arena);
    b->found.n_max = FINDINGS_MAX;
    files_read(b->files, b->pipeline.store, &b->found, &work);
    stats_set(&b->stats.findings, b->found.n);
    tell_findings(b);
    if (b->ready) last_good_leave(&b->last_good, b->files, b->pipeline.store);
    if (work.files_read || !b->ready)
        log_info("manifests read files=%u documents=%u objects_changed=%u findings=%u duration_us=%llu",
                 work.files_read, work.documents_decoded, work.objects_changed, b->found.n,
                 (unsigned long long)(clock_monotonic_us() - b->began_us));
    if (work.objects_changed || !b->pipeline.table) {
        pass(b);
    } else if (!b->publish.adopting) {
        b->began_us = 0;
    }
}

struct false_one {
    uint32_t n;
    char key[];
};

static void count_false(struct builder *b) {
    OWNED(arena) a = arena_new();
    size_t n;
    const struct store_change *v = resolve_changed_statuses(b->pipeline.resolver, a, &n);
    uint64_t sum = stats_get(&b->stats.conditions_false);
    for (size_t i = 0; i < n; i++) {
        str key = api_key(a, v[i].kind, v[i].ns, v[i].name);
        struct false_one *before = map_take(&b->false_ones, key);
        sum -= before ? before->n : 0;
        free(before);
        uint32_t bad = pages_false_conditions(b->pipeline.resolver, v[i].kind, v[i].ns, v[i].name);
        resolve_let_go(b->pipeline.resolver);
        if (!bad) continue;
        struct false_one *now = base_alloc(sizeof *now + key.n);
        now->n = bad;
        memcpy(now->key, key.p, key.n);
        map_put(&b->false_ones, (str){now->key, key.n}, now);
        sum += bad;
    }
    stats_set(&b->stats.conditions_false, sum);
}

/* Nothing is on its way: what statuses say now is what is served. */
static void settled(struct builder *b) {
    b->began_us = 0;
    if (b->passed_many) malloc_trim(0);
    b->passed_many = false;
    b->is_settled = true;
    builder_flush(b);
    if (b->ready || (b->follower && !follower_served(b->follower))) return;
    b->ready = true;
    if (!b->follower) last_good_leave(&b->last_good, b->files, b->pipeline.store);
    mailbox_post(b->to, &news_new(b, BUILDER_READY)->post);
}

static void tell_adopted(const struct builder *b) {
    const struct compile_work *w = &b->pipeline.compiled;
    log_info("config adopted revision=%llu routes_resolved=%u rules=%u hosts=%u listeners=%u endpoints=%u "
             "certificates=%u duration_us=%llu",
             (unsigned long long)b->pipeline.facts.revision_adopted, b->pipeline.resolved.routes, w->rules,
             w->hosts, w->listeners, w->endpoints, w->certificates,
             (unsigned long long)(clock_monotonic_us() - b->began_us));
}

static void flush(struct builder *b, bool between) {
    uint64_t now_us = clock_monotonic_us();
    uint64_t again = follower_flush(b->follower, now_us, clock_wall_s(), between);
    b->flushed_us = now_us;
    if (again != UINT64_MAX) timer_set(&b->loop.timers, &b->flush, again);
}

void builder_flush(struct builder *b) {
    if (b->follower && b->is_settled && !b->draining) flush(b, false);
}

/* Does the newest table wait for objects that it names? asked: for some of them just now. */
static bool holds(struct builder *b, bool asked) {
    if (!b->follower || follower_served(b->follower) || (!asked && !b->publish.held)) return false;
    uint64_t now_us = clock_monotonic_us();
    if (!b->publish.held) b->hold_until_us = now_us + (b->ready ? HOLD_US : HOLD_FIRST_US);
    if (now_us >= b->hold_until_us) return false;
    timer_set(&b->loop.timers, &b->hold, b->hold_until_us);
    return true;
}

/* The table that the pipeline has now goes out, unless it waits. */
static void send_table(struct builder *b, bool asked, bool changed, struct table *before) {
    bool waits = b->publish.held || changed;
    if (changed && b->publish.held) pipeline_release(&b->pipeline, before); /* nobody ever had it */
    if (!waits) {
        settled(b);
        return;
    }
    b->is_settled = false;
    if (holds(b, asked)) {
        tell_phase("held", b->pipeline.facts.revision_adopted);
        b->publish.held = true;
        return;
    }
    stats_add(&b->stats.reloads, 1);
    publish_table(&b->publish);
    tell_phase("sent", b->pipeline.facts.revision_adopted);
}

/* One pass over what changed. While a table is on its way it waits: that table's facts come with it. */
static void pass(struct builder *b) {
    if (b->draining || (b->follower && !follower_complete(b->follower))) return;
    b->pending = b->publish.adopting;
    if (b->pending) return;
    if (!b->began_us) b->began_us = clock_monotonic_us();
    uint64_t adopted = b->pipeline.facts.revision_adopted;
    if (adopted != stats_get(&b->stats.revision)) {
        tell_adopted(b);
        stats_set(&b->stats.revision, adopted);
    }
    if (b->follower && b->ready && !b->is_settled && !b->publish.held &&
        clock_monotonic_us() > b->flushed_us + UNSETTLED_US)
        flush(
            b,
            true); /* all that the last pass made is adopted, and what it said of that is not judged anew yet */
    int64_t now_s = clock_wall_s();
    struct table *before = NULL;
    tell_phase("pass", adopted);
    bool changed = pipeline_pass(&b->pipeline, now_s, b->workers_n, &before);
    name_watch_passed(b->names);
    count_false(b);
    b->passed_many |= b->pipeline.resolved.routes >= ROUTES_MANY;
    if (b->pipeline.again_s != INT64_MAX) {
        uint64_t wait_s = b->pipeline.again_s > now_s ? (uint64_t)(b->pipeline.again_s - now_s) : 0;
        timer_set(&b->loop.timers, &b->again, clock_monotonic_us() + (wait_s + 1) * 1000000);
    } else {
        timer_clear(&b->again);
    }
    bool asked = b->follower && follower_passed(b->follower, clock_monotonic_us());
    stats_set(&b->stats.routes_other, compile_tally_others(b->pipeline.compiler));
    stats_set(&b->stats.endpoints, compile_endpoints_count(b->pipeline.compiler));
    send_table(b, asked, changed, before);
    stats_set(&b->stats.tables_alive, b->publish.alive);
}

static void tell_tallies(struct builder *b) {
    struct compile_tally t;
    while (compile_tally_next(b->pipeline.compiler, &t)) {
        struct builder_news *n = news_new(b, BUILDER_TALLY);
        n->tally = t.tally, n->tally_epoch = t.epoch;
        buf_add(&n->body, t.route);
        mailbox_post(b->to, &n->post);
        stats_set(&b->stats.routes_other, compile_tally_others(b->pipeline.compiler));
    }
}

static void count_writes(struct builder *b) {
    struct status_book_stats s = follower_status_stats(b->follower);
    stats_set(&b->stats.status_written, s.written);
    stats_set(&b->stats.status_conflicts, s.conflicts);
    stats_set(&b->stats.status_failures, s.failures);
    stats_set(&b->stats.status_waiting, s.waiting);
    stats_set(&b->stats.events_dropped, follower_events_dropped(b->follower));
}

static void count_names(struct builder *b) {
    uint32_t failing;
    stats_set(&b->stats.names, name_watch_count(b->names, &failing));
    stats_set(&b->stats.names_failing, failing);
}

/* What one turn brought may have freed tables, and numbers of routes. */
static void after_turn(void *arg) {
    struct builder *b = arg;
    tell_tallies(b);
    if (b->follower) count_writes(b);
    count_names(b);
    if ((b->pending || b->pipeline.facts.names_changed) && !b->publish.adopting) pass(b);
    if (stats_get(&b->stats.tables_alive) != b->publish.alive)
        stats_set(&b->stats.tables_alive, b->publish.alive);
}

void builder_run(void *builder) {
    struct builder *b = builder;
    publish_init(&b->publish, &(struct publish_config){.pipeline = &b->pipeline,
                                                       .workers = b->workers,
                                                       .workers_n = b->workers_n,
                                                       .trust = b->trust,
                                                       .supervisor = b->config->start.supervisor,
                                                       .loop = &b->loop,
                                                       .changed = on_facts,
                                                       .drained = on_drained,
                                                       .arg = b});
    if (!b->follower) last_good_take(&b->last_good, b->files);
    if (!b->follower) read_files(b);
    loop_run(&b->loop, after_turn, b);
}

struct changed {
    struct post post;
    struct arena *a;
    str *paths;
    size_t n;
    bool all;
};

static void deliver_changed(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct changed *c = container_of(p, struct changed, post);
    if (c->all) files_mark(b->files, S(""));
    for (size_t i = 0; i < c->n; i++) files_mark(b->files, c->paths[i]);
    arena_free(c->a);
    if (!b->draining && !b->follower) read_files(b);
}

void builder_changed(struct builder *b) {
    if (!b->began_us) b->began_us = clock_monotonic_us();
    pass(b);
}

void builder_post_changed(struct builder *b, const str *paths, size_t n, bool all) {
    struct arena *a = arena_new();
    struct changed *c = arena_make(a, struct changed);
    *c = (struct changed){.post.deliver = deliver_changed, .a = a, .n = n, .all = all};
    c->paths = arena_array(a, str, n + 1);
    for (size_t i = 0; i < n; i++) c->paths[i] = arena_str(a, paths[i]);
    mailbox_post(&b->box, &c->post);
}

struct question {
    struct post post;
    struct arena *a;
    void *asker;
    str page, query;
};

static void list_findings(struct builder *b) {
    arena_reset(b->found_arena);
    finding_init(&b->found, b->found_arena);
    b->found.n_max = FINDINGS_MAX;
    follower_findings(b->follower, &b->found);
}

static void deliver_question(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct question *q = container_of(p, struct question, post);
    struct builder_news *n = news_new(b, BUILDER_ANSWER);
    n->asker = q->asker;
    if (b->follower) list_findings(b);
    n->status = pages_render(&b->pipeline, &b->found, clock_wall_s(), q->page, q->query, &n->body, &n->type);
    arena_free(q->a);
    mailbox_post(b->to, &n->post);
}

void builder_post_question(struct builder *b, void *asker, str page, str query) {
    struct arena *a = arena_new();
    struct question *q = arena_make(a, struct question);
    *q = (struct question){.post.deliver = deliver_question,
                           .a = a,
                           .asker = asker,
                           .page = arena_str(a, page),
                           .query = arena_str(a, query)};
    mailbox_post(&b->box, &q->post);
}

struct order {
    struct post post;
    uint64_t deadline_us;
    bool hands_over;
};

static void deliver_drain(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct order *o = container_of(p, struct order, post);
    b->draining = true;
    timer_clear(&b->again);
    publish_drain(&b->publish, o->deadline_us, o->hands_over);
    free(o);
}

static void deliver_stop(struct post *p, void *receiver) {
    struct builder *b = receiver;
    free(container_of(p, struct order, post));
    loop_stop(&b->loop);
}

static void post_order(struct builder *b, void (*deliver)(struct post *p, void *receiver),
                       uint64_t deadline_us, bool hands_over) {
    struct order *o = base_zalloc(sizeof *o);
    *o = (struct order){.post.deliver = deliver, .deadline_us = deadline_us, .hands_over = hands_over};
    mailbox_post(&b->box, &o->post);
}

void builder_post_drain(struct builder *b, uint64_t deadline_us, bool hands_over) {
    post_order(b, deliver_drain, deadline_us, hands_over);
}
void builder_post_stop(struct builder *b) { post_order(b, deliver_stop, 0, false); }
