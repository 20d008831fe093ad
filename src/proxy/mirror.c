/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/mirror.h"

#include "proxy/admission.h"

struct mirror { /* owner: worker */
    struct link on_proxy;
    struct exchange *of; /* while it follows that one's body: then it is in its list */
    struct mirror *next;
    struct proxy *proxy;
    struct upstream_loan up;
    struct arena *arena;
    size_t arena_usual;
    struct timer timer;
    struct http_msg *request, *trailers;
    const struct table_rule *rule; /* counted in proxy.uses */
    const struct table_backend *backend;
    const struct table_certificate *client; /* of this generation's table */
    uint64_t client_generation;
    const struct table_balancing *balancing; /* held */
    struct balance_tried tried;
    struct kept body;
    struct kept_at fed;
    size_t held; /* bytes of body that are in memory */
    uint64_t progress_us;
    bool bodyless, request_ended, request_sent;
    bool response_begun, response_ended;
    bool wrote_any; /* a byte of the request has gone out */
    bool repeated;  /* on a fresh connection */
    bool trimmed;   /* its body is not whole any more */
    uint8_t tries;  /* that came to nothing, unread */
    bool over;
};
enum { MIRRORS_KEPT = 1024, TRIES = 3 };

static struct mirror *of(struct upstream_loan *l) { return container_of(l, struct mirror, up); }

/* ---- the end ---- */

static void leave(struct mirror *m) {
    if (!m->of) return;
    struct mirror **at = &m->of->mirrors;
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    m->of = NULL;
}

static void over(struct mirror *m) {
    struct proxy *p = m->proxy;
    if (m->over) return;
    m->over = true;
    leave(m);
    upstream_drop(&m->up);
    timer_clear(&m->timer);
    balance_tried_fini(&m->tried);
    policy_release(p->upstream, m->balancing);
    kept_drop(&m->body, &p->common.buffers);
    p->mirror_bytes -= m->held;
    m->held = 0;
    proxy_core_unuse(p, m->rule);
    link_remove(&m->on_proxy);
    link_append(&p->mirrors_done, &m->on_proxy);
}

static void failed(struct mirror *m) {
    if (!m->over) m->proxy->counts.mirrors_failed++;
    over(m);
}

static void dropped(struct mirror *m) {
    if (!m->over) m->proxy->counts.mirrors_dropped++;
    over(m);
}

void mirror_reap(struct proxy *p) {
    for (struct link *l; (l = link_pop(&p->mirrors_done));) {
        struct mirror *m = container_of(l, struct mirror, on_proxy);
        if (arena_size(m->arena) > m->arena_usual) p->arena_misses++;
        arena_reset(m->arena);
        pool_give(&p->mirrors, m);
    }
}

static void drop_memory(void *item) {
    struct mirror *m = item;
    if (m->proxy) timer_forget(&m->proxy->common.loop->timers, &m->timer);
    arena_free(m->arena);
}

void mirror_setup(struct proxy *p) {
    pool_init(&p->mirrors, sizeof(struct mirror), MIRRORS_KEPT, drop_memory);
    link_init(&p->mirrors_open);
    link_init(&p->mirrors_done);
}

void mirror_cut_all(struct proxy *p) {
    list_each (struct mirror, m, &p->mirrors_open, on_proxy) failed(m);
}

/* ---- time ---- */

static void set_timer(struct mirror *m) {
    timer_set(&m->proxy->common.loop->timers, &m->timer, m->progress_us + m->proxy->limits.mirror_us);
}

/* Once the request is complete no progress puts the end off. */
static void progress(struct mirror *m) {
    if (!m->request_ended) m->progress_us = proxy_core_now(m->proxy);
}

static bool waits_for_client(const struct mirror *m) {
    return !m->request_ended && m->up.state == UPSTREAM_OPEN && m->fed.n == m->body.n &&
           !upstream_pending(&m->up);
}

static void on_due(struct timer *t, uint64_t now_us) {
    struct mirror *m = container_of(t, struct mirror, timer);
    if (m->over) return;
    if (waits_for_client(m)) m->progress_us = now_us;
    if (m->progress_us + m->proxy->limits.mirror_us > now_us)
        set_timer(m);
    else
        failed(m);
}

/* ---- the request ---- */

static err feed(struct mirror *m) {
    for (str s; (s = kept_next(&m->body, &m->fed)).n;) {
        bool last = m->request_ended && !m->trailers && m->fed.n + s.n == m->body.n;
        if (upstream_pending(&m->up) > CONN_HIGH_WATER_BYTES) return OK;
        err e = upstream_submit_body(&m->up, s, last);
        if (e == ERR_AGAIN) return OK;
        if (e != OK) return e;
        kept_step(&m->fed, s.n);
        m->request_sent = last;
    }
    if (!m->request_ended || m->request_sent) return OK;
    m->request_sent = true;
    return upstream_submit_end(&m->up, m->trailers);
}

