/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "table/table.h"

void dump_table(const struct table *t, struct buf *b);
/* One filter in words, without an end of line: "request header set X-Env: prod". */
void dump_session(const struct table_session *s, struct buf *b);
void dump_filter(const struct table_filter *f, struct buf *b);
