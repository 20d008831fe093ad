/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/mirror.h"

#include "proxy/admission.h"
#include "upstream/errand.h"

struct mirror { /* owner: worker */
    struct link on_proxy;
    struct exchange *of; /* while it follows that one's body: then it is in its list */
    struct mirror *next;
    struct proxy *proxy;
    struct errand errand;
    struct arena *arena;
    size_t arena_usual;
    struct timer timer;
    struct http_msg *request, *trailers;
    const struct table_rule *rule; /* counted in proxy.uses */
    const struct table_backend *backend;
    const struct table_certificate *client; /* of this generation's table */
    uint64_t client_generation;
    const struct table_balancing *balancing; /* held */
    struct kept body;
    struct kept_at fed;
    size_t held; /* bytes of body that are in memory */
    uint64_t progress_us;
    bool bodyless, request_ended;
    bool over;
};
enum { MIRRORS_KEPT = 1024 };

static struct mirror *of(struct errand *e) { return container_of(e, struct mirror, errand); }

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
    errand_drop(&m->errand);
    timer_clear(&m->timer);
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
    return !m->request_ended && m->errand.up.state == UPSTREAM_OPEN && m->fed.n == m->body.n &&
           !upstream_pending(&m->errand.up);
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

static err take(struct errand *e, bool again) {
    struct mirror *m = of(e);
    const struct table *t = m->proxy->table;
    struct upstream_want w = {.backend = m->backend,
                              .again = again,
                              .balancing = m->balancing,
                              .client = t && t->generation == m->client_generation ? m->client : NULL};
    return errand_take(e, &w);
}

static const struct http_msg *request(struct errand *e, bool *ret_whole) {
    struct mirror *m = of(e);
    m->fed = (struct kept_at){0};
    *ret_whole = m->bodyless;
    return m->request;
}

static err feed(struct errand *e) {
    struct mirror *m = of(e);
    return kept_send(&m->body, &m->fed, &e->up, m->request_ended, m->trailers, &e->sent);
}

static void on_wrote(struct errand *e) {
    struct mirror *m = of(e);
    progress(m);
    if (m->fed.n != m->body.n || (m->request_ended && !e->sent)) {
        errand_feed(e);
        return;
    }
    if (m->bodyless || m->held <= KEPT_PIECE_BYTES) return;
    size_t n = kept_trim(&m->body, &m->proxy->common.buffers, &m->fed);
    if (n) e->repeats = 0; /* the body is not whole any more */
    m->held -= n;
    m->proxy->mirror_bytes -= n;
}

/* ---- the answer: nobody wants it ---- */

static void on_head(struct errand *e, struct http_msg *head, bool end) {
    (void)head, (void)end;
    progress(of(e));
}

static void on_body(struct errand *e, str bytes) {
    (void)bytes;
    progress(of(e));
}

static void on_over(struct errand *e, enum errand_end how) {
    if (how == ERRAND_ANSWERED)
        over(of(e));
    else if (how == ERRAND_FULL)
        dropped(of(e));
    else
        failed(of(e));
}

static const struct errand_ops ops = {
    .take = take,
    .request = request,
    .feed = feed,
    .wrote = on_wrote,
    .head = on_head,
    .body = on_body,
    .over = on_over,
    .repeats = 2,
    .blames = ERRAND_BLAMES_SILENCE,
    .looks = true,
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
    if (pool_lent(&p->mirrors) >= p->limits.mirrors_max) {
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
    errand_init(&m->errand, &ops, p->upstream, m->arena);
    m->errand.repeatable = retry_idempotent(m->request); /* [RFC 9110 9.2.2] */
    proxy_core_use(p, m->rule);
    link_append(&p->mirrors_open, &m->on_proxy);
    p->counts.mirrors++;
    m->request->upgrade = S(""); /* nobody would speak the other protocol with it */
    if (!follow_up(x, m)) return;
    if (!m->request_ended) m->of = x, m->next = x->mirrors, x->mirrors = m;
    set_timer(m);
    errand_begin(&m->errand);
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
        if (m->errand.up.state == UPSTREAM_OPEN) errand_feed(&m->errand);
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
        if (m->errand.up.state == UPSTREAM_OPEN) errand_feed(&m->errand);
    }
}

void mirror_cut(struct exchange *x) {
    while (x->mirrors) failed(x->mirrors);
}