static void send_on(struct mirror *m) {
    if (feed(m) != OK)
        failed(m);
    else
        upstream_flush(&m->up);
}

static void start(struct mirror *m, bool again);

/* The connection has no room for it, or the mirror has not looked at it: another one may take it. */
static void again(struct mirror *m) {
    upstream_drop(&m->up);
    if (m->trimmed || ++m->tries == TRIES)
        failed(m);
    else
        start(m, true);
}

static void send_request(struct mirror *m) {
    m->fed = (struct kept_at){0};
    m->response_begun = false;
    m->request_sent = m->bodyless;
    err e = upstream_submit(&m->up, m->request, m->bodyless);
    if (e == ERR_AGAIN || e == ERR_END)
        again(m);
    else if (e != OK)
        failed(m);
    else if (m->bodyless)
        upstream_flush(&m->up);
    else
        send_on(m);
}

/* A pooled connection that is closed already is passed over. */
static err take(struct mirror *m, bool again) {
    const struct table *t = m->proxy->table;
    struct upstream_want w = {.backend = m->backend,
                              .tried = &m->tried,
                              .again = again,
                              .fresh = m->repeated,
                              .balancing = m->balancing,
                              .client = t && t->generation == m->client_generation ? m->client : NULL};
    for (;;) {
        err e = upstream_take(m->proxy->upstream, &w, &m->up);
        if (e == ERR_IO) continue; /* the endpoint is among the tried now */
        if (e != OK || !m->up.reused || upstream_alive(&m->up)) return e;
        upstream_drop(&m->up);
    }
}

static void start(struct mirror *m, bool again) {
    err e = take(m, again);
    if (e == ERR_LIMIT)
        dropped(m);
    else if (e != OK)
        failed(m);
    else if (m->up.state == UPSTREAM_OPEN)
        send_request(m);
}

/* ---- what upstream/ tells ---- */

static void on_opened(struct upstream_loan *l) { send_request(of(l)); }

static void on_failed(struct upstream_loan *l, enum http_reason why, const char *words) {
    (void)why, (void)words;
    struct mirror *m = of(l);
    balance_tried_add(&m->tried, l->endpoint);
    start(m, true);
}

static void lost(struct mirror *m, bool untouched) {
    if (!untouched && !m->up.reused && !m->response_begun) upstream_failed(&m->up);
    bool twice = retry_idempotent(m->request) || !m->wrote_any; /* it may be sent again [RFC 9110 9.2.2] */
    bool closed = twice && m->up.reused && !m->response_begun && !m->repeated;
    m->repeated |= !untouched;
    if (untouched || closed)
        again(m);
    else
        failed(m);
}

static void on_did_read(struct upstream_loan *l) {
    struct mirror *m = of(l);
    if (!m->response_ended) return;
    if (m->request_sent) upstream_release(&m->up);
    over(m);
}

static void on_wrote(struct upstream_loan *l) {
    struct mirror *m = of(l);
    m->wrote_any = true;
    progress(m);
    if (m->fed.n != m->body.n || (m->request_ended && !m->request_sent)) {
        send_on(m);
        return;
    }
    if (m->bodyless || m->held <= KEPT_PIECE_BYTES) return;
    size_t n = kept_trim(&m->body, &m->proxy->common.buffers, &m->fed);
    m->trimmed |= n > 0;
    m->held -= n;
    m->proxy->mirror_bytes -= n;
}

static void on_refused(struct upstream_loan *l, err e, enum http_reason why) {
    (void)e, (void)why;
    failed(of(l));
}

static void on_ended(struct upstream_loan *l, bool cut) {
    struct mirror *m = of(l);
    if (m->response_ended && !cut)
        over(m);
    else
        lost(m, false);
}

static void on_write_failed(struct upstream_loan *l) { (void)l; /* its end is read next */ }

static struct arena *on_begin(void *arg, uint32_t stream) {
    (void)stream;
    struct mirror *m = of(arg);
    m->response_begun = true;
    return m->arena;
}
static void on_head(void *arg, uint32_t stream, struct http_msg *head, bool end) {
    (void)stream;
    progress(of(arg));
    if (head->status >= 200) upstream_answered(arg, head->status);
    if (end) of(arg)->response_ended = true;
}
static void on_body(void *arg, uint32_t stream, str bytes) {
    (void)stream;
    progress(of(arg));
    upstream_consume(arg, bytes.n);
}
static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream, (void)trailers;
    of(arg)->response_ended = true;
}
static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)stream;
    lost(of(arg), why == REASON_BACKEND_REFUSED); /* [RFC 9113 8.7] */
}
static const struct codec_sink sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};
static const struct upstream_events events = {
    .sink = &sink,
    .opened = on_opened,
    .failed = on_failed,
    .did_read = on_did_read,
    .wrote = on_wrote,
    .refused = on_refused,
    .ended = on_ended,
    .write_failed = on_write_failed,
};

