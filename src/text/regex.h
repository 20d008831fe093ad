/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* Expressions, by PCRE2 without its JIT: steps of compiled code can not be counted the same way, it takes some 4 kB of executable memory each,
 * and a process that may not make memory executable has none. A compiled one is immutable; threads share it. */
struct regex;
/* Of schemas' patterns, which may occur anywhere in a text. ERR_PROTO: *ret_message (in a) says why. */
err regex_new(struct arena *a, str pattern, struct regex **ret, str *ret_message);
/* Of users' matches: the whole text, or nothing. */
err regex_new_whole(struct arena *a, str expression, struct regex **ret, str *ret_message);
void regex_free(struct regex *r);
/* What it takes in memory; at most some 64 kB, by PCRE2's own bound. */
size_t regex_bytes(const struct regex *r);
/* Does the expression occur in s? Past its bounds: no. */
bool regex_search(const struct regex *r, str s);
/* What every text that the whole expression takes begins with, in a; "" when nothing is known. */
str regex_literal(struct arena *a, str expression);

/* Memory for matching, one thread's: grows to its bound and is used again. */
struct regex_work;
struct regex_work *regex_work_new(void);
void regex_work_free(struct regex_work *w); /* NULL is fine */
/* What all expressions of one request may cost together. A step of the search costs one, and more with the length of the text and the number
 * of groups, since it may look at all of the one and copy all of the other: some 200 instructions a unit. One expression gets a quarter of what is
 * left, so that no single one spends it all. */
enum { REGEX_BUDGET = 1 << 16 };
enum regex_verdict { REGEX_NO, REGEX_YES, REGEX_GIVEN_UP };
enum regex_verdict regex_takes(const struct regex *r, str s, struct regex_work *w, uint32_t *budget);
