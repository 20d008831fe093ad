/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/http_route.h"

/* The tables of http_route.h that are not an HTTPRoute's alone. */
extern const struct schema http_schema_header;
extern const struct schema http_schema_header_modifier;
extern const struct schema http_schema_fraction;
extern const struct schema http_schema_mirror;
extern const struct schema http_schema_session;
