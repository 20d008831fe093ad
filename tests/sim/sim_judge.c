/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

bool sim_idempotent(const struct sim_request *q) {
    return strcmp(q->method, "POST") != 0 && strcmp(q->method, "PATCH") != 0;
}

static const struct sim_route *route_of(const struct sim *s, const struct sim_request *q) {
    return &s->routes[q->route];
}

/* Did a backend do that to it? */
static bool met(const struct sim_request *q, enum sim_fault f) {
    for (uint32_t i = 0; i < q->receipts_n; i++)
        if (q->receipts[i].fault == f && q->receipts[i].backend != SIM_MIRROR) return true;
    return false;
}

/* Something is wrong in this run that a question of authorization may meet. */
static bool may_not_answer(const struct sim *s) {
    const struct sim_mischief *bad = &s->bad;
    return bad->refuses || bad->black_holes || bad->silent || bad->late || bad->gone || bad->cut ||
           bad->no_http || bad->closes_idle || bad->slow_backends || bad->changes || bad->out_of_files ||
           bad->refused_streams || bad->goaways || s->rude || s->refusals || s->limited;
}

static bool was_torn(const struct sim_request *q) {
    for (uint32_t i = 0; i < q->receipts_n; i++)
        if (q->receipts[i].torn) return true;
    return false;
}

/* May it have come to that, after all that has happened to it? */
static bool is_possible(const struct sim *s, const struct sim_request *q, enum http_reason why) {
    const struct sim_mischief *bad = &s->bad;
    const struct sim_route *r = route_of(s, q);
    switch ((unsigned)why) {
    case REASON_NONE: return r->ever_backend;
    case REASON_REDIRECT: return r->ever_redirects;
    case REASON_BACKEND_REFUSED: return bad->refuses || bad->out_of_files;
    case REASON_BACKEND_RESET:
        if (met(q, SIM_GONE) || met(q, SIM_CUT) || s->rude) return true;
        /* who is refused is tried again, but not for ever, nor when its body is gone */
        if (s->refusals && (q->line_attempts > 1 || q->body_n > SIM_KEPT_BYTES)) return true;
        return bad->closes_idle && (!sim_idempotent(q) || q->body_n || q->chunked || r->ever_retries);
    case REASON_BACKEND_PROTOCOL: return met(q, SIM_NO_HTTP) || met(q, SIM_CUT) || (s->rude && bad->no_http);
    case REASON_BACKEND_CUT: return met(q, SIM_CUT) || s->rude || was_torn(q);
    case REASON_BACKEND_TIMEOUT: return bad->black_holes || r->ever_timeouts || q->gave_up;
    case REASON_BACKEND_NO_UPGRADE: return q->tunnel;
    case REASON_NO_ENDPOINTS: return bad->changes || bad->refuses || bad->black_holes || bad->out_of_files;
    case REASON_NO_BACKEND: return true; /* weights may all be 0 */
    case REASON_NO_LISTENER:
    case REASON_NO_ROUTE: return bad->changes;
    case REASON_OVERLOAD: return bad->out_of_files;
    case REASON_REQUEST_TIMEOUT:
    case REASON_CLIENT_SLOW: return q->spoiled && bad->slow_clients;
    case REASON_BACKEND_OVERLOADED: return s->limited;
    case REASON_RETRY_BUDGET: return s->budgeted;
    case REASON_AUTH_DENIED: return bad->denies && r->ever_asks;
    case REASON_BODY_TOO_LARGE: return r->ever_shows && q->body_n > SIM_AUTH_BYTES;
    case REASON_AUTH_UNAVAILABLE: return r->ever_asks && may_not_answer(s);
    case REASON_DRAINING: return s->drain_early;
    case REASON_CLIENT_GONE: return q->spoiled || s->drain_early;
    default: return false;
    }
}

static void judge_receipts(const struct sim_request *q, const struct sim_route *r) {
    unsigned n = 0, mirrored = 0, asked = 0;
    for (uint32_t i = 0; i < q->receipts_n; i++) {
        const struct sim_receipt *a = &q->receipts[i];
        if (a->refused) continue;
        n += a->backend < SIM_MIRROR, asked += a->backend == SIM_AUTH, mirrored += a->backend == SIM_MIRROR;
    }
    if (n && !q->begun) fake_fail("%u reached a backend and was never sent", q->id);
    if (n > 1 && !sim_idempotent(q)) fake_fail("%u (%s) reached backends %u times", q->id, q->method, n);
    if (n && !r->ever_backend) fake_fail("%u reached a backend, of a route that redirects", q->id);
    /* a mirror may find the end of a kept connection, too */
    if (mirrored > (sim_idempotent(q) ? 2 : 1)) fake_fail("%u was mirrored %u times", q->id, mirrored);
    if (asked && !r->ever_asks) fake_fail("%u was asked about, on a route that does not ask", q->id);
    if (mirrored && !r->ever_mirrors) fake_fail("%u was mirrored, of a route without mirrors", q->id);
}

