/* SPDX-License-Identifier: Apache-2.0 */
#include "api/status_merge.h"

#include "base/num.h"
#include "text/node.h"

/* [GW ParentStatus] [GW PolicyStatus]: lists that are full take nothing more. */
enum { PARENTS_MAX = 32, ANCESTORS_MAX = 16, CONDITIONS_MAX = 8 };

/* The types that we may have said, by where they stand: what is not said again goes. */
static const char *const top_types[] = {"Accepted",
                                        "Programmed",
                                        "ResolvedRefs",
                                        "SupportedVersion",
                                        "InsecureFrontendValidationMode",
                                        "AddressesAssigned",
                                        "DefaultGateway",
                                        NULL};
static const char *const listener_types[] = {"Accepted",   "Programmed",           "ResolvedRefs",
                                             "Conflicted", "OverlappingTLSConfig", NULL};
static const char *const entry_types[] = {"Accepted", "ResolvedRefs", "PartiallyInvalid", NULL};

struct merge {
    struct arena *a;
    const struct schema *schema;
    str controller_name, now;
    bool stale; /* somebody has judged a later generation */
};

/* ---- nodes ---- */

static struct node *copy_of(struct arena *a, const struct node *n) {
    struct node *copy = arena_make(a, struct node);
    *copy = *n;
    copy->next = NULL;
    return copy;
}

static void put(struct node *parent, struct node ***last, str key, struct node *child) {
    node_append(parent, last, key, child);
}

static const struct node *first_of(const struct node *list) { return list ? list->child : NULL; }

/* The same meaning: the order of a map's keys and the way of quoting do not matter. */
static bool same(const struct node *x, const struct node *y, unsigned depth) {
    enum { DEPTH_MAX = 64 };
    if (!x || !y || x->kind != y->kind || depth > DEPTH_MAX) return x == y;
    if (x->kind == NODE_NULL) return true;
    if (x->kind == NODE_SCALAR) return str_eq(x->scalar, y->scalar);
    if (x->n != y->n) return false;
    const struct node *other = y->child;
    for (const struct node *c = x->child; c; c = c->next) {
        if (!same(c, x->kind == NODE_MAP ? node_get(y, c->key) : other, depth + 1)) return false;
        other = other ? other->next : NULL;
    }
    return true;
}

/* ---- conditions ---- */

static const struct node *find_by(const struct node *list, str key, str value) {
    for (const struct node *c = first_of(list); c; c = c->next)
        if (str_eq(node_get_str(c, key), value)) return c;
    return NULL;
}

static bool is_one_of(const char *const *types, str type) {
    for (; *types; types++)
        if (str_eq(type, str_of(*types))) return true;
    return false;
}

static uint64_t generation_of(const struct node *condition) {
    uint64_t v = 0;
    str s = node_get_str(condition, S("observedGeneration"));
    return s.n && num_parse(s, INT64_MAX, &v) == OK ? v : 0;
}

/* Ours, with the time at which its status came about. */
static struct node *stamp(struct merge *m, const struct node *ours, const struct node *before) {
    struct node *n = node_new(m->a, NODE_MAP), **last = &n->child;
    str time = m->now;
    if (before && generation_of(before) > generation_of(ours)) m->stale = true;
    if (before && str_eq(node_get_str(before, S("status")), node_get_str(ours, S("status"))) &&
        node_get_str(before, S("lastTransitionTime")).n)
        time = node_get_str(before, S("lastTransitionTime"));
    for (const struct node *c = ours->child; c; c = c->next) put(n, &last, c->key, copy_of(m->a, c));
    put(n, &last, S("lastTransitionTime"), node_scalar(m->a, time, true));
    return n;
}

static struct node *merge_conditions(struct merge *m, const struct node *existing, const struct node *ours,
                                     const char *const *types) {
    struct node *list = node_new(m->a, NODE_SEQ), **last = &list->child;
    for (const struct node *c = first_of(existing); c; c = c->next) {
        str type = node_get_str(c, S("type"));
        const struct node *said = find_by(ours, S("type"), type);
        if (said)
            put(list, &last, (str){0}, stamp(m, said, c));
        else if (!is_one_of(types, type))
            put(list, &last, (str){0}, copy_of(m->a, c));
    }
    for (const struct node *c = first_of(ours); c && list->n < CONDITIONS_MAX; c = c->next)
        if (!find_by(existing, S("type"), node_get_str(c, S("type"))))
            put(list, &last, (str){0}, stamp(m, c, NULL));
    return list;
}

/* ---- maps with conditions ---- */

typedef struct node *merge_member(struct merge *m, str key, const struct node *existing,
                                  const struct node *ours);

static bool knows(const struct schema *s, str key) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name && str_eq(key, str_of(s->fields[i].name))) return true;
    return false;
}

/* Fields that we do not know stay, those we know are as we say. */
static struct node *merge_map(struct merge *m, const struct schema *s, const struct node *existing,
                              const struct node *ours, merge_member *member) {
    struct node *map = node_new(m->a, NODE_MAP), **last = &map->child;
    for (const struct node *c = first_of(existing); c; c = c->next) {
        const struct node *said = node_get(ours, c->key);
        bool list_of_entries = str_eq(c->key, S("conditions")) || str_eq(c->key, S("listeners"));
        if (said || (knows(s, c->key) && list_of_entries))
            put(map, &last, c->key, member(m, c->key, c, said));
        else if (!knows(s, c->key))
            put(map, &last, c->key, copy_of(m->a, c));
    }
    for (const struct node *c = first_of(ours); c; c = c->next)
        if (!existing || !node_get(existing, c->key)) put(map, &last, c->key, member(m, c->key, NULL, c));
    return map;
}

