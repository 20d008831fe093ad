/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* May the request pass, and where to: the path policy, the host, the listener, the rule, the share of the target. Sets what it finds in x
 * (rule is counted, x->redirect or x->target is set). REASON_NONE: it goes on.                                  [GW 11.4] [RFC 9110 7.2] */
enum http_reason admission_check(struct exchange *x);
/* The certificate that its listener shows to backends, by the table as it is now; NULL: none. */
const struct table_certificate *admission_client(const struct exchange *x);
