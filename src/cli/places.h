/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/problems.h"

/* Gives problems that know their document only the line and column of the field that they speak of: found in the file again, by the path
 * that stands in `where` or at the head of the message, as deep as it leads. p: ordered by file and line. */
void places_find(struct problem *p, size_t n);
