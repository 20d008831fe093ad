/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/absent.h"
#include "cli/diff.h"
#include "cli/said.h"
#include "cli/tone.h"

/* Conditions and findings, by what they are about. */
struct entry {
    str object, where, words;
    bool bad;
};
struct side {
    struct arena *arena;
    struct map by_key;
};

static void say(struct side *s, struct entry said) {
    str key = arena_printf(s->arena, STR_FMT "\n" STR_FMT, STR_ARG(said.object), STR_ARG(said.where));
    struct entry *kept = map_get(&s->by_key, key);
    if (kept) { /* findings that differ in nothing but their place */
        kept->bad |= said.bad;
        return;
    }
    kept = arena_make(s->arena, struct entry);
    *kept = said;
    map_put(&s->by_key, key, kept);
}

struct object_words {
    struct side *side;
    str object;
};

static void take_said(void *arg, const struct said *c) {
    const struct object_words *x = arg;
    struct arena *a = x->side->arena;
    say(x->side, (struct entry){
                     .object = x->object,
                     .where = arena_printf(a, STR_FMT STR_FMT, STR_ARG(c->place), STR_ARG(c->type)),
                     .words = arena_printf(a, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(c->status),
                                           STR_ARG(c->reason), c->message.n ? ": " : "", STR_ARG(c->message)),
                     .bad = tone_of(c->type, c->status, c->reason) == TONE_BAD});
}

static void take_object(struct side *s, const struct pipeline *p, const struct object *o) {
    struct object_words x = {s, arena_printf(s->arena, STR_FMT " " STR_FMT "%s" STR_FMT,
                                             STR_ARG(o->kind_name), STR_ARG(o->meta.ns),
                                             o->meta.ns.n ? "/" : "", STR_ARG(o->meta.name))};
    said_each(s->arena, p, o, take_said, &x);
}

static void take_findings(struct side *s, const struct findings *found, str words) {
    for (const struct finding *f = found->first; f; f = f->next) {
        str object = !f->kind.n ? S("a document")
                                : arena_printf(s->arena, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(f->kind),
                                               STR_ARG(f->ns), f->ns.n ? "/" : "", STR_ARG(f->name));
        str where = arena_printf(s->arena, STR_FMT "%s" STR_FMT, STR_ARG(f->path), f->path.n ? ": " : "",
                                 STR_ARG(f->message));
        say(s, (struct entry){.object = object, .where = where, .words = words, .bad = true});
    }
}

static void take_absent(void *arg, const struct absent *x) {
    struct side *s = arg;
    const struct object *o = x->object;
    str object = arena_printf(s->arena, STR_FMT " " STR_FMT "%s" STR_FMT, STR_ARG(o->kind_name),
                              STR_ARG(o->meta.ns), o->meta.ns.n ? "/" : "", STR_ARG(o->meta.name));
    say(s, (struct entry){.object = object, .where = x->where, .words = x->message, .bad = true});
}

static void take_side(struct side *s, const struct offline *o) {
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        size_t n;
        if (!api_type_of((enum api_kind)k)->status_schema) continue;
        const struct object **all = store_list(o->pipeline.store, s->arena, (enum api_kind)k, &n);
        for (size_t i = 0; i < n; i++) take_object(s, &o->pipeline, all[i]);
    }
    absent_each(o, s->arena, take_absent, s);
    take_findings(s, &o->findings, S("refused"));
    take_findings(s, &o->warnings, S("warning"));
}

static void add(struct diff *d, enum diff_fate fate, const struct entry *before, const struct entry *after) {
    const struct entry *any = after ? after : before;
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
        const struct entry *now = all[i].value, *then = map_get(&a.by_key, all[i].key);
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
        const struct entry *then = all[i].value;
        if (then->bad && !map_get(&b.by_key, all[i].key)) add(d, DIFF_FIXED, then, NULL);
    }
    free(all);
    map_fini(&a.by_key);
    map_fini(&b.by_key);
}
