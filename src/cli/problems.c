/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/problems.h"

#include "api/condition.h"
#include "cli/places.h"
#include "cli/said.h"
#include "cli/tone.h"

struct list {
    const struct offline *o;
    struct arena *arena;
    struct problem *p;
    size_t n, cap;
};

static struct problem *add(struct list *l, const struct problem *p) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct problem *grown = arena_array(l->arena, struct problem, cap);
        if (l->n) memcpy(grown, l->p, sizeof *grown * l->n);
        l->p = grown, l->cap = cap;
    }
    l->p[l->n] = *p;
    l->p[l->n].order = (uint32_t)l->n;
    return &l->p[l->n++];
}

static struct problem *add_about(struct list *l, const struct object *o, enum finding_class class, str where,
                                 str message, str remedy) {
    return add(l, &(struct problem){.class = class,
                                    .file = o->source,
                                    .line = o->line,
                                    .kind = o->kind_name,
                                    .ns = o->meta.ns,
                                    .name = o->meta.name,
                                    .where = where,
                                    .message = message,
                                    .remedy = remedy});
}

static str status_word(const struct condition *c) {
    return c->status == CONDITION_TRUE ? S("True") : c->status == CONDITION_FALSE ? S("False") : S("Unknown");
}

/* Of several conditions of one thing, Programmed (and Accepted, when a reference is broken) only repeats what the others say. */
static bool repeats(const struct condition *c, const struct condition *all, uint32_t n) {
    if (!str_eq(c->type, S("Programmed"))) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (&all[i] != c && tone_of(all[i].type, status_word(&all[i]), all[i].reason) == TONE_BAD)
            return true;
    }
    return false;
}

static void add_conditions(struct list *l, const struct object *o, str place, const struct condition *c,
                           uint32_t n, bool secret_missing) {
    for (uint32_t i = 0; i < n; i++) {
        if (tone_of(c[i].type, status_word(&c[i]), c[i].reason) != TONE_BAD || repeats(&c[i], c, n)) continue;
        bool missing = tone_is_missing(c[i].reason) ||
                       (secret_missing && str_eq(c[i].reason, S("InvalidCertificateRef")));
        str where = arena_printf(l->arena, STR_FMT STR_FMT "=" STR_FMT " (" STR_FMT ")", STR_ARG(place),
                                 STR_ARG(c[i].type), STR_ARG(status_word(&c[i])), STR_ARG(c[i].reason));
        add_about(l, o, missing ? FINDING_REFERENCE : FINDING_MEANING, where, c[i].message, S(""));
    }
}

static void add_class(struct list *l, const struct object *o) {
    const struct gateway_class_status *s =
        resolve_status(l->o->pipeline.resolver, o->kind, o->meta.ns, o->meta.name);
    if (s) add_conditions(l, o, S(""), s->conditions.p, s->conditions.n, false);
}

static bool names_missing_secret(const struct list *l, const struct gateway *g, str listener) {
    for (uint32_t i = 0; i < g->spec.listeners.n; i++) {
        const struct listener *x = &g->spec.listeners.p[i];
        if (!str_eq(x->name, listener) || !x->tls) continue;
        for (uint32_t k = 0; k < x->tls->certificate_refs.n; k++) {
            const struct secret_ref *r = &x->tls->certificate_refs.p[k];
            str ns = r->ns.n ? r->ns : g->obj.meta.ns;
            if (!store_get(l->o->pipeline.store, KIND_SECRET, ns, r->name)) return true;
        }
    }
    return false;
}

static void add_gateway(struct list *l, const struct object *o) {
    const struct gateway *g = container_of(o, struct gateway, obj);
    const struct gateway_status *s =
        resolve_status(l->o->pipeline.resolver, o->kind, o->meta.ns, o->meta.name);
    if (!s) {
        if (store_get(l->o->pipeline.store, KIND_GATEWAY_CLASS, S(""), g->spec.gateway_class_name)) return;
        add_about(l, o, FINDING_REFERENCE, S("spec.gatewayClassName"),
                  arena_printf(l->arena,
                               "GatewayClass \"" STR_FMT "\" is not here, so nobody serves this Gateway",
                               STR_ARG(g->spec.gateway_class_name)),
                  S("give the class's manifest, too"));
        return;
    }
    size_t before = l->n;
    for (uint32_t i = 0; i < s->listeners.n; i++) {
        const struct listener_status *x = &s->listeners.p[i];
        add_conditions(l, o, arena_printf(l->arena, "listener " STR_FMT ": ", STR_ARG(x->name)),
                       x->conditions.p, x->conditions.n, names_missing_secret(l, g, x->name));
    }
    if (l->n > before) return; /* the Gateway's own conditions count up what its listeners said */
    add_conditions(l, o, S(""), s->conditions.p, s->conditions.n, false);
}