static void judge_complete(const struct sim *s, const struct sim_request *q) {
    if (q->lines != 1) fake_fail("%u has %u lines in the access log", q->id, q->lines);
    if (q->line_status != q->status)
        fake_fail("%u got %u and the log says %u", q->id, q->status, q->line_status);
    if (q->line_out != q->got)
        fake_fail("%u got %zu bytes and the log says %llu", q->id, q->got, (unsigned long long)q->line_out);
    if (q->from >= 0) {
        const struct sim_receipt *a = &q->receipts[q->from];
        size_t n = a->no_body ? 0 : a->body_n;
        if (!a->whole) fake_fail("%u looks complete, and its backend has stopped within", q->id);
        if (q->got != n) fake_fail("%u looks complete with %zu bytes of %zu", q->id, q->got, n);
        if (a->backend == SIM_AUTH) {
            if (q->line_reason != REASON_AUTH_DENIED)
                fake_fail("%u was denied, and the log does not know", q->id);
            return;
        }
        if (q->line_reason != REASON_NONE && !(a->told && q->line_reason == REASON_CLIENT_GONE))
            fake_fail("%u was answered by a backend and the log says %u", q->id, q->line_reason);
        return;
    }
    if (q->told && q->told != q->line_reason) fake_fail("%u was told another reason than the log", q->id);
    if (q->line_reason == REASON_NONE || !is_possible(s, q, q->line_reason))
        fake_fail("%u was told " STR_FMT ", which can not be", q->id,
                  STR_ARG(http_reason_name(q->line_reason)));
}

/* The client has not got all. */
static void judge_lost(const struct sim *s, const struct sim_request *q) {
    if (q->lines > 1) fake_fail("%u has %u lines in the access log", q->id, q->lines);
    if (q->lines && q->line_reason != REASON_NONE && !is_possible(s, q, q->line_reason))
        fake_fail("%u came to " STR_FMT ", which can not be", q->id,
                  STR_ARG(http_reason_name(q->line_reason)));
    if (q->spoiled || s->drain_early || !q->begun) return;
    if (!q->head && (q->behind_close || q->after_idle)) return;
    if (q->before_old) return;
    bool cut = q->line_reason == REASON_BACKEND_CUT || q->line_reason == REASON_BACKEND_TIMEOUT ||
               q->line_reason == REASON_BACKEND_PROTOCOL; /* less than it said */
    if (q->lines && cut && (!q->head || q->from >= 0)) return;
    if (q->head && !q->sent) return; /* it was answered early and went on sending, for too long */
    fake_fail("%u is lost, and nothing was wrong with it", q->id);
}

static void judge_time(const struct sim *s, const struct sim_request *q) {
    const struct sim_route *r = route_of(s, q);
    enum { BOUND_US = 6000000, WRITING_US = 60000000 };
    if (!q->lines || r->never_timeouts || q->spoiled || q->unhurried || q->status == 101) return;
    if (q->line_us > BOUND_US + WRITING_US)
        fake_fail("%u took %llu us", q->id, (unsigned long long)q->line_us);
    bool ended_by_time = !q->head || q->from < 0;
    if (ended_by_time && q->sent && q->line_us > BOUND_US + 4000000)
        fake_fail("%u ended after %llu us without an answer of a backend", q->id,
                  (unsigned long long)q->line_us);
}

static void judge_counts(const struct sim *s) {
    const struct worker_stats *st = &s->counts;
    uint64_t lines = s->lines_without, reasons = 0, requests = stats_get(&st->requests);
    for (uint32_t i = 0; i < s->requests_n; i++) lines += s->requests[i].lines;
    for (int i = 0; i < HTTP_REASON_COUNT; i++) reasons += stats_get(&st->reasons[i]);
    if (requests < lines || requests > lines + s->half_heads) /* a head that never was whole has no line */
        fake_fail("%llu requests were counted, %llu told", (unsigned long long)requests,
                  (unsigned long long)lines);
    if (reasons != requests) fake_fail("the reasons add up to %llu", (unsigned long long)reasons);
    if (s->tallied != requests)
        fake_fail("%llu requests were tallied, %llu counted", (unsigned long long)s->tallied,
                  (unsigned long long)requests);
    uint64_t told_us = 0, others_us = (requests - lines + s->lines_without) * UINT64_C(100000000);
    for (uint32_t i = 0; i < s->requests_n; i++) told_us += s->requests[i].line_us;
    if (s->tallied_us > told_us + others_us)
        fake_fail("%llu us were tallied, %llu told", (unsigned long long)s->tallied_us,
                  (unsigned long long)told_us);
    if (stats_get(&st->connections_accepted) != s->kernel.accepts)
        fake_fail("connections were counted wrongly");
    if (stats_get(&st->upstream_connects) != s->kernel.sockets - 2)
        fake_fail("connections to backends were counted wrongly");
    if (stats_get(&st->connections_open) || stats_get(&st->requests_open) || stats_get(&st->upstream_idle))
        fake_fail("something is open at the end");
}

void sim_judge(const struct sim *s) {
    for (uint32_t i = 0; i < s->requests_n; i++) {
        const struct sim_request *q = &s->requests[i];
        judge_receipts(q, route_of(s, q));
        if (q->lines && !q->begun) fake_fail("%u is in the access log and was never sent", q->id);
        if (q->gave_up && !met(q, SIM_SILENT))
            fake_fail("%u had no answer, and its backend was not silent", q->id);
        if (q->gave_up && !route_of(s, q)->never_timeouts)
            fake_fail("%u had no answer, for all its timeouts", q->id);
        if (q->head && q->status == 101)
            sim_tunnel_judge(s, q);
        else if (q->complete)
            judge_complete(s, q);
        else
            judge_lost(s, q);
        judge_time(s, q);
    }
    judge_counts(s);
}
