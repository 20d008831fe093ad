/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/prune.h"

#include "schema/breach.h"
#include "text/node.h"

struct pruner {
    struct arena *a;
    bool (*drops)(void *arg, str path, const struct node *field);
    void *arg;
};
typedef struct breach_step step;

static const struct field *field_named(const struct schema *s, str name) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name && str_eq(str_of(s->fields[i].name), name)) return &s->fields[i];
    return NULL;
}

static void prune(struct pruner *p, const struct schema *s, struct node *n, const step *at, unsigned depth);

static void prune_value(struct pruner *p, const struct field *f, struct node *n, const step *at,
                        unsigned depth) {
    if (f->type == FIELD_STRUCT || f->type == FIELD_OPT_STRUCT) {
        prune(p, f->of, n, at, depth + 1);
    } else if (f->type == FIELD_LIST && n->kind == NODE_SEQ) {
        uint32_t i = 0;
        for (struct node *item = n->child; item; item = item->next, i++)
            prune(p, f->of, item, &(step){at, {0}, i}, depth + 1);
    }
}

static void prune(struct pruner *p, const struct schema *s, struct node *n, const step *at, unsigned depth) {
    assert(depth < SCHEMA_DEPTH_MAX);
    if (n->kind != NODE_MAP) return;
    for (struct node **link = &n->child; *link;) {
        struct node *c = *link;
        const struct field *f = field_named(s, c->key);
        step in = {at, c->key, 0};
        if (f) {
            prune_value(p, f, c, &in, depth);
        } else if (p->drops(p->arg, breach_path(p->a, &in), c)) {
            *link = c->next;
            n->n--;
            continue;
        }
        link = &c->next;
    }
}

void prune_unknown(struct arena *a, const struct schema *s, struct node *doc,
                   bool (*drops)(void *arg, str path, const struct node *field), void *arg) {
    struct pruner p = {a, drops, arg};
    step root = {NULL, S(""), 0};
    prune(&p, s, doc, &root, 0);
}
