/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/classes.h"

#include "base/num.h"
#include "resolve/conditions.h"
#include "resolve/features.h"
#include "resolve/parameters.h"

struct class_state {
    struct gateway_class_status *status; /* packed */
    uint64_t hash;
    struct settings *settings; /* packed; not NULL: its Gateways are served, by these */
    char name[];
};

static const struct schema *status_schema(void) { return api_type_of(KIND_GATEWAY_CLASS)->status_schema; }

static struct class_state *class_for(struct resolver *r, str name) {
    struct class_state *k = map_get(&r->classes, name);
    if (k) return k;
    k = base_zalloc(sizeof *k + name.n);
    memcpy(k->name, name.p, name.n);
    map_put(&r->classes, (str){k->name, name.n}, k);
    return k;
}

static bool forget(struct pass *p, str name) {
    struct class_state *k = map_take(&p->r->classes, name);
    if (!k) return false;
    bool was = k->settings != NULL;
    free(k->status);
    free(k->settings);
    free(k);
    resolver_note_status(p, KIND_GATEWAY_CLASS, S(""), name);
    return was;
}

/* The y of v1.y; false: it is none. */
static bool minor_of(const char *bundle, uint64_t *ret) {
    str rest = str_of(bundle), major = str_cut(&rest, '.');
    return str_eq(major, S("v1")) && num_parse(str_cut(&rest, '.'), UINT32_MAX, ret) == OK;
}

/* CRDs of another release are read as far as they are known.                 [GW GatewayClassConditionStatusSupportedVersion] */
static void judge_version(struct conditions *c, const struct facts *facts) {
    enum { MINOR_MAX = 7 };
    const char *bundle = facts->bundle;
    if (!*bundle && !facts->cluster)
        conditions_add(c, "SupportedVersion", CONDITION_TRUE, "SupportedVersion",
                       arena_printf(c->arena, "manifests are read by the Gateway API v1.%d", MINOR_MAX));
    if (!*bundle) return;
    uint64_t minor;
    if (minor_of(bundle, &minor) && minor <= MINOR_MAX)
        conditions_add(c, "SupportedVersion", CONDITION_TRUE, "SupportedVersion",
                       arena_printf(c->arena, "the Gateway API's CRDs are of %s", bundle));
    else
        conditions_add(
            c, "SupportedVersion", CONDITION_FALSE, "UnsupportedVersion",
            arena_printf(c->arena,
                         "the Gateway API's CRDs are of %s; this version reads v1.0 to v1.%d: what "
                         "is newer in them is not seen, install CRDs of v1.%d or a newer postern",
                         bundle, MINOR_MAX, MINOR_MAX));
}

static void build_status(struct pass *p, const struct gateway_class *c, struct verdict accepted,
                         struct gateway_class_status *st) {
    struct conditions cs = conditions_begin(p->scratch, c->obj.meta.generation);
    conditions_judge(&cs, "Accepted", accepted, "Accepted", S("the class is handled by this controller"));
    judge_version(&cs, p->facts);
    st->conditions.p = cs.p, st->conditions.n = cs.n;
    uint64_t minor; /* before v1.2 they were strings: the whole status would be refused */
    if (minor_of(p->facts->bundle, &minor) && minor < 2) return;
    st->supported_features.p = arena_array(p->scratch, struct supported_feature, FEATURE_COUNT);
    for (str name = S(""); (name = features_next(p->facts, name)).p;)
        st->supported_features.p[st->supported_features.n++].name = name;
}

/* A mistake in parameters stops nothing that works: while there is a data plane, what was good last goes on. *ret_changed: Gateways are to
 * be looked at again. */
static struct verdict judge_parameters(struct pass *p, const struct gateway_class *c, struct class_state *k,
                                       bool *ret_changed) {
    const struct parameters_reference *ref = c->spec.parameters_ref;
    struct settings s = {0};
    struct verdict v = {0};
    if (ref) v = parameters_read(p, p->scratch, "spec.parametersRef", ref, ref->ns, &s);
    if (v.reason && k->settings && p->facts->serving) {
        v.message =
            arena_printf(p->scratch, STR_FMT "; until then the last good settings hold", STR_ARG(v.message));
        *ret_changed = false;
        return v;
    }
    struct settings *now = v.reason ? NULL : parameters_pack(&s);
    *ret_changed = !parameters_equal(k->settings, now);
    free(k->settings);
    k->settings = now;
    return v;
}

bool classes_resolve(struct pass *p, str name) {
    const struct gateway_class *c =
        (const void *)store_get(p->store, p->scratch, KIND_GATEWAY_CLASS, S(""), name);
    if (!c || !str_eq(c->spec.controller_name, p->facts->controller_name)) return forget(p, name);
    struct class_state *k = class_for(p->r, name);
    bool changed;
    struct verdict accepted = judge_parameters(p, c, k, &changed);
    struct gateway_class_status st = {0};
    build_status(p, c, accepted, &st);
    uint64_t hash = schema_hash(status_schema(), &st);
    if (!k->status || hash != k->hash) {
        size_t bytes;
        free(k->status);
        k->status = schema_pack(status_schema(), &st, 0, &bytes);
        k->hash = hash;
        resolver_note_status(p, KIND_GATEWAY_CLASS, S(""), name);
    }
    return changed;
}

const struct settings *classes_settings(const struct resolver *r, str name) {
    const struct class_state *k = map_get(&r->classes, name);
    return k ? k->settings : NULL;
}

const struct gateway_class_status *classes_status(const struct resolver *r, str name) {
    const struct class_state *k = map_get(&r->classes, name);
    return k ? k->status : NULL;
}

void classes_fini(struct resolver *r) {
    map_each (e, &r->classes) {
        struct class_state *k = e->value;
        free(k->status);
        free(k->settings);
        free(k);
    }
    map_fini(&r->classes);
}
