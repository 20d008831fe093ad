/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "filter/filter.h"

str redirect_location(const struct table_filter *f, const struct filter_context *cx,
                      const struct http_msg *request);
