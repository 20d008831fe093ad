/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/access.h"
#include "table/table.h"

struct exchange;
/* What an exchange keeps for its record alone. Whoever knows more of one sets it here, and adds a row to ACCESS_FIELDS. */
struct record {                /* owner: worker */
    bool wanted;               /* somebody prints it: what that costs is paid */
    uint8_t form;              /* enum access_form, as the Gateway wants it */
    str program;               /* of ACCESS_OWN, in the exchange's arena */
    str gateway, listener;     /* a listener may go before the exchange does */
    uint32_t request_fields_n; /* that were received */
    const struct http_msg *response;
    uint64_t sent_us; /* when the request was handed to the backend's connection; monotonic */
    uint64_t head_us, route_us, auth_us, tls_us;
    str route, rule_name, backend; /* once the rule was let go of, with the next two */
    int64_t rule;
    uint32_t tally, tally_epoch;
};
/* A head has come. */
void record_begin(struct exchange *x);
/* Its listener is known. */
void record_settle(struct exchange *x, const struct table_listener *l);
/* All of it is to be known, printed or not. */
void record_want(struct exchange *x, const struct table_listener *l);
/* It is routed and filtered. */
void record_routed(struct exchange *x);
/* The rule is about to be let go of. */
void record_keep_rule(struct exchange *x);
/* It is over. */
void record_report(struct exchange *x);
