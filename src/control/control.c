/* SPDX-License-Identifier: Apache-2.0 */
#include "control/control.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin/access_writer.h"
#include "admin/admin.h"
#include "admin/metrics.h"
#include "base/crowd.h"
#include "base/num.h"
#include "control/builder.h"
#include "control/memory_watch.h"
#include "control/scrape.h"
#include "control/supervised.h"
#include "io/clock.h"
#include "io/crash.h"
#include "io/descriptors.h"
#include "io/log.h"
#include "io/notify.h"
#include "io/thread.h"
#include "io/tls.h"
#include "io/tls_trust.h"

enum {
    /* What is as large comes from the system and goes back to it: lists of 100,000 things that are made anew with each change would leave
     * holes of their size in the heap. Told, so that malloc does not raise it by itself. */
    MAPPED_BYTES_MIN = 512 << 10,
    METRICS_BYTES_MIN = 1 << 16,
    CRASH_BYTES_MAX = 16 << 10,
    METRICS_SERIES_BYTES_MAX = 768, /* a line: a route is named by 330 bytes at most */
};
enum control_state { CONTROL_STARTING, CONTROL_READY, CONTROL_DRAINING, CONTROL_ENDED };

/* The loop thread. */
struct control {
    const struct control_config *c;
    enum control_state state;
    struct loop loop;
    struct mailbox box;
    struct loop_fd signals, files;
    struct files_watch *watch;
    struct cluster *cluster;
    bool left, releasing, released; /* what the cluster was told of us */
    struct admin *admin, *health;
    int admin_fd, health_fd; /* listen; the admins' once there are these */
    bool hands_over; /* drains because another process serves: the first signal to end changes nothing */
    struct builder builder;
    struct thread *builder_thread;
    struct worker **workers;
    struct thread **threads;
    unsigned workers_n;
    struct tls_trust *trust;
    struct crowd *crowd;
    struct access_writer *access;
    struct metrics *metrics;
    struct scrape *scrape;
    uint32_t series;
    struct memory_watch memory;
    struct timer linger_timer, watchdog;
    uint64_t drain_until_us;
    int64_t start_s;
    size_t crash_n;
    char crash[CRASH_BYTES_MAX]; /* what the process before told of its end */
};

static void move(struct control *k, enum control_state to) {
    static const uint8_t moves[] = {
        [CONTROL_STARTING] = 1 << CONTROL_READY | 1 << CONTROL_DRAINING,
        [CONTROL_READY] = 1 << CONTROL_DRAINING,
        [CONTROL_DRAINING] = 1 << CONTROL_ENDED,
        [CONTROL_ENDED] = 0,
    };
    assert(moves[k->state] & 1 << to);
    k->state = to;
}

/* Whoever asks the process that hands over, by a connection that it had taken already, asks of the gateway: that serves. */
static bool is_ready(const struct control *k) { return k->state == CONTROL_READY || k->hands_over; }

static void tell_manager(const struct control *k, const char *text) {
    if (notify_send(k->c->notify_socket, text) != OK)
        log_warn("service manager socket=\"%s\" err=\"%s\"", k->c->notify_socket, strerror(errno));
}

/* Twice in the time that it gives: this thread turns. */
static void on_watchdog(struct timer *t, uint64_t now_us) {
    struct control *k = container_of(t, struct control, watchdog);
    tell_manager(k, "WATCHDOG=1");
    timer_set(&k->loop.timers, t, now_us + k->c->watchdog_us / 2);
}

/* The time of a reload is told, so that the manager knows its end from that of an earlier one. [sd_notify(3) RELOADING=1] */
static void tell_reload(const struct control *k) {
    char text[96];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
    tell_manager(k, text);
    tell_manager(k, "READY=1");
}

static void handled_signals(sigset_t *s) {
    sigemptyset(s);
    sigaddset(s, SIGTERM);
    sigaddset(s, SIGINT);
    sigaddset(s, SIGHUP);
    sigaddset(s, SIGUSR2);
}

/* The workers have ended, and nobody waits for us to write any more. */
static void end_when_done(struct control *k) {
    if (k->state == CONTROL_ENDED && (!k->cluster || k->released)) loop_stop(&k->loop);
}

