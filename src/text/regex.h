/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* Expressions of schemas' patterns, by PCRE2 without its JIT; compiled ones are the caller's. */
struct regex;
/* ERR_PROTO: *ret_message (in a) says why. */
err regex_new(struct arena *a, str pattern, struct regex **ret, str *ret_message);
void regex_free(struct regex *r);
/* Does the expression occur in s? ERR_LIMIT counts as no. */
bool regex_search(const struct regex *r, str s);
