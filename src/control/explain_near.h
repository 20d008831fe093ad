/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/explain_story.h"

enum { EXPLAIN_NEAR_MAX = 10 };
/* What did not take the request, the closest first, into s->near: rules of the host with what of them does not hold, routes that are not
 * attached with what their statuses say, and other listeners and hostnames. */
void explain_near_find(struct explain_story *s);
