/* SPDX-License-Identifier: Apache-2.0 */
#include "api/parcel.h"

#include "api/meta.h"

enum { BYTES_MAX = 64 << 20 }; /* an object comes from at most 1.5 MiB of text */

struct parcel_source *parcel_source_new(str path) {
    struct parcel_source *s = base_alloc(sizeof *s + path.n + 1);
    *s = (struct parcel_source){1, (uint32_t)path.n};
    if (path.n) memcpy(s->path, path.p, path.n);
    s->path[path.n] = 0;
    return s;
}

struct parcel_source *parcel_source_hold(struct parcel_source *s) {
    s->holds++;
    return s;
}

void parcel_source_release(struct parcel_source *s) {
    if (s && !--s->holds) free(s);
}

static bool is_numerous(enum api_kind kind) {
    switch (kind) {
    case KIND_HTTP_ROUTE:
    case KIND_GRPC_ROUTE:
    case KIND_TLS_ROUTE:
    case KIND_TCP_ROUTE:
    case KIND_UDP_ROUTE:
    case KIND_SERVICE:
    case KIND_ENDPOINT_SLICE:
    case KIND_SECRET:
    case KIND_CONFIG_MAP:
    case KIND_CLUSTER_TRUST_BUNDLE: return true;
    case KIND_NONE:
    case KIND_GATEWAY_CLASS:
    case KIND_GATEWAY:
    case KIND_LISTENER_SET:
    case KIND_BACKEND_TLS_POLICY:
    case KIND_XBACKEND:
    case KIND_XBACKEND_TRAFFIC_POLICY:
    case KIND_XMESH:
    case KIND_XTELEMETRY_POLICY:
    case KIND_NAMESPACE:
    case KIND_REFERENCE_GRANT:
    case KIND_COUNT: return false;
    }
    return false;
}

/* All of the kind's table but apiVersion, kind, metadata and source, which come first in each. */
static struct schema spec_of(enum api_kind kind) {
    struct schema rest = *api_type_of(kind)->schema;
    rest.fields += META_FIELDS_N, rest.n -= META_FIELDS_N;
    return rest;
}

/* A document of a version that is not listed is no object. */
static uint8_t version_index(const struct object *o) {
    const char *const *versions = api_type_of(o->kind)->versions;
    str v = o->api_version;
    if (str_find(v, '/') < v.n) str_cut(&v, '/');
    for (uint8_t i = 0; versions[i]; i++)
        if (str_eq(v, str_of(versions[i]))) return i;
    return 0;
}

static void put_fields(struct buf *b, struct object *o, struct parcel *head) {
    struct schema spec = spec_of(o->kind);
    struct meta meta = o->meta;
    meta.name = meta.ns = (str){0}; /* the key has them */
    schema_bytes_put(b, &meta_hashed, &meta);
    head->meta_n = (uint32_t)b->n;
    schema_bytes_put(b, &spec, o);
    head->spec_n = (uint32_t)b->n - head->meta_n;
    struct meta cluster = {.uid = o->meta.uid, .resource_version = o->meta.resource_version};
    schema_bytes_put(b, &meta_schema, &cluster);
}

/* "GROUP/VERSION" */
static str version_in(struct arena *a, const struct api_type *t, uint8_t version) {
    str group = str_of(t->group), v = str_of(t->versions[version]);
    if (!group.n) return v;
    char *p = arena_raw(a, group.n + 1 + v.n);
    memcpy(p, group.p, group.n);
    p[group.n] = '/';
    memcpy(p + group.n + 1, v.p, v.n);
    return (str){p, group.n + 1 + v.n};
}

static struct object *expand(struct arena *a, const struct parcel *p) {
    const struct api_type *t = api_type_of(p->kind);
    struct object *o = arena_bytes(a, t->schema->size);
    struct schema spec = spec_of(p->kind);
    const char *fields = parcel_key(p).p + parcel_key(p).n;
    struct meta cluster = {0};
    const char *end = schema_bytes_get(a, &meta_hashed, fields, &o->meta);
    end = schema_bytes_get(a, &spec, end, o);
    schema_bytes_get(a, &meta_schema, end, &cluster);
    o->kind = p->kind;
    o->line = p->line;
    o->api_version = version_in(a, t, p->version);
    o->kind_name = str_of(t->name);
    o->source = (str){p->source->path, p->source->n};
    o->meta.ns = parcel_ns(p);
    o->meta.name = parcel_name(p);
    o->meta.uid = cluster.uid, o->meta.resource_version = cluster.resource_version;
    o->meta.generation = p->generation;
    return o;
}

static struct object *keep_whole(const struct parcel *p) {
    OWNED(arena) a = arena_new();
    size_t bytes;
    return schema_pack(api_type_of(p->kind)->schema, expand(a, p), 0, &bytes);
}

struct parcel *parcel_new(struct object *o, struct parcel_source *source) {
    assert(o->meta.ns.n <= PARCEL_NAME_BYTES_MAX && o->meta.name.n <= PARCEL_NAME_BYTES_MAX);
    struct buf b;
    struct parcel head = {
        .generation = o->meta.generation,
        .line = o->line,
        .kind = (uint8_t)o->kind,
        .version = version_index(o),
        .ns_n = (uint8_t)o->meta.ns.n,
        .name_n = (uint8_t)o->meta.name.n,
    };
    buf_init(&b, BYTES_MAX);
    put_fields(&b, o, &head);
    assert(!b.overflow);
    size_t key_n = parcel_key(&head).n;
    struct parcel *p = base_alloc(sizeof *p + key_n + b.n);
    *p = head;
    memcpy(p->bytes, o->meta.ns.p, p->ns_n);
    p->bytes[p->ns_n] = '/';
    memcpy(p->bytes + p->ns_n + 1, o->meta.name.p, p->name_n);
    memcpy(p->bytes + key_n, b.p, b.n);
    buf_fini(&b);
    p->source = source ? parcel_source_hold(source) : parcel_source_new(o->source);
    if (!is_numerous(p->kind)) p->whole = keep_whole(p);
    return p;
}

void parcel_free(struct parcel *p) {
    if (!p) return;
    api_free(p->whole);
    parcel_source_release(p->source);
    free(p);
}

const struct object *parcel_open(struct arena *a, const struct parcel *p) {
    return p->whole ? p->whole : expand(a, p);
}

void parcel_set_generation(struct parcel *p, int64_t generation) {
    p->generation = generation;
    if (p->whole) p->whole->meta.generation = generation;
}

static str meta_of(const struct parcel *p) { return (str){p->bytes + parcel_key(p).n, p->meta_n}; }
static str spec_bytes(const struct parcel *p) {
    return (str){p->bytes + parcel_key(p).n + p->meta_n, p->spec_n};
}

bool parcel_is_same_spec(const struct parcel *x, const struct parcel *y) {
    return x->kind == y->kind && str_eq(spec_bytes(x), spec_bytes(y));
}

bool parcel_is_same(const struct parcel *x, const struct parcel *y) {
    return str_eq(parcel_key(x), parcel_key(y)) && str_eq(meta_of(x), meta_of(y)) &&
           parcel_is_same_spec(x, y);
}
