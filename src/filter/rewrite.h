/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "filter/filter.h"

void rewrite_apply(const struct table_filter *f, const struct filter_context *cx, struct http_msg *m);
