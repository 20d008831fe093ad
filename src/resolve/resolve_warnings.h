/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolve.h"

/* What is valid and yet hardly meant, as findings of class meaning: rules that another goes before for all they match, hostnames that
 * a more specific listener takes away, weights that are all 0, names and certificates that overlap on a port, certificates that end
 * within 30 days, policies that matter to nobody. Of the state after the last pass, which must have been over this store. */
void resolve_warnings(const struct resolver *r, const struct store *s, const struct plan *plan, int64_t now_s,
                      struct findings *f);
