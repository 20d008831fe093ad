/* SPDX-License-Identifier: Apache-2.0 */
/* What the field tables say and how they judge, for the comparison with the CRDs:
 *   crd_probe tables    every field of every kind and version, one JSON object a line
 *   crd_probe judge     reads one JSON document a line; answers each with a line: what was found */
#include "api/api.h"
#include "text/yaml.h"

#include <stdio.h>

enum { LINE_BYTES_MAX = 1 << 20 };

static const char *const type_names[] = {
    [FIELD_STR] = "string",        [FIELD_BOOL] = "boolean",      [FIELD_INT] = "integer",
    [FIELD_OPT_INT] = "integer",   [FIELD_OPT_BOOL] = "boolean",  [FIELD_ENUM] = "string",
    [FIELD_DURATION] = "duration", [FIELD_TIME] = "time",         [FIELD_STR_MAP] = "map",
    [FIELD_BYTES] = "bytes",       [FIELD_BYTES_MAP] = "map",     [FIELD_INT_OR_STR] = "integerOrString",
    [FIELD_STRUCT] = "object",     [FIELD_OPT_STRUCT] = "object", [FIELD_LIST] = "objects",
    [FIELD_STR_LIST] = "strings",  [FIELD_ENUM_LIST] = "strings", [FIELD_INT_LIST] = "integers",
    [FIELD_IGNORED] = "ignored",
};

struct table {
    struct arena *a;
    const char *kind, *version, *part;
};

static void put(struct table *t, struct node *line, struct node ***last, const char *key, str value) {
    if (value.p) node_append(line, last, str_of(key), node_scalar(t->a, value, true));
}

static void put_int(struct table *t, struct node *line, struct node ***last, const char *key, int64_t v) {
    node_append(line, last, str_of(key), node_scalar(t->a, arena_printf(t->a, "%lld", (long long)v), false));
}

static str z(const char *s) { return s ? str_of(s) : (str){0}; }

static void print_line(const struct node *n) {
    struct buf b;
    buf_init(&b, LINE_BYTES_MAX);
    node_json(&b, n, false);
    printf(STR_FMT "\n", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void print_fields(struct table *t, const struct schema *s, str path);

static void print_field(struct table *t, const struct field *f, str path) {
    struct node *line = node_new(t->a, NODE_MAP), **last = &line->child;
    put(t, line, &last, "kind", str_of(t->kind));
    put(t, line, &last, "version", str_of(t->version));
    put(t, line, &last, "part", str_of(t->part));
    put(t, line, &last, "path", path);
    put(t, line, &last, "type", str_of(type_names[f->type]));
    put(t, line, &last, "default", z(f->initial));
    put(t, line, &last, "pattern", f->pattern ? z(f->pattern->expression) : (str){0});
    put(t, line, &last, "keyPattern", f->key_pattern ? z(f->key_pattern->expression) : (str){0});
    put(t, line, &last, "keys", z(f->keys));
    put_int(t, line, &last, "flags", f->flags);
    put_int(t, line, &last, "min", f->min);
    put_int(t, line, &last, "max", f->max);
    put_int(t, line, &last, "itemMin", f->item_min);
    put_int(t, line, &last, "itemMax", f->item_max);
    if (f->values) {
        struct node *words = node_new(t->a, NODE_SEQ), **word = &words->child;
        for (const char *const *v = f->values; *v; v++)
            node_append(words, &word, (str){0}, node_scalar(t->a, str_of(*v), true));
        node_append(line, &last, S("values"), words);
    }
    print_line(line);
    if (f->of)
        print_fields(t, f->of,
                     f->type == FIELD_LIST ? arena_printf(t->a, STR_FMT "[]", STR_ARG(path)) : path);
}

static void print_fields(struct table *t, const struct schema *s, str path) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name)
            print_field(t, &s->fields[i],
                        path.n ? arena_printf(t->a, STR_FMT ".%s", STR_ARG(path), s->fields[i].name)
                               : str_of(s->fields[i].name));
}

static int tables(void) {
    OWNED(arena) a = arena_new();
    for (enum api_kind kind = KIND_NONE + 1; kind < KIND_COUNT; kind++) {
        const struct api_type *type = api_type_of(kind);
        for (size_t i = 0; type->versions[i]; i++) {
            struct table t = {a, type->name, type->versions[i], "object"};
            print_fields(&t, type->schemas ? type->schemas[i] : type->schema, S(""));
            t.part = "status";
            if (type->status_schema) print_fields(&t, type->status_schema, S("status"));
        }
    }
    return 0;
}

static void judge_one(str text) {
    OWNED(arena) a = arena_new();
    struct findings f;
    struct node *doc = NULL, *answer = node_new(a, NODE_MAP), **last = &answer->child;
    struct object *o = NULL;
    str message = {0};
    uint32_t line = 0, column = 0;
    finding_init(&f, a);
    err e = yaml_parse(a, text, 1, &doc, &message, &line, &column);
    if (e == OK) e = api_decode(a, doc, S("stdin"), &f, &o);
    node_append(answer, &last, S("accepted"), node_scalar(a, e == OK ? S("true") : S("false"), false));
    if (message.p) node_append(answer, &last, S("parser"), node_scalar(a, message, true));
    struct node *all = node_new(a, NODE_SEQ), **next = &all->child;
    for (const struct finding *one = f.first; one; one = one->next) {
        struct node *said = node_new(a, NODE_MAP), **member = &said->child;
        node_append(said, &member, S("path"), node_scalar(a, one->path, true));
        node_append(said, &member, S("message"), node_scalar(a, one->message, true));
        node_append(all, &next, (str){0}, said);
    }
    node_append(answer, &last, S("findings"), all);
    print_line(answer);
    api_free(o);
    fflush(stdout);
}

static int judge(void) {
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&text, &room, stdin)) > 0) judge_one((str){text, (size_t)n});
    free(text);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "tables") == 0) return tables();
    if (argc == 2 && strcmp(argv[1], "judge") == 0) return judge();
    fprintf(stderr, "usage: crd_probe tables | judge\n");
    return 2;
}
