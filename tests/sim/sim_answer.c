/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of every version look at in an answer. */
#include "base/num.h"
#include "sim.h"

static enum http_reason reason_of(str name) {
    for (int i = 0; i < HTTP_REASON_COUNT; i++)
        if (str_eq(http_reason_name((enum http_reason)i), name)) return (enum http_reason)i;
    fake_fail("an answer of the gateway's own with a reason that there is not: " STR_FMT, STR_ARG(name));
}

void sim_answer_head(struct sim_request *q, uint16_t status, str from) {
    uint64_t id, at;
    if (q->head) fake_fail("%u gets two answers", q->id);
    q->head = true, q->status = status, q->got = 0;
    fake_trace("%u gets %u from " STR_FMT, q->id, status, STR_ARG(from));
    if (!from.n) {
        q->from = -1;
        return;
    }
    str left = str_cut(&from, '.');
    if (num_parse(left, SIM_REQUESTS_MAX, &id) != OK || num_parse(from, SIM_RECEIPTS_MAX, &at) != OK)
        fake_fail("an answer that nobody gave");
    if (id != q->id) fake_fail("the answer to %llu came to %u", (unsigned long long)id, q->id);
    if (at >= q->receipts_n) fake_fail("%u has an answer from the future", q->id);
    q->from = (int)at;
    const struct sim_receipt *r = &q->receipts[at];
    if (r->status != q->status) fake_fail("%u: %u came for %u", q->id, q->status, r->status);
    if (r->backend == SIM_MIRROR) fake_fail("%u was answered by a mirror", q->id);
    if (r->backend == SIM_AUTH && r->status == 200) fake_fail("%u got the word that lets it in", q->id);
}

void sim_answer_body(struct sim_request *q, str bytes) {
    if (!q->head) fake_fail("%u gets a body before a head", q->id);
    if (q->from >= 0) {
        sim_body_check(sim_answer_key(q, q->from), q->got, bytes, "answer's body", q->id);
    } else {
        str fits = str_upto(bytes, sizeof q->text - q->text_n);
        memcpy(q->text + q->text_n, fits.p, fits.n);
        q->text_n = (uint8_t)(q->text_n + fits.n);
    }
    q->got += bytes.n;
}

void sim_answer_end(struct sim_request *q) {
    if (!q->head) fake_fail("%u ends before a head", q->id);
    q->complete = true;
    fake_trace("%u is complete, %zu bytes", q->id, q->got);
    str text = {q->text, q->text_n}; /* "postern: NAME: words" */
    if (!str_starts(text, S("postern: "))) return;
    text = str_from(text, 9);
    q->told = reason_of(str_cut(&text, ':'));
}

/* What is asked. */
void sim_request_roll(struct sim_request *q, uint32_t id) {
    static const char *const methods[] = {"GET", "GET",    "HEAD",  "POST",   "POST",
                                          "PUT", "DELETE", "PATCH", "OPTIONS"};
    static const size_t sizes[] = {1, 10, 200, 3000, 20000, 100000};
    *q = (struct sim_request){.id = id, .from = -1};
    q->method = methods[fake_below(COUNT_OF(methods))];
    q->route = (uint8_t)fake_below(SIM_ROUTES);
    bool body = q->method[0] == 'P' || fake_one_in(12);
    if (body && !fake_one_in(8)) q->body_n = sizes[fake_below(COUNT_OF(sizes))];
    q->old = fake_one_in(16);
    q->chunked = body && !q->old && fake_one_in(2);
    q->expects = q->body_n && !q->old && fake_one_in(4);
}

void sim_request_to_tunnel(struct sim_request *q) {
    q->method = "GET";
    q->body_n = 0;
    q->chunked = q->expects = q->old = q->closes = false;
    q->tunnel = true;
}
