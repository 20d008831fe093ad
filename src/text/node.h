/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

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
