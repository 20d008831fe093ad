/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/problems.h"

#include "api/backend_tls_policy.h"
#include "api/condition.h"
#include "api/listener_set.h"
#include "cli/absent.h"
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

static bool names_missing_secret(const struct list *l, const struct object *o, const struct listener *p,
                                 uint32_t n, str listener) {
    for (const struct listener *x = p; x < p + n; x++) {
        if (!str_eq(x->name, listener) || !x->tls) continue;
        for (uint32_t k = 0; k < x->tls->certificate_refs.n; k++) {
            const struct secret_ref *r = &x->tls->certificate_refs.p[k];
            str ns = r->ns.n ? r->ns : o->meta.ns;
            if (!store_has(l->o->pipeline.store, KIND_SECRET, ns, r->name)) return true;
        }
    }
    return false;
}

/* Of a Gateway or a ListenerSet: its own conditions count up what its listeners said, so they are told when those are well. */
static void add_holder(struct list *l, const struct object *o, const struct listener *p, uint32_t n,
                       const struct listener_status *statuses, uint32_t statuses_n,
                       const struct condition *own, uint32_t own_n) {
    size_t before = l->n;
    for (uint32_t i = 0; i < statuses_n; i++) {
        const struct listener_status *x = &statuses[i];
        add_conditions(l, o, arena_printf(l->arena, "listener " STR_FMT ": ", STR_ARG(x->name)),
                       x->conditions.p, x->conditions.n, names_missing_secret(l, o, p, n, x->name));
    }
    if (l->n == before) add_conditions(l, o, S(""), own, own_n, false);
}

static void add_gateway(struct list *l, const struct object *o) {
    const struct gateway *g = container_of(o, struct gateway, obj);
    const struct gateway_status *s =
        resolve_status(l->o->pipeline.resolver, o->kind, o->meta.ns, o->meta.name);
    if (s)
        add_holder(l, o, g->spec.listeners.p, g->spec.listeners.n, s->listeners.p, s->listeners.n,
                   s->conditions.p, s->conditions.n);
}

static void add_set(struct list *l, const struct object *o) {
    const struct listener_set *set = container_of(o, struct listener_set, obj);
    const struct listener_set_status *s =
        resolve_status(l->o->pipeline.resolver, o->kind, o->meta.ns, o->meta.name);
    if (s)
        add_holder(l, o, set->spec.listeners.p, set->spec.listeners.n, s->listeners.p, s->listeners.n,
                   s->conditions.p, s->conditions.n);
}

static void add_absent(void *arg, const struct absent *x) {
    add_about(arg, x->object, FINDING_REFERENCE, x->where, x->message, x->remedy);
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

static bool names_missing_ca(const struct list *l, const struct object *o) {
    if (o->kind != KIND_BACKEND_TLS_POLICY) return false;
    const struct backend_tls_policy *p = container_of(o, struct backend_tls_policy, obj);
    for (uint32_t i = 0; i < p->spec.validation.ca_certificate_refs.n; i++) {
        const struct local_ref *r = &p->spec.validation.ca_certificate_refs.p[i];
        if (str_eq(r->kind, S("ConfigMap")) &&
            !store_has(l->o->pipeline.store, KIND_CONFIG_MAP, o->meta.ns, r->name))
            return true;
    }
    return false;
}

static bool is_missing(const struct list *l, const struct object *o, str reason) {
    if (tone_is_missing(reason)) return true;
    bool of_ca = str_eq(reason, S("InvalidCACertificateRef")) || str_eq(reason, S("NoValidCACertificate"));
    return of_ca && names_missing_ca(l, o);
}

static void add_said(void *arg, const struct said *s) {
    const struct other *x = arg;
    struct list *l = x->l;
    if (tone_of(s->type, s->status, s->reason) != TONE_BAD) return;
    str where = arena_printf(l->arena, STR_FMT STR_FMT "=" STR_FMT " (" STR_FMT ")", STR_ARG(s->place),
                             STR_ARG(s->type), STR_ARG(s->status), STR_ARG(s->reason));
    add_about(l, x->o, is_missing(l, x->o, s->reason) ? FINDING_REFERENCE : FINDING_MEANING, where,
              s->message, S(""));
}

/* Kinds of which nothing more is known here than how a status looks. */
static void add_other_kinds(struct list *l) {
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        size_t n;
        if (k == KIND_GATEWAY_CLASS || k == KIND_GATEWAY || k == KIND_LISTENER_SET) continue;
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
    add_kind(&l, KIND_LISTENER_SET, add_set);
    add_other_kinds(&l);
    absent_each(o, a, add_absent, &l);
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