/* It is in the manifests, but could not be read. */
static bool was_refused(const struct list *l, str kind, str ns, str name) {
    for (const struct finding *f = l->o->findings.first; f; f = f->next) {
        if (str_eq(f->kind, kind) && str_eq(f->ns, ns) && str_eq(f->name, name)) return true;
    }
    return false;
}

static void add_absent_parents(struct list *l, const struct object *o, const struct http_route *r) {
    for (uint32_t i = 0; i < r->spec.parent_refs.n; i++) {
        const struct parent_ref *p = &r->spec.parent_refs.p[i];
        str ns = p->ns.n ? p->ns : o->meta.ns;
        if (!str_eq(p->kind, S("Gateway")) || store_get(l->o->pipeline.store, KIND_GATEWAY, ns, p->name))
            continue;
        if (was_refused(l, p->kind, ns, p->name)) continue; /* its own finding says it */
        add_about(l, o, FINDING_REFERENCE, arena_printf(l->arena, "spec.parentRefs[%u]", i),
                  arena_printf(l->arena, "Gateway " STR_FMT "/" STR_FMT " is not here", STR_ARG(ns),
                               STR_ARG(p->name)),
                  S("give the Gateway's manifest, too, or correct name and namespace"));
    }
}

static void add_route(struct list *l, const struct object *o) {
    const struct route_status *s = resolve_status(l->o->pipeline.resolver, o->kind, o->meta.ns, o->meta.name);
    add_absent_parents(l, o, container_of(o, struct http_route, obj));
    for (uint32_t i = 0; s && i < s->parents.n; i++) {
        const struct route_parent_status *p = &s->parents.p[i];
        bool section = p->parent_ref.section_name.n;
        str place = arena_printf(l->arena, "parent " STR_FMT "%s" STR_FMT ": ", STR_ARG(p->parent_ref.name),
                                 section ? "/" : "", STR_ARG(p->parent_ref.section_name));
        add_conditions(l, o, place, p->conditions.p, p->conditions.n, false);
    }
}

static void add_kind(struct list *l, enum api_kind kind,
                     void (*add_one)(struct list *, const struct object *)) {
    size_t n;
    const struct object **all = store_list(l->o->pipeline.store, l->arena, kind, &n);
    for (size_t i = 0; i < n; i++) add_one(l, all[i]);
}

struct other {
    struct list *l;
    const struct object *o;
};

static void add_said(void *arg, const struct said *s) {
    const struct other *x = arg;
    struct list *l = x->l;
    if (tone_of(s->type, s->status, s->reason) != TONE_BAD) return;
    str where = arena_printf(l->arena, STR_FMT STR_FMT "=" STR_FMT " (" STR_FMT ")", STR_ARG(s->place),
                             STR_ARG(s->type), STR_ARG(s->status), STR_ARG(s->reason));
    add_about(l, x->o, tone_is_missing(s->reason) ? FINDING_REFERENCE : FINDING_MEANING, where, s->message,
              S(""));
}

/* Kinds of which nothing more is known here than how a status looks. */
static void add_other_kinds(struct list *l) {
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        size_t n;
        if (k == KIND_GATEWAY_CLASS || k == KIND_GATEWAY || k == KIND_HTTP_ROUTE) continue;
        if (!api_type_of((enum api_kind)k)->status_schema) continue;
        const struct object **all = store_list(l->o->pipeline.store, l->arena, (enum api_kind)k, &n);
        for (size_t i = 0; i < n; i++) {
            struct other x = {l, all[i]};
            said_each(l->arena, &l->o->pipeline, all[i], add_said, &x);
        }
    }
}

static int by_place(const void *x, const void *y) {
    const struct problem *a = x, *b = y;
    int c = str_cmp(a->file, b->file);
    if (c) return c;
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void add_findings(struct list *l, const struct findings *found, bool warnings) {
    for (const struct finding *f = found->first; f; f = f->next) {
        add(l, &(struct problem){.class = f->class,
                                 .warning = warnings,
                                 .file = f->file,
                                 .line = f->line,
                                 .column = f->column,
                                 .kind = f->kind,
                                 .ns = f->ns,
                                 .name = f->name,
                                 .where = f->path,
                                 .message = f->message,
                                 .remedy = f->remedy});
    }
}

struct problem *problems_list(const struct offline *o, struct arena *a, size_t *ret_n) {
    struct list l = {.o = o, .arena = a};
    add_findings(&l, &o->findings, false);
    add_kind(&l, KIND_GATEWAY_CLASS, add_class);
    add_kind(&l, KIND_GATEWAY, add_gateway);
    add_kind(&l, KIND_HTTP_ROUTE, add_route);
    add_other_kinds(&l);
    add_findings(&l, &o->warnings, true);
    if (l.n) {
        qsort(l.p, l.n, sizeof *l.p, by_place);
        places_find(l.p, l.n);
        qsort(l.p, l.n, sizeof *l.p, by_place);
    }
    *ret_n = l.n;
    return l.p;
}

bool problems_fails(const struct problem *p, bool strict) {
    return strict || (p->class != FINDING_REFERENCE && !p->warning);
}
