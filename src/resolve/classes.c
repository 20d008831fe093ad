/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/classes.h"

#include "resolve/conditions.h"
#include "resolve/features.h"

struct class_state {
    struct gateway_class_status *status; /* packed */
    uint64_t hash;
    bool accepted;
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
    bool was = k->accepted;
    free(k->status);
    free(k);
    resolver_note_status(p, KIND_GATEWAY_CLASS, S(""), name);
    return was;
}

static void build_status(struct pass *p, const struct gateway_class *c, struct verdict accepted,
                         struct gateway_class_status *st) {
    struct conditions cs = conditions_begin(p->scratch, c->obj.meta.generation);
    conditions_judge(&cs, "Accepted", accepted, "Accepted", S("the class is handled by this controller"));
    st->conditions.p = cs.p, st->conditions.n = cs.n;
    st->supported_features.p = arena_array(p->scratch, struct supported_feature, FEATURE_COUNT);
    for (str name; (name = features_supported(p->facts, st->supported_features.n)).p;)
        st->supported_features.p[st->supported_features.n++].name = name;
}

bool classes_resolve(struct pass *p, str name) {
    const struct gateway_class *c = (const void *)store_get(p->store, KIND_GATEWAY_CLASS, S(""), name);
    if (!c || !str_eq(c->spec.controller_name, p->facts->controller_name)) return forget(p, name);
    struct verdict accepted = {0};
    const struct parameters_reference *ref = c->spec.parameters_ref;
    if (ref)
        accepted = resolver_refuse(p->scratch, "InvalidParameters",
                                   "spec.parametersRef: this version reads no parameters, " STR_FMT
                                   " " STR_FMT " is not used; remove the field",
                                   STR_ARG(ref->kind), STR_ARG(ref->name));
    struct gateway_class_status st = {0};
    build_status(p, c, accepted, &st);
    struct class_state *k = class_for(p->r, name);
    uint64_t hash = schema_hash(status_schema(), &st);
    bool was = k->accepted;
    k->accepted = !accepted.reason;
    if (!k->status || hash != k->hash) {
        size_t bytes;
        free(k->status);
        k->status = schema_pack(status_schema(), &st, 0, &bytes);
        k->hash = hash;
        resolver_note_status(p, KIND_GATEWAY_CLASS, S(""), name);
    }
    return was != k->accepted;
}

bool classes_accepted(const struct resolver *r, str name) {
    const struct class_state *k = map_get(&r->classes, name);
    return k && k->accepted;
}

const struct gateway_class_status *classes_status(const struct resolver *r, str name) {
    const struct class_state *k = map_get(&r->classes, name);
    return k ? k->status : NULL;
}

void classes_fini(struct resolver *r) {
    map_each (e, &r->classes) {
        struct class_state *k = e->value;
        free(k->status);
        free(k);
    }
    map_fini(&r->classes);
}
