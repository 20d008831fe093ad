/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/tracer.h"

#include "base/num.h"
#include "http/otlp.h"
#include "http/span.h"
#include "io/log.h"
#include "proxy/exchange.h"
#include "table/tracing.h"
#include "upstream/errand.h"

enum {
    SPAN_BYTES_MAX = 64 << 10,
    EXPORT_US = 10000000,
    DRAIN_EXPORT_US = 3000000,
    IDLE_US = 60000000, /* what nobody uses for so long is forgotten: another configuration has another one */
    BACKOFF_US = 1000000,
    RETRY_AFTER_US_MAX = 300000000,
    RETRY_AFTER_US_DATE = 30000000, /* instead of a date */
    PIECE_BYTES = 64 << 10,
    ANSWER_BYTES_MAX = 4096,
    GRPC_HEAD = 5, /* not compressed, and the length [gRPC over HTTP2] */
    HOST_BYTES_MAX = 255,
};

enum tracer_state { TRACER_RESTS, TRACER_SENDS, TRACER_PAUSES };
struct tracer { /* owner: worker */
    struct proxy *proxy;
    struct timer timer;
    uint8_t state; /* enum tracer_state */
    bool told;     /* that it fails */
    uint32_t users;
    char id[TABLE_COLLECTOR_ID];
    /* By which listener it is found in later tables. */
    uint64_t generation;
    uint32_t port_slot;
    uint8_t host_n;
    char host[HOST_BYTES_MAX];
    /* As the table has it, copied. */
    struct arena *words;
    bool grpc;
    str backend, authority;
    struct table_header *headers;
    uint32_t headers_n, batch_spans;
    uint64_t batch_us;
    struct buf resource;
    /* What waits for the next export. */
    struct buf waiting;
    uint32_t waiting_n;
    uint64_t since_us, used_us;
    /* The export. */
    struct buf frame, batch;
    uint32_t batch_n, tries;
    size_t fed;
    struct errand errand;
    struct arena *arena;
    struct buf answer;
    uint64_t due_us; /* its end, or that of the pause */
    uint64_t retry_after_us;
    uint16_t status;
    int64_t grpc_status; /* -1: none came */
};

static struct tracer *of(struct errand *e) { return container_of(e, struct tracer, errand); }
static uint64_t now_of(const struct tracer *t) { return proxy_core_now(t->proxy); }

void tracer_lost(struct proxy *p, uint64_t n) { p->counts.spans_dropped += n; }

/* ---- when what is due ---- */

static uint64_t next_due(const struct tracer *t) {
    if (t->state != TRACER_RESTS) return t->due_us;
    if (!t->waiting_n) return t->used_us + IDLE_US;
    return t->waiting_n >= t->batch_spans || t->proxy->draining ? now_of(t) : t->since_us + t->batch_us;
}

static void set_timer(struct tracer *t) { timer_set(&t->proxy->common.loop->timers, &t->timer, next_due(t)); }

static void rest(struct tracer *t) {
    t->proxy->span_bytes -= t->batch.n;
    buf_clear(&t->batch);
    t->batch_n = 0;
    t->state = TRACER_RESTS;
    t->used_us = now_of(t);
    set_timer(t);
}

/* The export is over, one way or the other. */
static void close_export(struct tracer *t) {
    errand_drop(&t->errand);
    arena_reset(t->arena);
    buf_clear(&t->answer);
}

static void lose(struct tracer *t, const char *why) {
    close_export(t);
    tracer_lost(t->proxy, t->batch_n);
    t->proxy->counts.exports_failed++;
    if (!t->told)
        log_warn("spans dropped collector=\"" STR_FMT
                 "\" why=\"%s\" spans=%u more=\"until it takes them again\"",
                 STR_ARG(t->backend), why, t->batch_n);
    t->told = true;
    rest(t);
}

/* Another try of the same batch follows, later each time, or as the collector asked for. */
static void try_later(struct tracer *t, const char *why) {
    close_export(t);
    if (++t->tries >= TRACER_TRIES_MAX || t->proxy->draining) {
        lose(t, why);
        return;
    }
    uint64_t pause = (uint64_t)BACKOFF_US << (t->tries - 1);
    pause = pause / 2 + rng_next(&t->proxy->rng) % (pause / 2 + 1);
    t->state = TRACER_PAUSES;
    t->due_us = now_of(t) + num_max(pause, t->retry_after_us);
    set_timer(t);
}

static void succeed(struct tracer *t) {
    uint64_t rejected = 0;
    str body = buf_str(&t->answer);
    if (t->grpc) body = str_from(body, GRPC_HEAD);
    if (t->answer.overflow || otlp_rejected(body, &rejected) != OK)
        rejected = 0; /* what it says besides is its own affair */
    rejected = num_min(rejected, t->batch_n);
    t->proxy->counts.spans_sent += t->batch_n - rejected;
    tracer_lost(t->proxy, rejected);
    t->proxy->counts.exports++;
    if (t->told) log_info("spans taken again collector=\"" STR_FMT "\"", STR_ARG(t->backend));
    t->told = false;
    close_export(t);
    rest(t);
}