static void on_released(void *arg) {
    struct control *k = arg;
    k->released = true;
    end_when_done(k);
}

/* No connection is taken any more; what is in flight has until `drain_until_us`. */
static void stop_taking(struct control *k) {
    timer_clear(&k->linger_timer);
    if (k->cluster && !k->releasing) cluster_release(k->cluster, on_released, k);
    k->releasing = true;
    builder_post_drain(&k->builder, k->drain_until_us, false);
}

/* The objects say that connections go elsewhere. Those who send them hear of it one after the other: until then they are taken.
 * [Kubernetes pod-lifecycle "Termination of Pods"] */
static void on_left(void *arg) {
    struct control *k = arg;
    if (k->left) return;
    k->left = true;
    uint64_t now = clock_monotonic_us();
    uint64_t until = num_min(now + k->c->linger_us, k->drain_until_us);
    if (until <= now) {
        stop_taking(k);
        return;
    }
    log_info("drain lingers ms=%u", (unsigned)((until - now) / 1000));
    timer_set(&k->loop.timers, &k->linger_timer, until);
}

static void on_linger_over(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct control *k = container_of(t, struct control, linger_timer);
    if (k->left) {
        stop_taking(k);
        return;
    }
    log_warn("drain err=\"the EndpointSlices of Gateways name no other pod of postern instead of this one\" "
             "remedy=\"none "
             "is needed where no other is to serve\"");
    on_left(k);
}

/* The first asks to end, a second one to end now. Half the time for it goes to waiting for another pod to be named. */
static void begin_drain(struct control *k) {
    if (k->state == CONTROL_ENDED) { /* of itself, or what remains is to tell the cluster of it */
        loop_stop(&k->loop);
        return;
    }
    uint64_t now = clock_monotonic_us();
    bool again = k->state == CONTROL_DRAINING;
    log_info(again ? "drain hurried" : "drain begins seconds_max=%u",
             (unsigned)(k->c->drain_us_max / 1000000));
    if (!again) move(k, CONTROL_DRAINING);
    if (!again) tell_manager(k, "STOPPING=1\nSTATUS=Finishing what is in flight");
    k->drain_until_us = again ? now : now + k->c->drain_us_max;
    if (again) {
        k->left = true;
        stop_taking(k);
    } else if (k->cluster) {
        timer_set(&k->loop.timers, &k->linger_timer, now + k->c->drain_us_max / 2);
        cluster_leave(k->cluster, on_left, k);
    } else {
        on_left(k);
    }
}

/* Another process serves by the same objects, from the same sockets, and answers the operator. */
static void hand_over(struct control *k) {
    if (k->state != CONTROL_READY) return;
    move(k, CONTROL_DRAINING);
    log_info("hands over seconds_max=%u", (unsigned)(k->c->handover_us_max / 1000000));
    k->hands_over = k->left = true;
    k->drain_until_us = clock_monotonic_us() + k->c->handover_us_max;
    admin_hand_over(k->admin);
    admin_hand_over(k->health);
    if (supervised_left(k->c->start.supervisor) != OK) log_warn("supervisor err=\"%s\"", strerror(errno));
    if (k->cluster) cluster_release(k->cluster, on_released, k);
    k->releasing = true;
    timer_clear(&k->watchdog);
    builder_post_drain(&k->builder, k->drain_until_us, true);
}

/* What is in flight gets as long as at any end. */
static void end_handover(struct control *k) {
    uint64_t until = clock_monotonic_us() + k->c->drain_us_max;
    k->hands_over = false;
    if (until >= k->drain_until_us) return;
    k->drain_until_us = until;
    builder_post_drain(&k->builder, until, true);
}

static void on_signals(struct loop_fd *f, uint32_t events) {
    struct control *k = container_of(f, struct control, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(f->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGUSR2) {
            hand_over(k);
            continue;
        }
        if (info.ssi_signo != SIGHUP) {
            (k->hands_over ? end_handover : begin_drain)(k);
            continue;
        }
        access_writer_reopen(k->access);
        if (k->state == CONTROL_READY) tell_reload(k);
        if (!k->cluster) {
            log_info("reload reads everything");
            builder_post_changed(&k->builder, NULL, 0, true);
        }
    }
}

