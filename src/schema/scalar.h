/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Text forms of times and durations. */
/* [GEP-2257] "1h30m", "500ms" as microseconds; ERR_PROTO otherwise. */
err scalar_duration_parse(str s, int64_t *ret_us);
/* In descending units, "0s" for zero; what is below a millisecond as "us". */
void scalar_duration_print(struct buf *b, int64_t us);
/* [RFC 3339 5.6] as seconds since 1970, fractions dropped; ERR_PROTO otherwise. */
err scalar_time_parse(str s, int64_t *ret_s);
void scalar_time_print(struct buf *b, int64_t s);
/* Characters of UTF-8 text; a byte that belongs to none counts as one. */
size_t scalar_length(str s);
