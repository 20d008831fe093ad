/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/status_page.h"

/* Problems first, then the tree of classes, Gateways, listeners, routes and backends, then what hangs on none of these. */
void status_tree(struct buf *b, const struct status_page *p, const struct status_view *v);