static void on_files(struct loop_fd *f, uint32_t events) {
    struct control *k = container_of(f, struct control, files);
    (void)events;
    OWNED(arena) a = arena_new();
    size_t n;
    bool all;
    const str *paths = files_watch_take(k->watch, a, &n, &all);
    if (n || all) builder_post_changed(&k->builder, paths, n, all);
}

static err open_admin(struct control *k);
static err open_health(struct control *k);

static void become_ready(struct control *k) {
    move(k, CONTROL_READY);
    const struct words_start *w = &k->c->start;
    if (w->takes_over && (open_admin(k) != OK || open_health(k) != OK))
        log_warn("admin effect=\"this process answers no questions\"");
    log_info("ready");
    if (w->log >= 0) dup2(w->log, STDERR_FILENO);
    if (supervised_ready(w->supervisor) != OK) log_warn("supervisor err=\"%s\"", strerror(errno));
    tell_manager(k, "READY=1\nSTATUS=Serving");
}

static void on_news(struct post *p, void *receiver) {
    struct control *k = receiver;
    struct builder_news *n = container_of(p, struct builder_news, post);
    switch (n->event) {
    case BUILDER_READY:
        if (k->state == CONTROL_STARTING) become_ready(k);
        break;
    case BUILDER_DRAINED:
        move(k, CONTROL_ENDED);
        end_when_done(k);
        break;
    case BUILDER_TALLY:
        metrics_name(k->metrics, n->tally, n->tally_epoch, n->body.n ? buf_str(&n->body) : (str){0});
        break;
    case BUILDER_ANSWER: admin_answer(n->asker, n->status, str_of(n->type), buf_str(&n->body)); break;
    }
    builder_news_free(n);
}

static void answer_metrics(void *arg, struct admin_request *r) {
    struct control *k = arg;
    struct metrics_worker *workers = base_zalloc(k->workers_n * sizeof *workers);
    for (unsigned i = 0; i < k->workers_n; i++)
        workers[i] = (struct metrics_worker){worker_stats(k->workers[i]), worker_tally(k->workers[i]),
                                             scrape_census(k->scrape, i)};
    const struct builder_stats *s = &k->builder.stats;
    uint64_t endpoints = stats_get(&s->endpoints);
    uint64_t out = atomic_load_explicit(&compile_endpoints_health(k->builder.pipeline.compiler)->out,
                                        memory_order_relaxed);
    struct metrics_gauges g = {
        .revision = stats_get(&s->revision),
        .tables_alive = stats_get(&s->tables_alive),
        .ready = is_ready(k),
        .workers = k->workers_n,
        .start_s = (uint64_t)k->start_s,
        .deaths = k->c->start.deaths,
        .access_dropped = access_writer_dropped(k->access),
        .memory_resident = memory_watch_resident(&k->memory),
        .memory_limit = k->memory.limit,
        .memory_pressure = k->memory.level,
        .memory_sheds = k->memory.sheds,
        .findings = stats_get(&s->findings),
        .reloads = stats_get(&s->reloads),
        .conditions_false = stats_get(&s->conditions_false),
        .routes_other = stats_get(&s->routes_other),
        .endpoints_in = endpoints > out ? endpoints - out : 0,
        .endpoints_out = out,
        .status_written = stats_get(&s->status_written),
        .status_conflicts = stats_get(&s->status_conflicts),
        .status_failures = stats_get(&s->status_failures),
        .status_waiting = stats_get(&s->status_waiting),
        .events_dropped = stats_get(&s->events_dropped),
        .names = stats_get(&s->names),
        .names_failing = stats_get(&s->names_failing),
    };
    enum metrics_form form = metrics_form_of(admin_accept(r));
    struct buf b;
    buf_init(&b, METRICS_BYTES_MIN + (size_t)k->series * METRICS_SERIES_BYTES_MAX);
    metrics_print(k->metrics, &b, form, workers, k->workers_n, &g);
    admin_answer(r, b.overflow ? 507 : 200, metrics_content_type(form), buf_str(&b));
    buf_fini(&b);
    free(workers);
}

