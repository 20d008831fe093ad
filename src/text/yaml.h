/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "text/node.h"

/* One YAML or JSON document (JSON is read by the same parser, so every error has a place). Anchors and aliases are expanded within a
 * bound on nodes; merge keys are refused; duplicate keys are kept for schema/ to report.
 * line: that of the text's first line in its file. *ret is NULL for an empty document.
 * ERR_PROTO or ERR_LIMIT: *ret_message (in a), *ret_line and *ret_column tell. */
err yaml_parse(struct arena *a, str text, uint32_t line, struct node **ret, str *ret_message,
               uint32_t *ret_line, uint32_t *ret_column);
/* Cuts the first document off *text at a line that begins with "---" (or "..."), without parsing: what stands in a block scalar or a quoted
 * string is indented or would end the document anyway [YAML 1.1 5.1]. *line counts on. A text of JSON is one document. false: at the end. */
bool yaml_next_document(str *text, uint32_t *line, str *ret_document, uint32_t *ret_line);
/* The plain scalar's meaning by the core schema, as Kubernetes reads it. */
bool yaml_is_null(const struct node *n);
bool yaml_bool(const struct node *n, bool *ret);
