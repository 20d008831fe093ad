/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"

/* [GW XBackendTrafficPolicy] */
struct retry_budget {
    int64_t percent;
    struct opt_int interval; /* microseconds */
};
struct request_rate {
    struct opt_int count;
    struct opt_int interval; /* microseconds */
};
struct retry_constraint {
    struct retry_budget budget;
    struct request_rate min_retry_rate;
};
struct xbackend_traffic_policy {
    struct object obj;
    struct {
        LIST_OF(struct local_ref) target_refs;
        struct retry_constraint *retry_constraint;
        struct session_persistence *session_persistence;
    } spec;
};
