/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"
#include "plan/plan.h"
#include "resolve/resolver.h"

/* Gives each target the session it keeps: that of its backend by itself (an XBackend), else the rule's, else that of a policy. The backend
 * is chosen by weight before a session is looked at, so that each backend needs a token of its own: a rule whose backends would share a
 * name is refused.                                                                   [GW HTTPRouteRule.sessionPersistence]
 * from: the rule's; NULL: none. path: of the rule. */
struct verdict rule_session_apply(struct pass *p, str path, const struct session_persistence *from,
                                  struct plan_rule *to);
