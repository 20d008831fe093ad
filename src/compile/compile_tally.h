/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* Which routes' requests are counted apart: the first ones that come, as many as there are numbers. A number is free again once no exchange can
 * hold a rule of its route; what is counted from then on under it has another epoch. */
/* For a new rule of the route; of: a rule that it has already, whose numbers hold for all of them; NULL: none. */
void compile_tally_hold(struct compiler *c, str route, const struct table_rule *of, struct table_rule *rule);
void compile_tally_release(struct compiler *c, const struct table_rule *rule);
void compile_tally_free_all(struct compiler *c);