static void answer_crash(const struct control *k, struct admin_request *r) {
    const struct words_start *w = &k->c->start;
    struct buf b;
    buf_init(&b, sizeof k->crash + 256);
    if (!w->deaths) buf_add(&b, S("no serving process has died under this supervisor\n"));
    if (w->deaths)
        buf_printf(&b, "serving processes died: %u; the last of signal %d (%s)%s\n", w->deaths,
                   w->last_signal, strsignal(w->last_signal),
                   k->crash_n ? ", and told:" : ", which leaves it no time to tell more");
    buf_add(&b, (str){k->crash, k->crash_n});
    admin_answer(r, 200, S("text/plain"), buf_str(&b));
    buf_fini(&b);
}

static void on_ask(void *arg, struct admin_request *r, str page, str query) {
    struct control *k = arg;
    static const char *const why[] = {
        [CONTROL_STARTING] = "starting\n",
        [CONTROL_READY] = "ready\n",
        [CONTROL_DRAINING] = "draining\n",
        [CONTROL_ENDED] = "draining\n",
    };
    if (str_eq(page, S("/healthz"))) {
        admin_answer(r, 200, S("text/plain"), S("ok\n"));
    } else if (str_eq(page, S("/readyz"))) {
        bool ready = is_ready(k);
        admin_answer(r, ready ? 200 : 503, S("text/plain"), str_of(why[ready ? CONTROL_READY : k->state]));
    } else if (str_eq(page, S("/metrics"))) {
        scrape_page(k->scrape, k->workers, k->workers_n, r);
    } else if (str_eq(page, S("/crash"))) {
        answer_crash(k, r);
    } else {
        builder_post_question(&k->builder, r, page, query);
    }
}

/* To whoever reaches the pod: nothing of what it is told. */
static void on_ask_health(void *arg, struct admin_request *r, str page, str query) {
    bool known = str_eq(page, S("/healthz")) || str_eq(page, S("/readyz")) || str_eq(page, S("/metrics"));
    if (known)
        on_ask(arg, r, page, query);
    else
        admin_answer(r, 404, S("text/plain"), S("only /healthz, /readyz and /metrics are answered here\n"));
}

static void watch_files(struct control *k) {
    k->files = (struct loop_fd){.fd = -1, .on_ready = on_files};
    if (files_watch_new(&k->watch, &k->c->files) != OK ||
        loop_add_level(&k->loop, &k->files, files_watch_fd(k->watch)) != OK)
        log_warn("files are not followed err=\"%s\" remedy=\"raise fs.inotify.max_user_instances; until then "
                 "SIGHUP reads them again\"",
                 strerror(errno));
}

/* From the supervisor, so that who asks waits while nobody serves. */
static err take_socket(struct control *k, const struct ip *ip, uint16_t port, const char *what, int *ret_fd) {
    int *fds = NULL, why = 0;
    uint32_t n = 0;
    if (!port || supervised_open(k->c->start.supervisor, WORDS_ADMIN, ip, port, 1, &fds, &n, &why) == OK) {
        for (uint32_t i = 1; i < n; i++) close(fds[i]);
        if (n) *ret_fd = fds[0];
        free(fds);
        return OK;
    }
    log_error("%s port=%u err=\"%s\" remedy=\"--%s ADDRESS chooses another, --%s 0 none\"", what, port,
              strerror(why), what, what);
    return ERR_IO;
}

static err open_admin(struct control *k) {
    const struct control_config *c = k->c;
    if (!c->admin_port && !c->socket_path) return OK;
    struct admin_config a = {.tcp_fd = k->admin_fd,
                             .socket_path = c->socket_path,
                             .takes_over = c->start.takes_over,
                             .ask = on_ask,
                             .arg = k};
    if (admin_new(&k->loop, &a, &k->admin) == OK) {
        k->admin_fd = 0;
        return OK;
    }
    log_error(
        "admin port=%u socket=\"%s\" err=\"%s\" remedy=\"--admin ADDRESS chooses another, --admin 0 none\"",
        c->admin_port, c->socket_path ? c->socket_path : "", strerror(errno));
    return ERR_IO;
}

static err open_health(struct control *k) {
    const struct control_config *c = k->c;
    if (!c->health_port) return OK;
    struct admin_config a = {.tcp_fd = k->health_fd, .ask = on_ask_health, .arg = k};
    if (admin_new(&k->loop, &a, &k->health) == OK) {
        k->health_fd = 0;
        return OK;
    }
    log_error("health port=%u err=\"%s\" remedy=\"--health ADDRESS chooses another, --health 0 none\"",
              c->health_port, strerror(errno));
    return ERR_IO;
}

