/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/retry.h"

#include "base/num.h"
#include "proxy/exchange.h"
#include "proxy/retry_budget.h"

bool retry_idempotent(const struct http_msg *m) {
    static const bool idempotent[] = {
        [HTTP_GET] = true,     [HTTP_HEAD] = true,  [HTTP_PUT] = true,    [HTTP_DELETE] = true,
        [HTTP_OPTIONS] = true, [HTTP_TRACE] = true, [HTTP_PATCH] = false,
    };
    return m->method_id < COUNT_OF(idempotent) && idempotent[m->method_id];
}

str retry_stop_name(enum retry_stop s) {
    static const char *const names[RETRY_STOP_COUNT] = {
        [RETRY_NOT_STOPPED] = "",   [RETRY_STOP_ATTEMPTS] = "attempts", [RETRY_STOP_METHOD] = "method",
        [RETRY_STOP_BODY] = "body", [RETRY_STOP_TIME] = "time",         [RETRY_STOP_BUDGET] = "budget",
    };
    return str_of(names[s]);
}

uint64_t retry_wait_us(uint64_t base_us, uint32_t nth, uint64_t random) {
    enum { MOST = 10 };
    uint64_t times = num_min(UINT64_C(1) << num_min(nth, 4), MOST);
    uint64_t span = base_us > UINT64_MAX / 2 / MOST ? UINT64_MAX / 2 : base_us * times;
    return (uint64_t)((__uint128_t)random * span >> 64);
}

bool retry_forbidden(const struct exchange *x) { return x->rule->retry && !x->rule->retry->attempts; }

bool retry_possible(const struct exchange *x) {
    if (x->state != X_WAIT || x->kept_lost) return false;
    const struct table_retry *r = x->rule->retry;
    if (r && x->retry.n < r->attempts) return true;
    if (retry_forbidden(x) || x->response_begun) return false;
    if (upstream_shared(&x->up)) return true; /* its stream may be refused, whatever was sent */
    return !x->retry.on_fresh && x->up.reused && (retry_idempotent(x->request) || !x->wrote_any);
}

/* For the record: what the attempt before came to. */
static void tell(struct exchange *x, str what) {
    struct retry *t = &x->retry;
    x->proxy->counts.retries++;
    if (!x->record.wanted || t->told_n++ >= RETRY_TOLD_MAX) return;
    t->told = t->told.n ? arena_printf(x->arena, STR_FMT "," STR_FMT, STR_ARG(t->told), STR_ARG(what)) : what;
}

static enum retry_verdict stop(struct exchange *x, enum retry_stop why) {
    x->retry.stop = (uint8_t)why;
    x->proxy->counts.retries_stopped[why]++;
    return why == RETRY_STOP_BUDGET ? RETRY_SPENT : RETRY_NO;
}

/* By the rule's own stanza. */
static enum retry_verdict by_rule(struct exchange *x, bool processed, str what) {
    const struct table_retry *r = x->rule->retry;
    if (x->retry.n >= r->attempts) return stop(x, RETRY_STOP_ATTEMPTS);
    if (processed && !retry_idempotent(x->request)) return stop(x, RETRY_STOP_METHOD);
    if (x->kept_lost) return stop(x, RETRY_STOP_BODY);
    uint64_t now_us = proxy_core_now(x->proxy);
    uint64_t due_us = now_us + retry_wait_us(r->backoff_us, x->retry.n, rng_next(&x->proxy->rng));
    if (due_us >= x->request_due_us) return stop(x, RETRY_STOP_TIME);
    if (!retry_budget_take(x)) return stop(x, RETRY_STOP_BUDGET);
    x->retry.n++;
    x->retry.due_us = due_us;
    tell(x, what);
    return RETRY_LATER;
}

/* As every proxy does. */
static enum retry_verdict by_custom(struct exchange *x, enum retry_fault f, str what) {
    if (f == RETRY_MAYBE || x->attempts > BALANCE_TRIES) return RETRY_NO;
    if (x->kept_lost) return stop(x, RETRY_STOP_BODY);
    if (!retry_budget_take(x)) return stop(x, RETRY_STOP_BUDGET);
    tell(x, what);
    return RETRY_NOW;
}

enum retry_verdict retry_fault(struct exchange *x, enum retry_fault f, enum http_reason why) {
    const struct table_retry *r = x->rule->retry;
    str what = http_reason_name(why);
    if (f == RETRY_POOLED && !retry_forbidden(x)) {
        x->retry.on_fresh = true;
        tell(x, what);
        return RETRY_NOW;
    }
    if (!r) return by_custom(x, f, what);
    if (f != RETRY_UNSENT && !table_retry_has(r, http_reason_status(why))) return RETRY_NO;
    return by_rule(x, f != RETRY_UNSENT, what);
}

/* By these a server says that it has not looked into the request, whatever its method. [RFC 9110 15.5.9, 15.5.20] [RFC 8470 5.2] */
static bool is_untouched(uint16_t status) { return status == 408 || status == 421 || status == 425; }

enum retry_verdict retry_status(struct exchange *x, uint16_t status) {
    const struct table_retry *r = x->rule->retry;
    if (!r || !table_retry_has(r, status)) return RETRY_NO;
    char digits[NUM_DIGITS_MAX];
    str s = num_print(status, digits);
    return by_rule(x, !is_untouched(status), x->record.wanted ? arena_str(x->arena, s) : s);
}
