/* SPDX-License-Identifier: Apache-2.0 */
/* What backends of every version do with a request that has come. */
#include "base/num.h"
#include "sim.h"

/* Nobody gets it whom the authorization server was not asked about, and it said yes. */
static void must_be_let_in(const struct sim_request *q) {
    const struct sim_route *r = &sim_now->routes[q->route];
    bool yes = r->never_asks;
    for (uint32_t i = 0; i < q->receipts_n; i++)
        yes |= q->receipts[i].backend == SIM_AUTH && q->receipts[i].status == 200;
    if (!yes) fake_fail("%u reaches a backend, and nobody has let it in", q->id);
}

struct sim_request *sim_receipt_new(uint8_t backend, str id, str method, str path, int *ret_at) {
    uint64_t number;
    if (num_parse(id, SIM_REQUESTS_MAX, &number) != OK || !number)
        fake_fail("a request that nobody has sent");
    struct sim_request *q = &sim_now->requests[number - 1];
    char asked[40];
    snprintf(asked, sizeof asked, "%s/r%u/%u", backend == SIM_AUTH ? "/check" : "", q->route, q->id);
    if (!str_eq(method, str_of(q->method)) || !str_eq(path, str_of(asked)))
        fake_fail("the request %u is \"" STR_FMT " " STR_FMT "\"", q->id, STR_ARG(method), STR_ARG(path));
    if (backend < SIM_MIRROR) must_be_let_in(q);
    if (q->receipts_n == SIM_RECEIPTS_MAX) fake_fail("%u is sent for ever", q->id);
    *ret_at = q->receipts_n++;
    q->receipts[*ret_at] = (struct sim_receipt){.backend = backend};
    return q;
}

struct sim_deed sim_receipt_roll(const struct sim_request *q, struct sim_receipt *r) {
    static const size_t sizes[] = {0, 1, 20, 300, 5000, 40000, 120000};
    static const uint16_t statuses[] = {200, 200, 200, 404, 500, 503, 503, 204, 304};
    const struct sim_mischief *bad = &sim_now->bad;
    struct sim_deed d = {0};
    r->status = statuses[fake_below(COUNT_OF(statuses))];
    r->body_n = sizes[fake_below(COUNT_OF(sizes))];
    if (r->backend == SIM_AUTH) r->status = bad->denies && fake_one_in(4) ? 403 : 200;
    r->no_body = sim_is_head(q) || r->status == 204 || r->status == 304;
    if (r->no_body) r->body_n = 0;
    d.closes = fake_one_in(6);
    d.resets = fake_one_in(2);
    d.early = bad->early && fake_one_in(3);
    d.slow = bad->slow_backends && fake_one_in(3);
    d.wait_us = fake_one_in(3) ? fake_below(200000) : 0;
    uint32_t dice = fake_below(12);
    if (bad->silent && dice == 0) r->fault = SIM_SILENT;
    if (bad->late && dice == 1) r->fault = SIM_LATE, d.wait_us = 500000 + fake_below(8000000);
    if (bad->gone && (dice == 2 || dice == 3)) r->fault = SIM_GONE;
    if (bad->cut && (dice == 4 || dice == 5)) r->fault = SIM_CUT;
    if (bad->no_http && dice == 6) r->fault = SIM_NO_HTTP;
    return d;
}
