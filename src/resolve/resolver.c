/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/resolver.h"

#include "resolve/backends.h"
#include "resolve/certs.h"
#include "resolve/claims.h"
#include "resolve/classes.h"
#include "resolve/gateways.h"
#include "resolve/policies.h"
#include "resolve/routes.h"
#include "resolve/sets.h"

struct resolver *resolver_new(void) {
    struct resolver *r = base_zalloc(sizeof *r);
    routes_init(r);
    r->told = arena_new();
    r->expanded = arena_new();
    return r;
}

static void free_worklist(struct worklist *w) {
    free(w->p);
    *w = (struct worklist){0};
}

void resolver_free(struct resolver *r) {
    if (!r) return;
    routes_fini(r);
    gateways_fini(r);
    sets_fini(r);
    policies_fini(r);
    classes_fini(r);
    backends_fini(r);
    claims_fini(r);
    certs_fini(r);
    free_worklist(&r->dirty_gateways);
    free_worklist(&r->dirty_routes);
    free_worklist(&r->dirty_backends);
    free_worklist(&r->dirty_policies);
    free_worklist(&r->dirty_sockets);
    free_worklist(&r->emit);
    free_worklist(&r->restatus);
    free_worklist(&r->defaults);
    free(r->changed);
    free(r->controller_bytes);
    arena_free(r->told);
    arena_free(r->expanded);
    free(r);
}

void resolver_push(struct worklist *w, void *thing) {
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->p = base_realloc(w->p, w->cap * sizeof *w->p);
    }
    w->p[w->n++] = thing;
}

void resolver_empty(struct worklist *w) {
    enum { KEPT_MAX = 4096 };
    w->n = 0;
    if (w->cap > KEPT_MAX) free_worklist(w);
}

void resolver_note_status(struct pass *p, enum api_kind kind, str ns, str name) {
    struct resolver *r = p->r;
    if (r->changed_n == r->changed_cap) {
        r->changed_cap = r->changed_cap ? r->changed_cap * 2 : 16;
        r->changed = base_realloc(r->changed, r->changed_cap * sizeof *r->changed);
    }
    r->changed[r->changed_n++] =
        (struct store_change){.kind = kind, .ns = arena_str(r->told, ns), .name = arena_str(r->told, name)};
    p->work->statuses++;
}

struct verdict resolver_refuse(struct arena *a, const char *reason, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    struct verdict v = {reason, arena_vprintf(a, fmt, args)};
    va_end(args);
    return v;
}

str resolver_a_kind(struct arena *a, enum api_kind kind) {
    const char *name = api_type_of(kind)->name;
    bool vowel = *name == 'H' || *name == 'X'; /* when spoken */
    return arena_printf(a, "%s %s", vowel ? "an" : "a", name);
}

str resolver_key(struct arena *a, str ns, str name) { return ARENA_JOIN(a, ns, S("/"), name); }

str resolver_lower(struct arena *a, str s) {
    char *p = arena_bytes(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) p[i] = str_lower(s.p[i]);
    return (str){p, s.n};
}

str resolver_state_key(char space[RESOLVER_STATE_KEY_BYTES_MAX], enum api_kind kind, str ns, str name) {
    if (ns.n + 2 + name.n > RESOLVER_STATE_KEY_BYTES_MAX) return (str){0};
    space[0] = (char)kind;
    if (ns.n) memcpy(space + 1, ns.p, ns.n);
    space[1 + ns.n] = '/';
    if (name.n) memcpy(space + 2 + ns.n, name.p, name.n);
    return (str){space, ns.n + 2 + name.n};
}