/* A client's connection may need one to a backend; what is left besides is for files, sockets that listen, and the API server. */
static struct crowd *make_crowd(uint32_t connections_max, unsigned workers) {
    enum { OTHERS = 64, OTHERS_A_WORKER = 8, LEAST = 16 };
    uint64_t seed, all = descriptors_max(), others = OTHERS + OTHERS_A_WORKER * (uint64_t)workers;
    uint64_t most = num_max(LEAST, all > others ? (all - others) / 2 : 0);
    tls_random(&seed, sizeof seed);
    return crowd_new(connections_max ? connections_max : (uint32_t)most, workers, seed);
}

/* As many as threads can be had; ERR_IO: none. */
static err start_workers(struct control *k) {
    unsigned n = k->c->workers ? k->c->workers : thread_cores();
    k->trust = k->builder.trust = tls_trust_new();
    struct worker_config w = {.access = k->c->access,
                              .access_program = k->c->access_program,
                              .tallies = metrics_routes_max(k->metrics) + TABLE_TALLY_FIRST,
                              .workers = n,
                              .home = &k->builder.box,
                              .crowd = k->crowd = make_crowd(k->c->connections_max, n),
                              .trust = k->trust};
    w.seed = *k->c->ticket_seed;
    memcpy(w.session_key, k->c->session_key, sizeof w.session_key);
    k->workers = base_zalloc(n * sizeof(struct worker *));
    k->threads = base_zalloc(n * sizeof(struct thread *));
    for (; k->workers_n < n; k->workers_n++) {
        char name[32];
        w.index = k->workers_n;
        snprintf(name, sizeof name, "worker-%u", w.index);
        struct worker *worker = k->workers[k->workers_n] = worker_new(&w);
        if (thread_start(&k->threads[k->workers_n], name, worker_run, worker) == OK) continue;
        log_warn("worker thread index=%u err=\"%s\" going_on_with=%u", w.index, strerror(errno), w.index);
        worker_free(worker);
        break;
    }
    /* They forget it as it ages, so that what was sealed long ago stays so; the supervisor has it for whoever comes after us. */
    explicit_bzero(&w.seed, sizeof w.seed);
    explicit_bzero(k->c->ticket_seed, sizeof *k->c->ticket_seed);
    k->builder.workers = k->workers;
    k->builder.workers_n = k->workers_n;
    return k->workers_n ? OK : ERR_IO;
}

static err open_access(struct control *k) {
    const struct control_config *c = k->c;
    const char *to = c->access_to ? c->access_to : "-";
    err e = access_writer_new(to, c->access > ACCESS_OFF, k->workers, k->workers_n, &k->access);
    if (e != OK)
        log_error("access log to=\"%s\" err=\"%s\" remedy=\"--access-log-to PATH names another\"", to,
                  strerror(errno));
    return e;
}

static err start(struct control *k) {
    k->series = k->c->metrics_series ? k->c->metrics_series : METRICS_SERIES_USUAL;
    k->metrics = metrics_new(k->series);
    k->scrape = scrape_new(&k->loop, &k->box, answer_metrics, k);
    builder_init(&k->builder, k->c, &k->box, on_news);
    compile_tally_limit(k->builder.pipeline.compiler, metrics_routes_max(k->metrics));
    if (mailbox_attach(&k->box, &k->loop) != OK ||
        loop_add_level(&k->loop, &k->signals, k->signals.fd) != OK) {
        log_error("loop err=\"%s\"", strerror(errno));
        return ERR_IO;
    }
    TRY(take_socket(k, &k->c->admin_ip, k->c->admin_port, "admin", &k->admin_fd));
    TRY(take_socket(k, &k->c->health_ip, k->c->health_port, "health", &k->health_fd));
    if (!k->c->start.takes_over) {
        TRY(open_admin(k));
        TRY(open_health(k));
    }
    if (k->c->cluster)
        TRY(cluster_new(k->c->cluster, k->c->controller_name, &k->loop, &k->builder, &k->cluster));
    else
        watch_files(k); /* before they are read, so that no change falls between */
    TRY(start_workers(k));
    memory_watch_init(&k->memory, &k->loop, k->c->memory_limit, k->workers, k->workers_n);
    TRY(open_access(k));
    if (thread_start(&k->builder_thread, "builder", builder_run, &k->builder) != OK) {
        log_error("builder thread err=\"%s\"", strerror(errno));
        return ERR_IO;
    }
    return OK;
}