/* [OTLP/HTTP Failures] [OTLP/gRPC Failures] */
static bool may_try_again(const struct tracer *t) {
    if (t->status != 200 || !t->grpc)
        return t->status == 429 || t->status == 502 || t->status == 503 || t->status == 504;
    switch (
        t->grpc_status) { /* CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS */
    case 1:
    case 4:
    case 8:
    case 10:
    case 11:
    case 14:
    case 15: return true;
    default: return false;
    }
}

static void conclude(struct tracer *t) {
    char why[64];
    bool good = t->status >= 200 && t->status < 300 && (!t->grpc || t->grpc_status == 0);
    if (good) {
        succeed(t);
        return;
    }
    snprintf(why, sizeof why, t->grpc && t->status == 200 ? "gRPC status %lld" : "status %lld",
             t->grpc && t->status == 200 ? (long long)t->grpc_status : (long long)t->status);
    if (may_try_again(t))
        try_later(t, why);
    else
        lose(t, why);
}

/* ---- an export ---- */

static struct http_msg *request_of(struct tracer *t) {
    struct http_msg *m = arena_make(t->arena, struct http_msg);
    http_msg_init(m, t->arena, true);
    m->method = S("POST"), m->method_id = HTTP_POST;
    m->authority = t->authority;
    m->path = t->grpc ? S("/opentelemetry.proto.collector.trace.v1.TraceService/Export") : S("/v1/traces");
    m->body = HTTP_BODY_LENGTH;
    m->content_length = t->frame.n + t->batch.n;
    m->keep_alive = true;
    http_msg_add_known(m, FIELD_CONTENT_TYPE, S("Content-Type"),
                       t->grpc ? S("application/grpc") : S("application/x-protobuf"));
    if (t->grpc) http_msg_add_known(m, FIELD_TE, S("TE"), S("trailers"));
    http_msg_add_known(m, FIELD_USER_AGENT, S("User-Agent"), S("postern/" POSTERN_VERSION));
    for (uint32_t i = 0; i < t->headers_n; i++)
        http_msg_add_known(m, http_field_id_of(t->headers[i].name), t->headers[i].name, t->headers[i].value);
    return m;
}

static void make_frame(struct tracer *t) {
    buf_clear(&t->frame);
    if (t->grpc) buf_add(&t->frame, (str){"\0\0\0\0\0", GRPC_HEAD});
    otlp_frame(&t->frame, buf_str(&t->resource), S("postern"), S(POSTERN_VERSION), t->batch.n);
    assert(!t->frame.overflow);
    if (!t->grpc) return;
    uint32_t n = (uint32_t)(t->frame.n - GRPC_HEAD + t->batch.n);
    for (int i = 0; i < 4; i++) t->frame.p[1 + i] = (char)(n >> (24 - 8 * i));
}

/* The bytes that follow, as far as they lie in a row. */
static str next_piece(const struct tracer *t) {
    str frame = buf_str(&t->frame), batch = buf_str(&t->batch);
    if (t->fed < frame.n) return str_from(frame, t->fed);
    return str_upto(str_from(batch, t->fed - frame.n), PIECE_BYTES);
}

static err feed(struct errand *e) {
    struct tracer *t = of(e);
    for (str s; (s = next_piece(t)).n;) {
        if (upstream_pending(&e->up) > CONN_HIGH_WATER_BYTES) return OK;
        bool last = t->fed + s.n == t->frame.n + t->batch.n;
        err how = upstream_submit_body(&e->up, s, last);
        if (how == ERR_AGAIN) return OK;
        if (how != OK) return how;
        t->fed += s.n;
        e->sent = last;
    }
    return OK;
}

static const struct http_msg *request(struct errand *e, bool *ret_whole) {
    struct tracer *t = of(e);
    t->fed = 0;
    t->status = 0, t->grpc_status = -1, t->retry_after_us = 0;
    buf_clear(&t->answer);
    *ret_whole = false;
    return request_of(t);
}

/* As it stands in this table; NULL: not there any more. */
static const struct table_listener *listener_of(struct tracer *t) {
    const struct table *now = t->proxy->table;
    const struct table_port *port =
        now && t->port_slot < now->port_slots ? table_port(now, t->port_slot) : NULL;
    const struct table_listener *l = port ? table_listener_for(port, (str){t->host, t->host_n}) : NULL;
    bool same =
        l && l->tracing && l->tracing->collector && !memcmp(l->tracing->collector->id, t->id, sizeof t->id);
    return same ? l : NULL;
}

