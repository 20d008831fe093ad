/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "cli/top_page.h"

/* columns: of the terminal, 0: as many as it takes. rows: at most so many lines, 0: all. */
struct top_view {
    size_t columns, rows;
    bool colour;
    enum top_sort sort;
};
/* Columns that there is no room for are left out, the less telling first; then names are cut at their beginning. */
void top_print(struct buf *b, const struct top_page *p, const struct top_rates *r, const struct top_view *v);
/* One object in a line. */
void top_print_json(struct buf *b, const struct top_page *p, const struct top_rates *r);
