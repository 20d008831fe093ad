/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/said.h"

#include "text/node.h"

struct teller {
    struct arena *arena;
    void (*each)(void *arg, const struct said *s);
    void *arg;
};

static void tell_conditions(const struct teller *t, str place, const struct node *holder) {
    const struct node *list = node_get(holder, S("conditions"));
    for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
        t->each(t->arg, &(struct said){.place = place,
                                       .type = node_get_str(c, S("type")),
                                       .status = node_get_str(c, S("status")),
                                       .reason = node_get_str(c, S("reason")),
                                       .message = node_get_str(c, S("message"))});
    }
}

/* Parents and ancestors go by their reference, listeners by their name. */
static void tell_entries(const struct teller *t, const struct node *list, const char *word,
                         const char *reference) {
    for (const struct node *n = list ? list->child : NULL; n; n = n->next) {
        const struct node *ref = reference ? node_get(n, str_of(reference)) : n;
        if (!ref) continue;
        str section = reference ? node_get_str(ref, S("sectionName")) : S("");
        str port = reference ? node_get_str(ref, S("port")) : S("");
        str kind = reference ? node_get_str(ref, S("kind")) : S("");
        if (str_eq(kind, S("Gateway"))) kind = S("");
        str place = arena_printf(t->arena, "%s " STR_FMT "%s" STR_FMT "%s" STR_FMT "%s" STR_FMT ": ", word,
                                 STR_ARG(kind), kind.n ? " " : "", STR_ARG(node_get_str(ref, S("name"))),
                                 section.n ? "/" : "", STR_ARG(section), port.n ? ":" : "", STR_ARG(port));
        tell_conditions(t, place, n);
    }
}

void said_each(struct arena *a, const struct pipeline *p, const struct object *o,
               void (*each)(void *arg, const struct said *s), void *arg) {
    const void *status = resolve_status(p->resolver, o->kind, o->meta.ns, o->meta.name);
    if (!status) return;
    struct teller t = {a, each, arg};
    const struct node *n = schema_encode(a, api_type_of(o->kind)->status_schema, status, false);
    tell_conditions(&t, S(""), n);
    tell_entries(&t, node_get(n, S("listeners")), "listener", NULL);
    tell_entries(&t, node_get(n, S("parents")), "parent", "parentRef");
    tell_entries(&t, node_get(n, S("ancestors")), "ancestor", "ancestorRef");
}