static err take(struct errand *e, bool again) {
    (void)again; /* the backend is of the table of now */
    const struct table_listener *l = listener_of(of(e));
    if (!l) return ERR_END;
    struct upstream_want w = {.backend = l->tracing->collector->backend, .client = l->client};
    return errand_take(e, &w);
}

static void begin(struct tracer *t) {
    struct buf empty = t->batch;
    t->batch = t->waiting, t->waiting = empty;
    t->batch_n = t->waiting_n, t->waiting_n = 0;
    t->tries = 0;
    t->retry_after_us = 0;
    make_frame(t);
}

static const struct errand_ops ops;

static void begin_try(struct tracer *t) {
    t->state = TRACER_SENDS;
    errand_init(&t->errand, &ops, t->proxy->upstream, t->arena);
    t->errand.repeatable = true;
    t->due_us = now_of(t) + (t->proxy->draining ? DRAIN_EXPORT_US : EXPORT_US);
    set_timer(t);
    errand_begin(&t->errand);
}

static void forget(struct tracer *t) {
    struct proxy *p = t->proxy;
    map_take(&p->tracers, (str){t->id, sizeof t->id});
    timer_forget(&p->common.loop->timers, &t->timer);
    p->span_bytes -= t->waiting.n + t->batch.n;
    buf_fini(&t->resource);
    buf_fini(&t->waiting);
    buf_fini(&t->frame);
    buf_fini(&t->batch);
    buf_fini(&t->answer);
    arena_free(t->arena);
    arena_free(t->words);
    free(t);
}

static void on_due(struct timer *timer, uint64_t now_us) {
    struct tracer *t = container_of(timer, struct tracer, timer);
    if (next_due(t) > now_us) {
        set_timer(t);
    } else if (t->state == TRACER_SENDS) {
        try_later(t, "it takes too long");
    } else if (t->state == TRACER_PAUSES) {
        begin_try(t);
    } else if (t->waiting_n) {
        begin(t);
        begin_try(t);
    } else if (!t->users) {
        forget(t);
    } else {
        t->used_us = now_us;
        set_timer(t);
    }
}

/* ---- the answer ---- */

static void read_grpc_status(struct tracer *t, const struct http_msg *m) {
    const struct http_field *f = m ? http_msg_find(m, S("grpc-status")) : NULL;
    uint64_t v;
    if (f && num_parse(f->value, 99, &v) == OK) t->grpc_status = (int64_t)v;
}

static void on_head(struct errand *e, struct http_msg *m, bool end) {
    (void)end;
    struct tracer *t = of(e);
    if (m->status < 200) return;
    t->status = m->status;
    const struct http_field *after = http_msg_find(m, S("retry-after"));
    uint64_t seconds;
    if (after)
        t->retry_after_us = num_parse(after->value, UINT32_MAX, &seconds) != OK
                                ? RETRY_AFTER_US_DATE
                                : num_min(seconds * 1000000, RETRY_AFTER_US_MAX);
    read_grpc_status(t, m);
}

static void on_body(struct errand *e, str bytes) { buf_add(&of(e)->answer, bytes); }

static void on_end(struct errand *e, struct http_msg *trailers) { read_grpc_status(of(e), trailers); }

static void on_over(struct errand *e, enum errand_end how) {
    struct tracer *t = of(e);
    switch (how) {
    case ERRAND_ANSWERED: conclude(t); return;
    case ERRAND_GONE: lose(t, "no listener is traced so any more"); return;
    case ERRAND_NOBODY: try_later(t, "no endpoints"); return;
    case ERRAND_AWAY:
    case ERRAND_FULL: try_later(t, "no connection"); return;
    case ERRAND_INVALID: try_later(t, "its TLS is not to be had"); return;
    case ERRAND_HEAD: lose(t, "a header of it can not be sent"); return;
    case ERRAND_BODY: try_later(t, "the request can not be sent"); return;
    case ERRAND_PROTOCOL: try_later(t, "it does not speak the protocol"); return;
    case ERRAND_LOST: try_later(t, "the connection was cut"); return;
    }
}

static const struct errand_ops ops = {
    .take = take,
    .request = request,
    .feed = feed,
    .head = on_head,
    .body = on_body,
    .end = on_end,
    .over = on_over,
    .repeats = 2,
    .blames = ERRAND_BLAMES_NOT,
    .looks = true,
};

/* ---- the spans ---- */

