/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "text/node.h"

enum { YAML_DOCUMENT_BYTES_MAX = 3 << 19 }; /* etcd takes no larger object than 1.5 MiB */

/* One YAML or JSON document (JSON is read by the same parser, so every error has a place). Anchors and aliases are expanded within a
 * bound on nodes; merge keys are refused; duplicate keys are kept for schema/ to report.
 * line: that of the text's first line in its file. *ret is NULL for an empty document.
 * ERR_PROTO or ERR_LIMIT: *ret_message (in a), *ret_line and *ret_column tell. */
err yaml_parse(struct arena *a, str text, uint32_t line, struct node **ret, str *ret_message,
               uint32_t *ret_line, uint32_t *ret_column);
/* A document of any length that may be a list: what stands at its top's key `items` is passed on item by item, each bounded like a document and
 * gone when item() returns; *ret is the rest, in which `items` is a sequence of no children and their number. Anchors are known within an item
 * alone. Errors as above; items before the place of the error were passed on. */
err yaml_parse_items(struct arena *a, str text, uint32_t line, void (*item)(void *arg, struct node *n),
                     void *arg, struct node **ret, str *ret_message, uint32_t *ret_line,
                     uint32_t *ret_column);
/* Cuts the first document off *text at a line that begins with "---" (or "..."), without parsing: what stands in a block scalar or a quoted
 * string is indented or would end the document anyway [YAML 1.1 5.1]. *line counts on. A text of JSON is one document. false: at the end. */
bool yaml_next_document(str *text, uint32_t *line, str *ret_document, uint32_t *ret_line);
/* What a scalar means to Kubernetes: YAML 1.1 (yes, no, on, off are booleans, 010 is 8); in quotes it is a string. */
enum yaml_meaning { YAML_IS_NULL, YAML_IS_BOOL, YAML_IS_INT, YAML_IS_FLOAT, YAML_IS_STRING };
enum yaml_meaning yaml_meaning(const struct node *n);
bool yaml_is_null(const struct node *n);
bool yaml_bool(const struct node *n, bool *ret);
/* An integer of 64 bits; a float without a fraction is one, too (80.0). */
bool yaml_int(const struct node *n, int64_t *ret);
