/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "filter/filter.h"

/* The path after the filter's change, in the arena when it is new. Begins with "/", and never with "//" where it was put together.
 *                                                                                                          [GW HTTPPathModifier] */
str path_change_apply(struct arena *a, const struct table_filter *f, const struct filter_context *cx,
                      str path);
