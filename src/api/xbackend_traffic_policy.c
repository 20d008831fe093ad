/* SPDX-License-Identifier: Apache-2.0 */
#include "api/xbackend_traffic_policy.h"

#include "api/http_schema.h"
#include "api/kind_schema.h"
#include "api/meta.h"
#include "api/reference_schema.h"
#include "schema/breach.h"

enum { SECOND_US = 1000000 };
#define HOUR_US (3600 * (int64_t)SECOND_US)

static void budget_rules(struct schema_check *c, const void *obj) {
    const struct retry_budget *b = obj;
    if (b->interval.set && (b->interval.v < SECOND_US || b->interval.v > HOUR_US))
        breach(c, S("interval"), (str){0}, "must be from 1s to 1h");
}
static const struct field budget_fields[] = {
    {"percent", FIELD_INT, AT(retry_budget, percent), .initial = "20", .max = 100},
    {"interval", FIELD_DURATION, AT(retry_budget, interval), .initial = "10s"},
};
static const struct schema budget_schema = SCHEMA(retry_budget, budget_fields, budget_rules);

static void rate_rules(struct schema_check *c, const void *obj) {
    const struct request_rate *r = obj;
    if (r->interval.set && (r->interval.v == 0 || r->interval.v > HOUR_US))
        breach(c, S("interval"), (str){0}, "must be longer than 0s and 1h at most");
}
static const struct field rate_fields[] = {
    {"count", FIELD_OPT_INT, AT(request_rate, count), .min = 1, .max = 1000000},
    {"interval", FIELD_DURATION, AT(request_rate, interval)},
};
static const struct schema rate_schema = SCHEMA(request_rate, rate_fields, rate_rules);

static const struct field constraint_fields[] = {
    {"budget", FIELD_STRUCT, AT(retry_constraint, budget), .of = &budget_schema,
     .initial = "{\"interval\":\"10s\",\"percent\":20}"},
    {"minRetryRate", FIELD_STRUCT, AT(retry_constraint, min_retry_rate), .of = &rate_schema,
     .initial = "{\"count\":10,\"interval\":\"1s\"}"},
};
static const struct schema constraint_schema = SCHEMA(retry_constraint, constraint_fields, NULL);

static const struct field spec_fields[] = {
    {"targetRefs", FIELD_LIST, AT(xbackend_traffic_policy, spec.target_refs), .flags = FIELD_REQUIRED,
     .of = &reference_schema_local, .min = 1, .max = 16, .keys = "group,kind,name"},
    {"retryConstraint", FIELD_OPT_STRUCT, AT(xbackend_traffic_policy, spec.retry_constraint),
     .of = &constraint_schema},
    {"sessionPersistence", FIELD_OPT_STRUCT, AT(xbackend_traffic_policy, spec.session_persistence),
     .of = &http_schema_session},
};
static const struct schema spec_schema = SCHEMA(xbackend_traffic_policy, spec_fields, NULL);

static const struct field fields[] = {
    META_FIELDS(xbackend_traffic_policy),
    {"spec", FIELD_STRUCT, 0, .flags = FIELD_REQUIRED, .of = &spec_schema},
};
const struct schema xbackend_traffic_policy_schema = SCHEMA(xbackend_traffic_policy, fields, NULL);
