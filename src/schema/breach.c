/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/breach.h"

#include "base/num.h"
#include "text/node.h"

enum { PATH_BYTES_MAX = 4096 };

str breach_path(struct arena *a, const struct breach_step *at) {
    const struct breach_step *steps[2 * SCHEMA_DEPTH_MAX + 2];
    size_t n = 0;
    for (; at && n < COUNT_OF(steps); at = at->up) steps[n++] = at;
    struct buf b;
    buf_init(&b, PATH_BYTES_MAX);
    while (n--) {
        if (!steps[n]->name.p)
            buf_printf(&b, "[%u]", steps[n]->index);
        else if (steps[n]->name.n) {
            if (b.n) buf_add_char(&b, '.');
            buf_add(&b, steps[n]->name);
        }
    }
    str path = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return path;
}

str breach_at(struct schema_check *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    str s = arena_vprintf(c->findings->arena, fmt, args);
    va_end(args);
    return s;
}

static const struct node *item(const struct node *seq, uint64_t index) {
    const struct node *n = seq->kind == NODE_SEQ ? seq->child : NULL;
    while (n && index--) n = n->next;
    return n;
}

/* The deepest node of "a.b[3].c" that exists below the struct's. */
static const struct node *find(const struct node *from, str at) {
    while (from && at.n) {
        const struct node *next = NULL;
        size_t end = 0;
        if (at.p[0] == '[') {
            uint64_t index = 0;
            end = str_find(at, ']') + 1;
            err e = num_parse((str){at.p + 1, end > 2 ? end - 2 : 0}, UINT32_MAX, &index);
            next = e == OK ? item(from, index) : NULL;
        } else {
            while (end < at.n && at.p[end] != '.' && at.p[end] != '[') end++;
            next = node_get(from, str_upto(at, end));
        }
        if (!next) return from;
        from = next;
        at = str_from(at, end);
        if (at.n && at.p[0] == '.') at = str_from(at, 1);
    }
    return from;
}

void breach(struct schema_check *c, str at, str remedy, const char *fmt, ...) {
    struct arena *a = c->findings->arena;
    va_list args;
    va_start(args, fmt);
    str words = arena_vprintf(a, fmt, args);
    va_end(args);
    str path = breach_path(a, c->at);
    if (at.n)
        path = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(path), path.n && at.p[0] != '[' ? "." : "",
                            STR_ARG(at));
    const struct node *n = c->node ? find(c->node, at) : NULL;
    finding_add(c->findings, FINDING_SCHEMA, n ? n->line : c->line, n ? n->column : c->column, path, remedy,
                STR_FMT, STR_ARG(words));
}
