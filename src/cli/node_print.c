/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node_print.h"

/* The depth of nodes is bounded by yaml_parse. */

static void add_scalar(struct buf *b, const struct node *n) {
    if (n->kind == NODE_NULL) {
        buf_add(b, S("null"));
    } else if (n->quoted) {
        buf_add_json(b, n->scalar);
    } else {
        buf_add(b, n->scalar); /* what came as JSON without quotes: a number, true, false */
    }
}

void node_print_json(struct buf *b, const struct node *n, unsigned indent) {
    bool map = n->kind == NODE_MAP;
    if (!map && n->kind != NODE_SEQ) {
        add_scalar(b, n);
        return;
    }
    if (!n->child) {
        buf_add(b, map ? S("{}") : S("[]"));
        return;
    }
    buf_add_char(b, map ? '{' : '[');
    for (const struct node *c = n->child; c; c = c->next) {
        buf_printf(b, "\n%*s", (int)indent + 2, "");
        if (map) {
            buf_add_json(b, c->key);
            buf_add(b, S(": "));
        }
        node_print_json(b, c, indent + 2);
        if (c->next) buf_add_char(b, ',');
    }
    buf_printf(b, "\n%*s%c", (int)indent, "", map ? '}' : ']');
}

/* May stand in YAML without quotes and still be the string that it is. */
static bool is_plain(str s) {
    static const str words[] = {S("true"), S("false"), S("null"), S("yes"), S("no"),
                                S("on"),   S("off"),   S("y"),    S("n")};
    if (!s.n || !((s.p[0] >= 'a' && s.p[0] <= 'z') || (s.p[0] >= 'A' && s.p[0] <= 'Z') || s.p[0] == '/'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.' || c == '/';
        if (!fine) return false;
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_ieq(s, words[i])) return false;
    }
    return true;
}

static void add_string(struct buf *b, str s) {
    if (is_plain(s)) {
        buf_add(b, s);
    } else {
        buf_add_json(b, s); /* JSON's strings are YAML's double-quoted ones */
    }
}

static bool is_branch(const struct node *n) { return n->kind == NODE_MAP || n->kind == NODE_SEQ; }

static void add_leaf(struct buf *b, const struct node *n) {
    if (is_branch(n))
        buf_add(b, n->kind == NODE_MAP ? S("{}") : S("[]"));
    else if (n->quoted)
        add_string(b, n->scalar);
    else
        add_scalar(b, n);
    buf_add_char(b, '\n');
}

/* What stands before the value of a child: "- ", or "key:". */
static void add_head(struct buf *b, const struct node *parent, const struct node *c, unsigned indent) {
    bool after_dash = c == parent->child && b->n && b->p[b->n - 1] == ' ';
    buf_printf(b, "%*s", after_dash ? 0 : (int)indent, "");
    if (parent->kind == NODE_SEQ) {
        buf_add(b, S("- "));
        return;
    }
    add_string(b, c->key);
    buf_add(b, is_branch(c) && c->child ? S(":\n") : S(": "));
}

void node_print_yaml(struct buf *b, const struct node *n, unsigned indent) {
    for (const struct node *c = n->child; c; c = c->next) {
        add_head(b, n, c, indent);
        bool list_in_map = n->kind != NODE_SEQ && c->kind == NODE_SEQ;
        if (is_branch(c) && c->child)
            node_print_yaml(b, c, list_in_map ? indent : indent + 2);
        else
            add_leaf(b, c);
    }
}
