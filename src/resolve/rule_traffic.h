/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/rule_filters.h"

/* The filters that ask others or answer for others: mirrors, CORS, external authorization. */

/* A mirror whose backend is wrong is left out: to->type stays unset. The route's ResolvedRefs tells of it.  [GW HTTPRequestMirrorFilter] */
struct verdict rule_traffic_mirror(const struct filter_mapping *m, struct plan_filter *to);
struct verdict rule_traffic_cors(const struct filter_mapping *m, struct plan_filter *to);
struct verdict rule_traffic_auth(const struct filter_mapping *m, struct plan_filter *to);
