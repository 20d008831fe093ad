/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"
#include "schema/finding.h"

/* What is wrong with objects of an API server, as it stands: objects that are refused, and fields that are not read. */
struct finding_book;
struct finding_book *finding_book_new(void);
void finding_book_free(struct finding_book *b); /* NULL is fine */
/* Of an object, in place of what stood there; list NULL: nothing is wrong with it (any more), or it is gone. Copied. Returns whether it says something else than
 * before. */
bool finding_book_put(struct finding_book *b, str key, const struct finding *list);
uint32_t finding_book_count(const struct finding_book *b);
/* Everything, ordered by the objects' keys. */
void finding_book_list(const struct finding_book *b, struct findings *to);
