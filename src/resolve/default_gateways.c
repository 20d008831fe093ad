/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/default_gateways.h"

#include "api/gateway.h"
#include "resolve/routes.h"

/* Ordered by key, so that statuses do not tell in which order Gateways came. */
static void add(struct worklist *w, struct gateway_state *g) {
    resolver_push(w, g);
    for (size_t i = w->n - 1; i; i--) {
        const struct gateway_state *before = w->p[i - 1];
        if (str_cmp(before->key, g->key) < 0) break;
        w->p[i] = w->p[i - 1];
        w->p[i - 1] = g;
    }
}

static void take(struct worklist *w, const struct gateway_state *g) {
    size_t at = 0;
    while (w->p[at] != g) at++;
    memmove(w->p + at, w->p + at + 1, (--w->n - at) * sizeof *w->p);
}

static void set(struct pass *p, struct gateway_state *g, bool wanted, bool changed) {
    bool before = g->is_default;
    if (wanted && !before) add(&p->r->defaults, g);
    if (!wanted && before) take(&p->r->defaults, g);
    g->is_default = wanted;
    /* no object is named "": the store lists there the routes that name no Gateway */
    if (wanted != before || (wanted && changed)) routes_mark_referrers(p, KIND_GATEWAY, S(""), S(""));
}

void default_gateways_update(struct pass *p, struct gateway_state *g, bool changed) {
    const struct gateway *gw = (const void *)store_get(p->store, p->scratch, KIND_GATEWAY, g->ns, g->name);
    set(p, g,
        gw && gw->spec.default_scope == SCOPE_ALL && features_served(p->facts, FEATURE_DEFAULT_GATEWAYS),
        changed);
}

void default_gateways_forget(struct pass *p, struct gateway_state *g) { set(p, g, false, false); }
