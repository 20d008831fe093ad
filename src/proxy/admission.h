/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* GO_ON: its listener's filters have let it in.  RENEW: what was found may be gone, admission_is_old(). */
enum admission { ADMISSION_FRESH, ADMISSION_GO_ON, ADMISSION_RENEW };
/* May the request pass, and where to: the path policy, the host, the listener, the rule, the share of the target. Sets what it finds in x
 * (rule is counted, x->redirect or x->target is set). REASON_NONE: it goes on.                                  [GW 11.4] [RFC 9110 7.2]
 * A listener with filters of its own: x->rule is its gate, whose filters come first; then it is matched, once, by what they made of it. */
enum http_reason admission_check(struct exchange *x, enum admission how);
/* The table has become another one since: whom the rule names may be gone, together with the rule. */
bool admission_is_old(const struct exchange *x);
/* The certificate that its listener shows to backends, by the table as it is now; NULL: none. */
const struct table_certificate *admission_client(const struct exchange *x);
