/* SPDX-License-Identifier: Apache-2.0 */
#include "text/node.h"

#include "text/yaml.h"

const struct node *node_get(const struct node *map, str key) {
    if (!map || map->kind != NODE_MAP) return NULL;
    for (const struct node *n = map->child; n; n = n->next)
        if (str_eq(n->key, key)) return n;
    return NULL;
}

str node_get_str(const struct node *map, str key) {
    const struct node *n = node_get(map, key);
    return n && n->kind == NODE_SCALAR ? n->scalar : (str){0};
}

struct node *node_new(struct arena *a, enum node_kind kind) {
    struct node *n = arena_make(a, struct node);
    n->kind = kind;
    return n;
}

struct node *node_scalar(struct arena *a, str text, bool quoted) {
    struct node *n = node_new(a, NODE_SCALAR);
    n->scalar = text, n->quoted = quoted;
    return n;
}

void node_append(struct node *parent, struct node ***last, str key, struct node *child) {
    child->key = key;
    **last = child;
    *last = &child->next;
    parent->n++;
}

static void add_line(struct buf *b, unsigned indent) {
    buf_add_char(b, '\n');
    for (unsigned i = 0; i < indent; i++) buf_add_char(b, ' ');
}

static void add_json(struct buf *b, const struct node *n, bool indented, unsigned indent) {
    if (n->kind == NODE_NULL) {
        buf_add(b, S("null"));
        return;
    }
    if (n->kind == NODE_SCALAR) {
        if (n->quoted)
            buf_add_json(b, n->scalar);
        else
            buf_add(b, n->scalar);
        return;
    }
    buf_add_char(b, n->kind == NODE_MAP ? '{' : '[');
    for (const struct node *c = n->child; c; c = c->next) {
        if (indented) add_line(b, indent + 2);
        if (n->kind == NODE_MAP) {
            buf_add_json(b, c->key);
            buf_add(b, indented ? S(": ") : S(":"));
        }
        add_json(b, c, indented, indent + 2);
        if (c->next) buf_add_char(b, ',');
    }
    if (indented && n->child) add_line(b, indent);
    buf_add_char(b, n->kind == NODE_MAP ? '}' : ']');
}

void node_json(struct buf *b, const struct node *n, bool indented) { add_json(b, n, indented, 0); }

/* Without quotes only what every reader of YAML takes for the same string. */
static bool is_plain(str s) {
    if (s.n == 0 || yaml_meaning(&(struct node){.kind = NODE_SCALAR, .scalar = s}) != YAML_IS_STRING)
        return false;
    char first = str_lower(s.p[0]);
    if (!((first >= 'a' && first <= 'z') || (first >= '0' && first <= '9') || first == '/')) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = str_lower(s.p[i]);
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || memchr("/._-+", c, 5);
        if (!fine) return false;
    }
    /* readers that know timestamps take a leading year for one */
    return !(s.n >= 5 && s.p[0] >= '0' && s.p[0] <= '9' && s.p[4] == '-');
}

static void add_yaml_string(struct buf *b, str s) {
    if (is_plain(s))
        buf_add(b, s);
    else
        buf_add_json(b, s);
}

static void spaces(struct buf *b, unsigned n) {
    while (n--) buf_add_char(b, ' ');
}

/* here: the first line has its indentation already (after "- "). */
static void add_yaml(struct buf *b, const struct node *n, unsigned indent, bool here);

static void add_yaml_value(struct buf *b, const struct node *n, unsigned indent) {
    if ((n->kind == NODE_MAP || n->kind == NODE_SEQ) && n->child) {
        buf_add_char(b, '\n');
        add_yaml(b, n, n->kind == NODE_SEQ ? indent : indent + 2, false);
    } else {
        buf_add_char(b, ' ');
        add_yaml(b, n, indent, true);
    }
}

static void add_yaml(struct buf *b, const struct node *n, unsigned indent, bool here) {
    if ((n->kind != NODE_MAP && n->kind != NODE_SEQ) || !n->child) {
        if (!here) spaces(b, indent);
        if (n->kind == NODE_SCALAR && n->quoted)
            add_yaml_string(b, n->scalar);
        else
            add_json(b, n, false, 0);
        buf_add_char(b, '\n');
        return;
    }
    for (const struct node *c = n->child; c; c = c->next, here = false) {
        if (!here) spaces(b, indent);
        if (n->kind == NODE_MAP) {
            add_yaml_string(b, c->key);
            buf_add_char(b, ':');
            add_yaml_value(b, c, indent);
        } else {
            buf_add(b, S("- "));
            add_yaml(b, c, indent + 2, true);
        }
    }
}

void node_yaml(struct buf *b, const struct node *n, unsigned indent) { add_yaml(b, n, indent, false); }