static struct tracer *make(struct proxy *p, const struct table_collector *c) {
    struct tracer *t = base_zalloc(sizeof *t);
    t->proxy = p;
    timer_init(&t->timer, on_due);
    memcpy(t->id, c->id, sizeof t->id);
    t->arena = arena_new(), t->words = arena_new();
    t->grpc = c->grpc;
    t->backend = arena_str(t->words, c->backend->name);
    t->authority = arena_str(t->words, c->authority);
    t->headers_n = c->headers_n;
    t->headers = arena_array(t->words, struct table_header, c->headers_n);
    for (uint32_t i = 0; i < c->headers_n; i++)
        t->headers[i] = (struct table_header){arena_str(t->words, c->headers[i].name),
                                              arena_str(t->words, c->headers[i].value)};
    t->batch_spans = c->batch_spans, t->batch_us = c->batch_us;
    buf_init(&t->resource, ANSWER_BYTES_MAX);
    buf_init(&t->frame, 2 * ANSWER_BYTES_MAX);
    buf_init(&t->waiting, TRACER_WAITING_BYTES_MAX);
    buf_init(&t->batch, TRACER_WAITING_BYTES_MAX);
    buf_init(&t->answer, ANSWER_BYTES_MAX);
    otlp_attribute(&t->resource, OTLP_RESOURCE_ATTRIBUTE, S("service.name"),
                   c->service_name.n ? c->service_name : S("postern"));
    otlp_attribute(&t->resource, OTLP_RESOURCE_ATTRIBUTE, S("service.version"), S(POSTERN_VERSION));
    t->used_us = proxy_core_now(p);
    map_put(&p->tracers, (str){t->id, sizeof t->id}, t);
    return t;
}

struct tracer *tracer_hold(struct exchange *x, const struct table_listener *l) {
    struct proxy *p = x->proxy;
    const struct table_collector *c = l->tracing->collector;
    struct tracer *t = map_get(&p->tracers, (str){(char *)c->id, sizeof c->id});
    if (!t && p->tracers.n >= TRACERS_MAX) {
        tracer_lost(p, 1);
        return NULL;
    }
    if (!t) t = make(p, c);
    t->users++;
    t->used_us = proxy_core_now(p);
    if (t->generation == p->table->generation) return t;
    t->generation = p->table->generation;
    t->port_slot = x->client->port_slot;
    t->host_n = (uint8_t)num_min(x->host.n, HOST_BYTES_MAX);
    if (t->host_n) memcpy(t->host, x->host.p, t->host_n);
    return t;
}

void tracer_release(struct tracer *t) {
    assert(t->users);
    t->users--;
    if (t->state == TRACER_RESTS) set_timer(t);
}

void tracer_add(struct tracer *t, struct span_exchange *s, const struct access_record *r,
                const struct span_attempt *a) {
    struct proxy *p = t->proxy;
    struct buf *span = &p->span;
    p->counts.spans++;
    buf_clear(span);
    s->scratch = &p->span_scratch;
    if (a)
        span_print_client(span, s, r, a);
    else
        span_print_server(span, s, r);
    size_t before = t->waiting.n;
    bool fits = !span->overflow && t->waiting_n < TRACER_WAITING_SPANS_MAX &&
                before + span->n + 16 <= t->waiting.max &&
                p->span_bytes + span->n + 16 <= TRACER_ALL_BYTES_MAX;
    if (!fits) {
        tracer_lost(p, 1);
        return;
    }
    otlp_bytes(&t->waiting, OTLP_SPAN, buf_str(span));
    p->span_bytes += t->waiting.n - before;
    if (!t->waiting_n++) t->since_us = proxy_core_now(p);
}

/* ---- all of them ---- */

void tracer_setup(struct proxy *p) {
    map_init(&p->tracers);
    buf_init(&p->span, SPAN_BYTES_MAX);
    buf_init(&p->span_scratch, SPAN_SCRATCH_BYTES_MAX);
}

void tracer_drain_all(struct proxy *p) {
    map_each (e, &p->tracers) {
        struct tracer *t = e->value;
        if (t->state == TRACER_PAUSES) t->due_us = proxy_core_now(p);
        if (t->state == TRACER_SENDS) t->due_us = num_min(t->due_us, proxy_core_now(p) + DRAIN_EXPORT_US);
        set_timer(t);
    }
}

bool tracer_is_idle(const struct proxy *p) {
    map_each (e, &p->tracers) {
        const struct tracer *t = e->value;
        if (t->state != TRACER_RESTS || t->waiting_n) return false;
    }
    return true;
}

void tracer_cut_all(struct proxy *p) {
    map_each (e, &p->tracers) {
        struct tracer *t = e->value;
        close_export(t);
        tracer_lost(p, t->batch_n + t->waiting_n);
        p->span_bytes -= t->waiting.n;
        buf_clear(&t->waiting);
        t->waiting_n = 0;
        rest(t);
    }
}

void tracer_free_all(struct proxy *p) {
    for (bool more = p->tracers.n > 0; more; more = p->tracers.n > 0) {
        struct tracer *one = NULL;
        map_each (e, &p->tracers) one = e->value;
        forget(one);
    }
    map_fini(&p->tracers);
    buf_fini(&p->span);
    buf_fini(&p->span_scratch);
}
