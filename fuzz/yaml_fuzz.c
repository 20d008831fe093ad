/* fuzz: text, 200000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: the documents of a text are in order and within it, what parses has places and prints as JSON that parses to the same JSON. Its items, taken
 * one by one, are those of the whole, but for anchors that reach from one into another. */
#include "text/node.h"
#include "text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static str json_of(struct arena *a, const struct node *n) {
    struct buf b;
    buf_init(&b, 16 << 20);
    node_json(&b, n, false);
    str s = b.overflow ? (str){0} : arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* Plain scalars keep their text in JSON only where they mean a number or a boolean: for the comparison all are strings. */
static void quote_all(struct node *n, unsigned depth) {
    assert(depth <= 64);
    if (n->kind == NODE_SCALAR) n->quoted = true;
    for (struct node *c = n->child; c; c = c->next) {
        assert(c->line > 0 && c->column > 0);
        quote_all(c, depth + 1);
    }
}

static void check_document(struct arena *a, str text, uint32_t line) {
    struct node *root = NULL, *again = NULL;
    str message = {0};
    uint32_t at_line = 0, at_column = 0;
    if (yaml_parse(a, text, line, &root, &message, &at_line, &at_column) != OK) {
        assert(message.n && at_line >= line && at_column > 0);
        return;
    }
    if (!root) return;
    quote_all(root, 0);
    str json = json_of(a, root);
    if (!json.p || yaml_parse(a, json, 1, &again, &message, &at_line, &at_column) != OK || !again) return;
    quote_all(again, 0);
    str second = json_of(a, again);
    struct node *third = NULL;
    if (yaml_parse(a, second, 1, &third, &message, &at_line, &at_column) != OK) return;
    quote_all(third, 0);
    assert(str_eq(second, json_of(a, third)));
    struct buf b;
    buf_init(&b, 16 << 20);
    node_yaml(&b, root, 0);
    buf_fini(&b);
}

struct items {
    struct arena *a;
    struct buf b;
    uint32_t n;
};

static void on_item(void *arg, struct node *n) {
    struct items *all = arg;
    quote_all(n, 0);
    node_json(&all->b, n, false);
    all->n++;
}

static void check_items(struct arena *a, str text, uint32_t line) {
    struct node *root = NULL, *rest = NULL;
    str message = {0};
    uint32_t at_line = 0, at_column = 0;
    struct items all = {.a = a};
    buf_init(&all.b, 16 << 20);
    err whole = yaml_parse(a, text, line, &root, &message, &at_line, &at_column);
    err parts = yaml_parse_items(a, text, line, on_item, &all, &rest, &message, &at_line, &at_column);
    bool anchored = memchr(text.p, '&', text.n);
    assert(anchored || whole != OK || parts == OK);
    if (whole == OK && parts == OK && !anchored && root && root->kind == NODE_MAP) {
        const struct node *items = node_get(root, S("items"));
        struct buf b;
        buf_init(&b, 16 << 20);
        for (struct node *n = items && items->kind == NODE_SEQ ? items->child : NULL; n; n = n->next) {
            quote_all(n, 0);
            node_json(&b, n, false);
        }
        bool twice = all.n && all.n != items->n; /* the key itself stands twice */
        assert(twice || b.overflow || str_eq(buf_str(&b), buf_str(&all.b)));
        buf_fini(&b);
    }
    buf_fini(&all.b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str text = {(const char *)data, size}, document;
    uint32_t line = 1, at = 0, before = 0;
    const char *end = text.p;
    while (yaml_next_document(&text, &line, &document, &at)) {
        assert(at > before && document.p >= end && document.p + document.n <= (const char *)data + size);
        before = at, end = document.p + document.n;
        struct arena *a = arena_new();
        check_document(a, document, at);
        check_items(a, document, at);
        arena_free(a);
    }
    assert(text.n == 0);
    return 0;
}
