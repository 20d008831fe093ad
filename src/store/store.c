/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/referrers.h"

/* The place of one object. It outlives the object until its removal was told as a change. */
struct entry {
    struct referrers_source source; /* source.object NULL: removed, not told yet */
    uint64_t hash;                  /* api_hash of the object */
    char *service_before;           /* of an EndpointSlice: as in store_change, while changed */
    uint16_t ns_n, name_n;
    bool changed, spec_changed;
    char key[]; /* "ns/name" */
};

struct store {
    struct map kinds[KIND_COUNT];
    size_t counts[KIND_COUNT];
    struct referrers referrers;
    struct entry **changes; /* each once */
    uint8_t *change_kinds;
    size_t changes_n, changes_cap;
};

enum { NAME_BYTES_MAX = 256 };
enum { KEY_BYTES_MAX = 2 * NAME_BYTES_MAX };

/* Names that the API would not take (over 253 bytes) are no key. */
static str key_of(char *space, str ns, str name) {
    if (ns.n >= NAME_BYTES_MAX || name.n >= NAME_BYTES_MAX) return (str){0};
    if (ns.n) memcpy(space, ns.p, ns.n);
    space[ns.n] = '/';
    if (name.n) memcpy(space + ns.n + 1, name.p, name.n);
    return (str){space, ns.n + 1 + name.n};
}

struct store *store_new(void) {
    return base_zalloc(sizeof(struct store));
}

static void free_entry(struct store *s, struct entry *e) {
    referrers_clear(&s->referrers, &e->source);
    api_free(e->source.object);
    free(e->service_before);
    free(e);
}

void store_free(struct store *s) {
    if (!s) return;
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        map_each (it, &s->kinds[k]) free_entry(s, it->value);
        map_fini(&s->kinds[k]);
    }
    referrers_fini(&s->referrers);
    free(s->changes);
    free(s->change_kinds);
    free(s);
}

static struct entry *find(const struct store *s, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, ns, name);
    return key.p ? map_get(&s->kinds[kind], key) : NULL;
}

static struct entry *find_or_add(struct store *s, const struct object *o) {
    struct entry *e = find(s, o->kind, o->meta.ns, o->meta.name);
    if (e) return e;
    size_t bytes = o->meta.ns.n + 1 + o->meta.name.n;
    e = base_zalloc(sizeof *e + bytes);
    e->ns_n = (uint16_t)o->meta.ns.n;
    e->name_n = (uint16_t)o->meta.name.n;
    map_put(&s->kinds[o->kind], key_of(e->key, o->meta.ns, o->meta.name), e);
    return e;
}

/* To be called while the entry still has the object that it had before. */
static void mark_changed(struct store *s, struct entry *e, enum api_kind kind, bool spec_changed) {
    e->spec_changed |= spec_changed;
    if (e->changed) return;
    e->changed = true;
    if (kind == KIND_ENDPOINT_SLICE && e->source.object) {
        str service = referrers_service_of(e->source.object);
        if (service.n) e->service_before = str_dup(service);
    }
    if (s->changes_n == s->changes_cap) {
        s->changes_cap = s->changes_cap ? s->changes_cap * 2 : 64;
        s->changes = base_realloc(s->changes, s->changes_cap * sizeof *s->changes);
        s->change_kinds = base_realloc(s->change_kinds, s->changes_cap);
    }
    s->changes[s->changes_n] = e;
    s->change_kinds[s->changes_n++] = (uint8_t)kind;
}

