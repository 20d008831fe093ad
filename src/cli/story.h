/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/status_page.h"

/* One object's story: what it asks, what it got, why not, what to do. */
void story_tell(struct buf *b, const struct status_page *p, const struct status_item *it,
                const struct status_view *v);
/* What to do about a condition's reason; not given: nothing general can be said. */
str story_remedy(str reason);
