/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_decode.h"

#include "schema/prune.h"
#include "text/json.h"

/* Below these a field narrows what is matched, allowed or trusted. */
static const char *const narrowing[] = {".matches[",   ".allowedRoutes", ".allowedListeners", ".externalAuth",
                                        ".validation", ".tls",           ".frontend",         ".namespaces"};
struct passed_over {
    struct findings *f;
    bool ours; /* a kind of the Gateway API */
    enum api_kind kind;
};

static bool narrows(enum api_kind kind, str path) {
    if (kind == KIND_REFERENCE_GRANT) return true;
    for (size_t i = 0; i < COUNT_OF(narrowing); i++)
        if (memmem(path.p, path.n, narrowing[i], strlen(narrowing[i]))) return true;
    return false;
}

static bool drops(void *arg, str path, const struct node *field) {
    struct passed_over *p = arg;
    (void)field;
    if (!p->ours || str_starts(path, S("metadata."))) return true;
    if (narrows(p->kind, path)) return false;
    finding_add(p->f, FINDING_SCHEMA, 0, 0, path, S("a later version of postern may serve it"),
                "is not known to this version and is passed over");
    return true;
}

static struct node *member(struct node *map, str key) {
    for (struct node *n = map ? map->child : NULL; n; n = n->next)
        if (str_eq(n->key, key)) return n;
    return NULL;
}

/* A copy of the whole object that kubectl keeps: as much memory again, and nothing that anybody here reads. */
static void drop_last_applied(struct node *doc) {
    struct node *meta = member(doc, S("metadata")), *notes = member(meta, S("annotations"));
    if (!notes || notes->kind != NODE_MAP) return;
    for (struct node **link = &notes->child; *link; link = &(*link)->next) {
        if (!str_eq((*link)->key, S("kubectl.kubernetes.io/last-applied-configuration"))) continue;
        *link = (*link)->next;
        notes->n--;
        return;
    }
}

static void give(struct arena *a, struct node *doc, str key, str value) {
    if (member(doc, key)) return;
    struct node *n = node_scalar(a, value, true);
    n->key = key;
    n->next = doc->child;
    doc->child = n;
    doc->n++;
}

static bool is_asked_for(const struct node *doc, const struct api_type *t, str group_version) {
    return str_eq(node_get_str(doc, S("kind")), str_of(t->name)) &&
           str_eq(node_get_str(doc, S("apiVersion")), group_version);
}

static const struct schema *schema_of(const struct api_type *t, str group_version) {
    str version =
        str_from(group_version,
                 str_rfind(group_version, '/') < group_version.n ? str_rfind(group_version, '/') + 1 : 0);
    for (size_t i = 0; t->schemas && t->versions[i]; i++)
        if (str_eq(version, str_of(t->versions[i]))) return t->schemas[i];
    return t->schema;
}

void kube_decode(struct arena *scratch, enum api_kind kind, str group_version, const struct kube_item *i,
                 struct findings *f, struct object **ret) {
    const struct api_type *t = api_type_of(kind);
    struct node *doc = NULL;
    struct findings before = *f;
    str why = S("is longer than 4 MiB");
    *ret = NULL;
    f->kind = str_of(t->name), f->ns = i->ns, f->name = i->name;
    if (!i->object.n || json_parse(scratch, i->object, &doc, &why) != OK || doc->kind != NODE_MAP) {
        finding_add(f, FINDING_SCHEMA, 0, 0, S(""), (str){0}, STR_FMT, STR_ARG(why));
    } else {
        struct passed_over p = {f, strstr(t->group, "gateway.networking") != NULL, kind};
        give(scratch, doc, S("kind"), str_of(t->name));
        give(scratch, doc, S("apiVersion"), group_version);
        drop_last_applied(doc);
        prune_unknown(scratch, schema_of(t, group_version), doc, drops, &p);
        if (!is_asked_for(doc, t, group_version))
            finding_add(f, FINDING_SCHEMA, 0, 0, S("kind"), (str){0},
                        "the server sent something else than asked for");
        else if (api_decode(scratch, doc, S(""), f, ret) != OK)
            *ret = NULL;
    }
    f->kind = before.kind, f->ns = before.ns, f->name = before.name;
}
