/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "plan/plan.h"

/* A plan from the JSON that plan_json() prints, in any layout. Secrets are hashes there and stay so: such a plan can be looked at, not served.
 * Pieces are put into p and d (plan_set). ERR_PROTO or ERR_LIMIT: *ret_message (in a) tells what is wrong; pieces before it were put. */
err plan_read(struct arena *a, str json, struct plan *p, struct plan_delta *d, str *ret_message);
