/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/trust.h"

#include "api/core.h"
#include "text/x509.h"

static struct verdict missing(struct arena *a, str where, str what) {
    return resolver_refuse(a, "InvalidCACertificateRef",
                           STR_FMT ": " STR_FMT " does not exist; create it or correct the name",
                           STR_ARG(where), STR_ARG(what));
}

static struct verdict add_pem(struct arena *a, str where, str what, const char *field, str pem,
                              struct buf *to) {
    str message = arena_printf(a, "%s is missing or empty", field);
    if (!pem.n || x509_read_bundle(a, pem, &message) != OK)
        return resolver_refuse(a, "InvalidCACertificateRef",
                               STR_FMT ": " STR_FMT ": " STR_FMT "; put the PEM of certificates into %s",
                               STR_ARG(where), STR_ARG(what), STR_ARG(message), field);
    buf_add(to, pem);
    if (!str_ends(pem, S("\n"))) buf_add_char(to, '\n');
    return (struct verdict){0};
}

static struct verdict read_map(struct pass *p, const struct trust_source *s, str where, struct buf *to) {
    struct arena *a = p->scratch;
    str what = arena_printf(a, "ConfigMap " STR_FMT "/" STR_FMT, STR_ARG(s->ns), STR_ARG(s->name));
    const struct config_map *map =
        (const void *)store_get(p->store, p->scratch, KIND_CONFIG_MAP, s->ns, s->name);
    if (!map) return missing(a, where, what);
    str ca = schema_map_get(&map->data, S("ca.crt"));
    if (!ca.p) ca = schema_map_get(&map->binary_data, S("ca.crt"));
    return add_pem(a, where, what, "ca.crt", ca, to);
}

/* Deleted, it is gone at once: nothing of it is kept.                                 [GEP-5075] */
static struct verdict read_bundle(struct pass *p, const struct trust_source *s, str where, struct buf *to) {
    struct arena *a = p->scratch;
    str what = arena_printf(a, "ClusterTrustBundle " STR_FMT, STR_ARG(s->name));
    const struct cluster_trust_bundle *b =
        (const void *)store_get(p->store, p->scratch, KIND_CLUSTER_TRUST_BUNDLE, S(""), s->name);
    return b ? add_pem(a, where, what, "spec.trustBundle", b->spec.trust_bundle, to)
             : missing(a, where, what);
}

struct verdict trust_read(struct pass *p, const struct trust_source *s, str where, const char *bad_kind,
                          struct buf *pem) {
    bool bundle = str_eq(s->group, S("certificates.k8s.io")) && str_eq(s->kind, S("ClusterTrustBundle"));
    if (!s->group.n && str_eq(s->kind, S("ConfigMap"))) return read_map(p, s, where, pem);
    if (bundle && features_served(p->facts, FEATURE_TRUST_BUNDLE)) return read_bundle(p, s, where, pem);
    return resolver_refuse(p->scratch, bad_kind,
                           STR_FMT ": " STR_FMT "%s" STR_FMT " is not served; name a ConfigMap",
                           STR_ARG(where), STR_ARG(s->group), s->group.n ? "/" : "", STR_ARG(s->kind));
}
