/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "schema/schema.h"

struct node;
/* Takes what the table does not know out of a document, for a source whose documents a later schema may have let through.
 * drops: asked for each unknown field with its path ("spec.rules[0].foo"); false leaves it in, for schema_decode() to report. */
void prune_unknown(struct arena *a, const struct schema *s, struct node *doc,
                   bool (*drops)(void *arg, str path, const struct node *field), void *arg);