static void release_drain(struct worker_drain *m, void *home) {
    (void)m;
    (void)home;
}

/* The workers have been drained by the builder, or there never was one and nothing to drain. */
static void join_workers(struct control *k) {
    struct worker_drain *now = base_zalloc((k->workers_n + 1) * sizeof *now);
    for (unsigned i = 0; i < k->workers_n && !k->builder_thread; i++) {
        now[i].done = release_drain;
        worker_post_drain(k->workers[i], &now[i]);
    }
    for (unsigned i = 0; i < k->workers_n; i++) thread_join(k->threads[i]);
    access_writer_free(k->access);
    k->access = NULL;
    for (unsigned i = 0; i < k->workers_n; i++) worker_free(k->workers[i]);
    while (!k->builder_thread && mailbox_deliver(&k->builder.box)) {}
    free(now);
}

/* What the process before had told of its end, before the file is ours. */
static void read_crash(struct control *k) {
    ssize_t n = k->c->start.crash >= 0 ? pread(k->c->start.crash, k->crash, sizeof k->crash, 0) : 0;
    k->crash_n = n > 0 ? (size_t)n : 0;
}

static void tell_doing(void *arg, struct crash_text *t) {
    const struct control *k = arg;
    for (unsigned i = 0; i < k->workers_n; i++) worker_tell_doing(k->workers[i], t);
    crash_add(t, S("level=fatal crash"));
    crash_add_number(t, "revision", stats_get(&k->builder.stats.revision));
    crash_add_number(t, "tables_alive", stats_get(&k->builder.stats.tables_alive));
    crash_tell(t);
}

static void end(struct control *k) {
    scrape_answer(k->scrape); /* while there are workers to read from */
    memory_watch_fini(&k->memory);
    crash_uninstall();
    join_workers(k);
    if (k->builder_thread) builder_post_stop(&k->builder);
    thread_join(k->builder_thread);
    if (k->cluster) cluster_end(k->cluster);
    builder_fini(&k->builder);
    mailbox_fini(&k->box); /* the last answers */
    scrape_free(k->scrape);
    cluster_free(k->cluster);
    admin_free(k->health);
    admin_free(k->admin);
    if (k->admin_fd > 0) close(k->admin_fd);
    if (k->health_fd > 0) close(k->health_fd);
    metrics_free(k->metrics);
    files_watch_free(k->watch);
    timer_forget(&k->loop.timers, &k->linger_timer);
    timer_forget(&k->loop.timers, &k->watchdog);
    loop_fini(&k->loop);
    tls_trust_free(k->trust);
    crowd_free(k->crowd);
    free(k->workers);
    free(k->threads);
}

int control_run(const struct control_config *c) {
    sigset_t signals, before;
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    handled_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, &before);
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is told by write() */
    struct control *k = base_zalloc(sizeof *k);
    k->c = c;
    k->start_s = clock_wall_s();
    loop_init(&k->loop);
    mailbox_init(&k->box, k);
    timer_init(&k->linger_timer, on_linger_over);
    timer_init(&k->watchdog, on_watchdog);
    if (c->watchdog_us) timer_set(&k->loop.timers, &k->watchdog, clock_monotonic_us());
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    k->signals = (struct loop_fd){.fd = fd, .on_ready = on_signals};
    log_info("postern serves version=%s controller=%s paths=%zu", POSTERN_VERSION, c->controller_name,
             c->files.roots_n);
    read_crash(k);
    bool started = fd >= 0 && start(k) == OK;
    crash_install(c->start.crash, tell_doing, k);
    if (started) loop_run(&k->loop, NULL, NULL);
    bool drained = k->state == CONTROL_ENDED;
    end(k);
    if (fd >= 0) close(fd);
    free(k);
    if (started) log_info("ended");
    sigprocmask(SIG_SETMASK, &before, NULL);
    return drained ? 0 : 1;
}
