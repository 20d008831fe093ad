/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* May the request pass, and where to: the path policy, the host, the listener, the rule, the share of the target. Sets what it finds in x
 * (rule is counted, x->redirect or x->target is set). REASON_NONE: it goes on.                                  [GW 11.4] [RFC 9110 7.2]
 * A listener with filters of its own: x->rule is its gate, whose filters come first, and admission_go_on() finds the rest. */
enum http_reason admission_check(struct exchange *x);
/* Its listener's filters have let it in: it is matched, once, by what they made of it. */
enum http_reason admission_go_on(struct exchange *x);
/* The table has become another one since: whom the rule names may be gone, together with the rule. Then what was found is found anew. */
bool admission_is_old(const struct exchange *x);
enum http_reason admission_renew(struct exchange *x);
/* The certificate that its listener shows to backends, by the table as it is now; NULL: none. */
const struct table_certificate *admission_client(const struct exchange *x);
