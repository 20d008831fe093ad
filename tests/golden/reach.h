/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/pipeline.h"

/* Every match of every HTTPRoute that the table carries is looked up by a request made from it, for each of its listeners and hostnames:
 * what the table gives to another rule is what resolve_warnings() says is not reached, no less and no more.
 * What does not hold is written to stderr; true: all holds. */
bool reach_holds(const struct pipeline *p, str name, int64_t now_s);