static const struct schema *schema_of(const struct schema *s, const char *field) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->fields[i].name && strcmp(s->fields[i].name, field) == 0) return s->fields[i].of;
    return NULL;
}

static struct node *listener_member(struct merge *m, str key, const struct node *existing,
                                    const struct node *ours) {
    if (str_eq(key, S("conditions"))) return merge_conditions(m, existing, ours, listener_types);
    return copy_of(m->a, ours);
}

/* A listener that is no more takes its whole status along. */
static struct node *merge_listeners(struct merge *m, const struct node *existing, const struct node *ours) {
    const struct schema *s = schema_of(m->schema, "listeners");
    struct node *list = node_new(m->a, NODE_SEQ), **last = &list->child;
    for (const struct node *c = first_of(existing); c; c = c->next) {
        const struct node *said = find_by(ours, S("name"), node_get_str(c, S("name")));
        if (said) put(list, &last, (str){0}, merge_map(m, s, c, said, listener_member));
    }
    for (const struct node *c = first_of(ours); c; c = c->next)
        if (!find_by(existing, S("name"), node_get_str(c, S("name"))))
            put(list, &last, (str){0}, merge_map(m, s, NULL, c, listener_member));
    return list;
}

/* ---- entries by controller ---- */

static bool same_ref(const struct node *x, const struct node *y) {
    static const char *const keys[] = {"group", "kind", "namespace", "name", "sectionName", "port"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!str_eq(node_get_str(x, str_of(keys[i])), node_get_str(y, str_of(keys[i])))) return false;
    return true;
}

static bool is_ours(const struct merge *m, const struct node *entry) {
    return str_eq(node_get_str(entry, S("controllerName")), m->controller_name);
}

/* of_us: only entries of our controller name count. */
static const struct node *find_entry(const struct merge *m, const struct node *list, str ref,
                                     const struct node *wanted, bool of_us) {
    for (const struct node *c = first_of(list); c; c = c->next)
        if ((!of_us || is_ours(m, c)) && same_ref(node_get(c, ref), node_get(wanted, ref))) return c;
    return NULL;
}

static struct node *entry_member(struct merge *m, str key, const struct node *existing,
                                 const struct node *ours) {
    if (str_eq(key, S("conditions"))) return merge_conditions(m, existing, ours, entry_types);
    return copy_of(m->a, ours);
}

static struct node *merge_entries(struct merge *m, const char *field, const struct node *existing,
                                  const struct node *ours) {
    bool parents = strcmp(field, "parents") == 0;
    const struct schema *s = schema_of(m->schema, field);
    str ref = parents ? S("parentRef") : S("ancestorRef");
    struct node *list = node_new(m->a, NODE_SEQ), **last = &list->child;
    for (const struct node *c = first_of(existing); c; c = c->next) {
        const struct node *said = is_ours(m, c) ? find_entry(m, ours, ref, c, false) : NULL;
        if (!is_ours(m, c))
            put(list, &last, (str){0}, copy_of(m->a, c));
        else if (said && find_entry(m, existing, ref, c, true) == c) /* twice there: once is enough */
            put(list, &last, (str){0}, merge_map(m, s, c, said, entry_member));
    }
    for (const struct node *c = first_of(ours); c; c = c->next)
        if (list->n < (parents ? PARENTS_MAX : ANCESTORS_MAX) && !find_entry(m, existing, ref, c, true))
            put(list, &last, (str){0}, merge_map(m, s, NULL, c, entry_member));
    return list;
}

static struct node *top_member(struct merge *m, str key, const struct node *existing,
                               const struct node *ours) {
    if (str_eq(key, S("conditions"))) return merge_conditions(m, existing, ours, top_types);
    if (str_eq(key, S("listeners"))) return merge_listeners(m, existing, ours);
    if (str_eq(key, S("parents"))) return merge_entries(m, "parents", existing, ours);
    if (str_eq(key, S("ancestors"))) return merge_entries(m, "ancestors", existing, ours);
    return copy_of(m->a, ours);
}

/* The time as documents have it. */
static str print_time(struct arena *a, int64_t now_s) {
    struct moment {
        int64_t at_s;
    };
    static const struct field fields[] = {{"at", FIELD_TIME, AT(moment, at_s)}};
    static const struct schema s = SCHEMA(moment, fields, NULL);
    struct moment one = {now_s};
    return node_get_str(schema_encode(a, &s, &one, false), S("at"));
}

struct node *status_merge(struct arena *a, enum api_kind kind, const struct node *existing, const void *ours,
                          str controller_name, int64_t now_s, bool *ret_changed) {
    struct merge m = {.a = a,
                      .schema = api_type_of(kind)->status_schema,
                      .controller_name = controller_name,
                      .now = print_time(a, now_s)};
    const char *list = schema_of(m.schema, "parents")     ? "parents"
                       : schema_of(m.schema, "ancestors") ? "ancestors"
                                                          : NULL;
    struct node *none = node_new(a, NODE_MAP), *said = ours ? schema_encode(a, m.schema, ours, true) : none;
    if (!existing || existing->kind != NODE_MAP) existing = none;
    struct node *merged = copy_of(a, existing);
    if (!ours && list && node_get(existing, str_of(list))) { /* what we said goes */
        struct node **last = &said->child;
        said = node_new(a, NODE_MAP), last = &said->child;
        node_append(said, &last, str_of(list), node_new(a, NODE_SEQ));
    }
    if (ours || said->n) merged = merge_map(&m, m.schema, existing, said, top_member);
    if (m.stale) merged = copy_of(a, existing);
    *ret_changed = !same(existing, merged, 0);
    return merged;
}
