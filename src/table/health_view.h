/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "table/health.h"

/* How it stands, to be shown. */
#define HEALTH_STATES(X)                                                                                     \
    X(SERVING, "serving")                                                                                    \
    X(SLOW_START, "slow_start")         /* it came, or came back: its share grows */                         \
    X(FAILING_CHECKS, "failing_checks") /* in, as not enough of them have failed */                          \
    X(ON_TRIAL, "on_trial")             /* out, but for a request that is under way */                       \
    X(EJECTED, "ejected")               /* by what came of requests */                                       \
    X(CHECKS_FAILED, "checks_failed")   /* out, by checks */
#define HEALTH_STATE_ID(id, name) HEALTH_##id,
enum health_state { HEALTH_STATES(HEALTH_STATE_ID) HEALTH_STATE_COUNT };
#undef HEALTH_STATE_ID
struct health_view {
    enum health_state state;
    struct health_why why;
};
struct health_view health_view_of(const struct health *h, uint64_t now_us);
struct table_endpoints;
/* The next endpoint from *at on that does not serve as it should, with how it stands; *at is behind it then. NULL: none is left. e NULL: none. */
const struct table_endpoint *health_view_next(const struct table_endpoints *e, uint64_t now_us, uint32_t *at,
                                              struct health_view *ret);
str health_view_state(enum health_state s);
str health_view_cause(enum health_cause c);
/* "ejected: 5 answers in a row were 5xx, the last: status 503"; of one that serves: "serving". */
void health_view_print(struct buf *b, const struct health_view *v);
