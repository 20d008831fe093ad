/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* Where the first row after the one that text begins in starts with "---" or "...": only there can a document end. text.n: nowhere. *lines counts
 * the rows passed. */
size_t rows_to_marker(str text, uint32_t *lines);
/* The same, a byte at a time. */
size_t rows_to_marker_plain(str text, uint32_t *lines);
