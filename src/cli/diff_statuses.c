/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"
#include "cli/tone.h"
#include "text/node.h"

/* Conditions and findings, by what they are about. */
struct said {
    str object, where, words;
    bool bad, seen;
};
struct side {
    struct arena *arena;
    struct map by_key;
};

static void say(struct side *s, struct said said) {
    str key = arena_printf(s->arena, STR_FMT "\n" STR_FMT, STR_ARG(said.object), STR_ARG(said.where));
    struct said *kept = map_get(&s->by_key, key);
    if (kept) { /* findings that differ in nothing but their place */
        kept->bad |= said.bad;
        return;
    }
    kept = arena_make(s->arena, struct said);
    *kept = said;
    map_put(&s->by_key, key, kept);
}

static void take_conditions(struct side *s, str object, str place, const struct node *holder) {
    const struct node *list = node_get(holder, S("conditions"));
    for (const struct node *c = list ? list->child : NULL; c; c = c->next) {
        str type = node_get_str(c, S("type")), status = node_get_str(c, S("status")),
            reason = node_get_str(c, S("reason")), message = node_get_str(c, S("message"));
        say(s,
            (struct said){.object = object,
                          .where = arena_printf(s->arena, STR_FMT STR_FMT, STR_ARG(place), STR_ARG(type)),
                          .words = arena_printf(s->arena, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(status),
                                                STR_ARG(reason), message.n ? ": " : "", STR_ARG(message)),
                          .bad = tone_of(type, status, reason) == TONE_BAD});
    }
}

/* Parents and ancestors are told by their reference, listeners by their name. */
static void take_entries(struct side *s, str object, const struct node *list, const char *word,
                         const char *reference) {
    for (const struct node *n = list ? list->child : NULL; n; n = n->next) {
        const struct node *ref = reference ? node_get(n, str_of(reference)) : n;
        str section = reference && ref ? node_get_str(ref, S("sectionName")) : S("");
        str port = reference && ref ? node_get_str(ref, S("port")) : S("");
        str place = arena_printf(s->arena, "%s " STR_FMT "%s" STR_FMT "%s" STR_FMT ": ", word,
                                 STR_ARG(ref ? node_get_str(ref, S("name")) : S("")), section.n ? "/" : "",
                                 STR_ARG(section), port.n ? ":" : "", STR_ARG(port));
        take_conditions(s, object, place, n);
    }
}

static void take_object(struct side *s, const struct pipeline *p, const struct object *o) {
    const void *status = resolve_status(p->resolver, o->kind, o->meta.ns, o->meta.name);
    if (!status) return;
    const struct node *n = schema_encode(s->arena, api_type_of(o->kind)->status_schema, status, false);
    str object = arena_printf(s->arena, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(o->kind_name),
                              STR_ARG(o->meta.ns), o->meta.ns.n ? "/" : "", STR_ARG(o->meta.name));
    take_conditions(s, object, S(""), n);
    take_entries(s, object, node_get(n, S("listeners")), "listener", NULL);
    take_entries(s, object, node_get(n, S("parents")), "parent", "parentRef");
    take_entries(s, object, node_get(n, S("ancestors")), "ancestor", "ancestorRef");
}

static void take_side(struct side *s, const struct offline *o) {
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        size_t n;
        if (!api_type_of((enum api_kind)k)->status_schema) continue;
        const struct object **all = store_list(o->pipeline.store, s->arena, (enum api_kind)k, &n);
        for (size_t i = 0; i < n; i++) take_object(s, &o->pipeline, all[i]);
    }
    for (const struct finding *f = o->findings.first; f; f = f->next) {
        say(s, (struct said){.object = f->kind.n ? arena_printf(s->arena, STR_FMT " " STR_FMT "%s" STR_FMT,
                                                                STR_ARG(f->kind), STR_ARG(f->ns),
                                                                f->ns.n ? "/" : "", STR_ARG(f->name))
                                                 : S("a document"),
                             .where = f->path.n ? arena_printf(s->arena, STR_FMT ": " STR_FMT,
                                                               STR_ARG(f->path), STR_ARG(f->message))
                                                : f->message,
                             .words = S("refused"),
                             .bad = true});
    }
}

static void add(struct diff *d, enum diff_fate fate, const struct said *before, const struct said *after) {
    const struct said *any = after ? after : before;
    DIFF_ROOM(d, statuses);
    d->statuses[d->statuses_n++] = (struct diff_status){.fate = fate,
                                                        .object = any->object,
                                                        .where = any->where,
                                                        .before = before ? before->words : (str){0},
                                                        .after = after ? after->words : (str){0}};
}

void diff_statuses(struct diff *d) {
    struct side a = {.arena = d->arena}, b = {.arena = d->arena};
    take_side(&a, d->a);
    take_side(&b, d->b);
    size_t n;
    struct map_entry *all = map_sorted(&b.by_key, &n);
    for (size_t i = 0; i < n; i++) {
        const struct said *now = all[i].value, *then = map_get(&a.by_key, all[i].key);
        bool was_bad = then && then->bad;
        if (now->bad && !was_bad) {
            add(d, DIFF_INTRODUCED, then, now);
        } else if (!now->bad && was_bad) {
            add(d, DIFF_FIXED, then, now);
        } else if (now->bad) {
            add(d, str_eq(now->words, then->words) ? DIFF_UNCHANGED : DIFF_CHANGED, then, now);
        }
    }
    free(all);
    all = map_sorted(&a.by_key, &n);
    for (size_t i = 0; i < n; i++) { /* gone with its object: mended as well */
        const struct said *then = all[i].value;
        if (then->bad && !map_get(&b.by_key, all[i].key)) add(d, DIFF_FIXED, then, NULL);
    }
    free(all);
    map_fini(&a.by_key);
    map_fini(&b.by_key);
}