bool store_put(struct store *s, struct object *o) {
    assert(o->kind > KIND_NONE && o->kind < KIND_COUNT);
    if (o->meta.ns.n >= NAME_BYTES_MAX ||
        o->meta.name.n >= NAME_BYTES_MAX) { /* no schema lets these through */
        api_free(o);
        return false;
    }
    struct entry *e = find_or_add(s, o);
    struct object *before = e->source.object;
    uint64_t hash = api_hash(o);
    bool changed = !before || hash != e->hash;
    bool spec_changed = changed && (!before || api_hash_spec(before) != api_hash_spec(o));
    if (!o->meta.generation) o->meta.generation = before ? before->meta.generation + spec_changed : 1;
    if (changed) mark_changed(s, e, o->kind, spec_changed);
    s->counts[o->kind] += !before;
    referrers_clear(&s->referrers, &e->source);
    e->source.object = o;
    e->hash = hash;
    referrers_note(&s->referrers, &e->source);
    api_free(before);
    return changed;
}

bool store_remove(struct store *s, enum api_kind kind, str ns, str name) {
    struct entry *e = find(s, kind, ns, name);
    if (!e || !e->source.object) return false;
    mark_changed(s, e, kind, true);
    referrers_clear(&s->referrers, &e->source);
    api_free(TAKE(e->source.object));
    s->counts[kind]--;
    return true;
}

const struct object *store_get(const struct store *s, enum api_kind kind, str ns, str name) {
    const struct entry *e = find(s, kind, ns, name);
    return e ? e->source.object : NULL;
}

size_t store_count(const struct store *s, enum api_kind kind) { return s->counts[kind]; }

static int by_place(const void *a, const void *b) {
    const struct object *x = *(const struct object *const *)a, *y = *(const struct object *const *)b;
    int order = str_cmp(x->meta.ns, y->meta.ns);
    return order ? order : str_cmp(x->meta.name, y->meta.name);
}

const struct object **store_list(const struct store *s, struct arena *a, enum api_kind kind, size_t *ret_n) {
    *ret_n = s->counts[kind];
    if (!*ret_n) return NULL;
    const struct object **all = arena_array(a, const struct object *, *ret_n);
    size_t n = 0;
    map_each (it, &s->kinds[kind]) {
        const struct entry *e = it->value;
        if (e->source.object) all[n++] = e->source.object;
    }
    assert(n == *ret_n);
    qsort(all, n, sizeof *all, by_place);
    return all;
}

const struct object **store_referrers(const struct store *s, struct arena *a, enum api_kind kind, str ns,
                                      str name, enum api_kind from, size_t *ret_n) {
    return referrers_list(&s->referrers, a, kind, ns, name, from, ret_n);
}

/* Tells one entry's change and forgets it; what is gone loses its entry. */
static void tell(struct store *s, struct arena *a, struct entry *e, enum api_kind kind,
                 struct store_change *ret) {
    str key = arena_str(a, (str){e->key, (size_t)e->ns_n + 1 + e->name_n});
    *ret = (struct store_change){kind, str_upto(key, e->ns_n), str_from(key, (size_t)e->ns_n + 1),
                                 e->spec_changed,
                                 e->service_before ? arena_str(a, str_of(e->service_before)) : (str){0}};
    free(TAKE(e->service_before));
    e->changed = e->spec_changed = false;
    if (e->source.object) return;
    map_take(&s->kinds[kind], (str){e->key, key.n});
    free(e);
}

struct store_change *store_changes(struct store *s, struct arena *a, size_t *ret_n) {
    *ret_n = s->changes_n;
    struct store_change *all = arena_array(a, struct store_change, s->changes_n);
    size_t n = 0;
    for (unsigned k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; i < s->changes_n; i++)
            if (s->change_kinds[i] == k) tell(s, a, s->changes[i], k, &all[n++]);
    free(TAKE(s->changes));
    free(TAKE(s->change_kinds));
    s->changes_n = s->changes_cap = 0;
    return all;
}

struct store_target *store_targets(const struct store *s, struct arena *a, enum api_kind kind,
                                   bool (*wanted)(void *arg, const struct store_target *t,
                                                  const struct object *from),
                                   void *arg, size_t *ret_n) {
    return referrers_targets(&s->referrers, a, kind, wanted, arg, ret_n);
}
