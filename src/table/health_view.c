/* SPDX-License-Identifier: Apache-2.0 */
#include "table/health_view.h"

#include <string.h>

#include "table/table.h"

static uint64_t load(const _Atomic uint64_t *v) { return atomic_load_explicit(v, memory_order_relaxed); }

static struct health_why of_checks(const struct health *h) {
    uint32_t last = atomic_load_explicit(&h->last, memory_order_relaxed);
    uint32_t bads = atomic_load_explicit(&h->probes, memory_order_relaxed) >> 16;
    return (struct health_why){HEALTH_BY_CHECKS, (uint8_t)last, (uint16_t)(last >> 16), bads};
}

static struct health_why of_requests(const struct health *h) {
    uint64_t word = load(&h->why);
    struct health_why why;
    memcpy(&why, &word, sizeof why);
    return why;
}

static bool starts(const struct health *h, uint64_t now_us) {
    uint64_t slow_us = load(&h->slow_us);
    return slow_us && health_share(h, slow_us, now_us) < HEALTH_SHARE_FULL;
}

/* Its words are read one after the other while others change them: what is shown may be a mixture for a moment. */
struct health_view health_view_of(const struct health *h, uint64_t now_us) {
    uint64_t out = load(&h->out_us);
    bool unfit = atomic_load_explicit(&h->unfit, memory_order_relaxed);
    bool failing = unfit || atomic_load_explicit(&h->probes, memory_order_relaxed) >> 16;
    struct health_view v = {.state = HEALTH_SERVING};
    if (out && unfit) {
        v.state = HEALTH_CHECKS_FAILED;
        v.why = of_checks(h);
    } else if (out) {
        v.state = out & 1 ? HEALTH_ON_TRIAL : HEALTH_EJECTED;
        v.why = of_requests(h);
    } else if (failing) {
        v.state = HEALTH_FAILING_CHECKS;
        v.why = of_checks(h);
    } else if (starts(h, now_us)) {
        v.state = HEALTH_SLOW_START;
    }
    return v;
}

const struct table_endpoint *health_view_next(const struct table_endpoints *e, uint64_t now_us, uint32_t *at,
                                              struct health_view *ret) {
    while (e && *at < e->n) {
        const struct table_endpoint *x = &e->v[(*at)++];
        struct health_view v = health_view_of(x->health, now_us);
        if (v.state == HEALTH_SERVING) continue;
        *ret = v;
        return x;
    }
    return NULL;
}

str health_view_state(enum health_state s) {
#define NAME(id, name) name,
    static const char *const names[] = {HEALTH_STATES(NAME)};
#undef NAME
    return str_of(names[s]);
}

str health_view_cause(enum health_cause c) {
#define NAME(id, name) name,
    static const char *const names[] = {HEALTH_CAUSES(NAME)};
#undef NAME
    return str_of(names[c]);
}

/* What went wrong the last time, as far as it is known. */
static void add_last(struct buf *b, const struct health_why *w) {
    const char *words = w->reason == REASON_BACKEND_REFUSED ? strerrordesc_np(w->detail) : NULL;
    if (w->reason == REASON_NONE && w->detail)
        buf_printf(b, "status %u", w->detail);
    else if (words && w->detail)
        buf_add(b, str_of(words));
    else if (w->reason != REASON_NONE)
        buf_add(b, http_reason_words((enum http_reason)w->reason));
    else
        buf_add(b, S("it is not known why"));
}

static void add_why(struct buf *b, const struct health_why *w) {
    switch ((enum health_cause)w->cause) {
    case HEALTH_BY_CONNECT:
        buf_add(b, S("no connection: "));
        add_last(b, w);
        break;
    case HEALTH_BY_NO_ANSWER: buf_printf(b, "no answer to %u in a row", w->times); break;
    case HEALTH_BY_STATUS:
        buf_printf(b, "%u answers in a row were 5xx, the last: ", w->times);
        add_last(b, w);
        break;
    case HEALTH_BY_CHECKS:
        buf_printf(b, "%u checks in a row failed, the last: ", w->times);
        add_last(b, w);
        break;
    case HEALTH_BY_NONE:
    case HEALTH_CAUSE_COUNT: break;
    }
}

void health_view_print(struct buf *b, const struct health_view *v) {
    str name = health_view_state(v->state);
    for (size_t i = 0; i < name.n; i++) buf_add_char(b, name.p[i] == '_' ? ' ' : name.p[i]);
    if (v->why.cause == HEALTH_BY_NONE) return;
    buf_add(b, S(": "));
    add_why(b, &v->why);
}
