/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "text/node.h"

/* A node as JSON or block YAML, each line (but JSON's first) indented by `indent` spaces. */
void node_print_json(struct buf *b, const struct node *n, unsigned indent);
void node_print_yaml(struct buf *b, const struct node *n, unsigned indent);
