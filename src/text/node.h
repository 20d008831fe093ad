/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* One node of a YAML or JSON document. Lives in the arena it was parsed into. */
enum node_kind { NODE_NULL, NODE_SCALAR, NODE_MAP, NODE_SEQ };
struct node {
    enum node_kind kind;
    bool quoted;           /* SCALAR: written in quotes or as a block, so a string whatever it looks like */
    uint32_t line, column; /* from 1, in the file */
    str scalar;
    str key; /* of a map's child */
    uint32_t key_line, key_column;
    struct node *next;  /* the next child of the same parent */
    struct node *child; /* MAP, SEQ: the first */
    uint32_t n;         /* MAP, SEQ: how many */
};
/* The child of a map by key, or NULL. */
const struct node *node_get(const struct node *map, str key);
/* The scalar of a child, or not given. */
str node_get_str(const struct node *map, str key);
/* New nodes, for trees that are printed. A child is appended at *last, which moves on. */
struct node *node_new(struct arena *a, enum node_kind kind);
struct node *node_scalar(struct arena *a, str text, bool quoted);
void node_append(struct node *parent, struct node ***last, str key, struct node *child);
/* Adds JSON, in one line or indented by two spaces; scalars that are not quoted are written as they are. */
void node_json(struct buf *b, const struct node *n, bool indented);
/* Adds block YAML, each line indented by `indent` spaces and ended. */
void node_yaml(struct buf *b, const struct node *n, unsigned indent);
