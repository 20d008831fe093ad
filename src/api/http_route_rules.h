/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"

/* The rules that span several fields of an HTTPRoute, one function for each struct. */
struct schema_check;
void http_route_rules_path(struct schema_check *c, const void *obj);
void http_route_rules_modifier(struct schema_check *c, const void *obj);
void http_route_rules_fraction(struct schema_check *c, const void *obj);
void http_route_rules_mirror(struct schema_check *c, const void *obj);
void http_route_rules_cors(struct schema_check *c, const void *obj);
void http_route_rules_filter(struct schema_check *c, const void *obj);
/* Of one list of filters: what cannot be repeated or combined. */
void http_route_rules_filters(struct schema_check *c, const struct http_route_filter *p, uint32_t n);
void http_route_rules_backend(struct schema_check *c, const void *obj);
void http_route_rules_timeouts(struct schema_check *c, const void *obj);
void http_route_rules_session(struct schema_check *c, const void *obj);
void http_route_rules_rule(struct schema_check *c, const void *obj);
void http_route_rules_spec(struct schema_check *c, const void *obj);
/* FILTER_... - 1 -> its name; NULL-terminated. */
extern const char *const http_route_filter_types[];