/* ---- what the exchange tells ---- */

static bool takes(const struct mirror *m, size_t n) {
    return m->body.n - m->fed.n + n <= MIRROR_BYTES_MAX && m->proxy->mirror_bytes + n <= MIRROR_ALL_BYTES_MAX;
}

/* What of the body has been kept already, for an authorization server. false: it is too much. */
static bool follow_up(struct exchange *x, struct mirror *m) {
    struct kept_at at = {0};
    if (!x->kept.n && !x->request_ended) return true;
    if (!takes(m, x->kept.n)) {
        dropped(m);
        return false;
    }
    for (str s; (s = kept_next(&x->kept, &at)).n; kept_step(&at, s.n))
        kept_add(&m->body, &m->proxy->common.buffers, s);
    m->held = m->body.n;
    m->proxy->mirror_bytes += m->held;
    m->request_ended = x->request_ended;
    if (x->trailers) m->trailers = http_msg_copy(m->arena, x->trailers);
    return true;
}

static void begin(struct exchange *x, const struct table_mirror *to) {
    struct proxy *p = x->proxy;
    bool fresh;
    if (p->mirrors.lent >= p->limits.mirrors_max) {
        p->counts.mirrors_dropped++;
        return;
    }
    struct mirror *m = pool_take(&p->mirrors, &fresh);
    if (fresh) {
        timer_init(&m->timer, on_due);
        m->arena = arena_new();
        arena_bytes(m->arena, PROXY_ARENA_BYTES);
        arena_reset(m->arena);
        m->arena_usual = arena_size(m->arena);
    }
    *m = (struct mirror){.proxy = p,
                         .up = {.events = &events},
                         .arena = m->arena,
                         .arena_usual = m->arena_usual,
                         .timer = m->timer,
                         .request = http_msg_copy(m->arena, x->request),
                         .rule = x->rule,
                         .backend = to->backend,
                         .balancing = x->balancing ? policy_hold(p->upstream, x->balancing) : NULL,
                         .client = admission_client(x),
                         .client_generation = p->table ? p->table->generation : 0,
                         .bodyless = x->bodyless,
                         .request_ended = x->bodyless,
                         .progress_us = proxy_core_now(p)};
    proxy_core_use(p, m->rule);
    link_append(&p->mirrors_open, &m->on_proxy);
    p->counts.mirrors++;
    m->request->upgrade = S(""); /* nobody would speak the other protocol with it */
    if (!follow_up(x, m)) return;
    if (!m->request_ended) m->of = x, m->next = x->mirrors, x->mirrors = m;
    set_timer(m);
    start(m, false);
}

static void begin_each(struct exchange *x, const struct table_filter *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        const struct table_mirror *to = v[i].type == TABLE_MIRROR ? v[i].mirror : NULL;
        if (!to) continue;
        if (to->numerator < to->denominator && rng_below(&x->proxy->rng, to->denominator) >= to->numerator)
            continue;
        begin(x, to);
    }
}

void mirror_begin(struct exchange *x) {
    begin_each(x, x->rule->filters, x->rule->filters_n);
    begin_each(x, x->target->filters, x->target->filters_n);
}

void mirror_body(struct exchange *x, str bytes) {
    struct proxy *p = x->proxy;
    for (struct mirror *m = x->mirrors, *next; m; m = next) {
        next = m->next;
        if (!takes(m, bytes.n)) {
            dropped(m);
            continue;
        }
        if (m->fed.n == m->body.n) progress(m); /* it had waited for the client */
        kept_add(&m->body, &p->common.buffers, bytes);
        m->held += bytes.n;
        p->mirror_bytes += bytes.n;
        if (m->up.state == UPSTREAM_OPEN) send_on(m);
    }
}

void mirror_end(struct exchange *x, const struct http_msg *trailers) {
    while (x->mirrors) {
        struct mirror *m = x->mirrors;
        leave(m);
        progress(m);
        m->request_ended = true;
        if (trailers) m->trailers = http_msg_copy(m->arena, trailers);
        set_timer(m);
        if (m->up.state == UPSTREAM_OPEN) send_on(m);
    }
}

void mirror_cut(struct exchange *x) {
    while (x->mirrors) failed(x->mirrors);
}
