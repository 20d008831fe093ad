/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/referrers.h"

/* What changed since it was last asked for. A parcel's `place` is one more than the index of its change; 0: it has none. */
struct change {
    struct parcel *p;                       /* as it is now */
    char *service_before, *xbackend_before; /* of an EndpointSlice: as in store_change */
    bool spec_changed;
    bool gone; /* p is what was removed, and belongs to the change */
};

struct store {
    struct index kinds[KIND_COUNT]; /* struct parcel */
    size_t counts[KIND_COUNT];
    struct referrers referrers;
    struct change *changes; /* each key once */
    uint32_t changes_n, changes_cap;
    struct parcel_source *source; /* of what store_put() took last */
    struct arena *scratch;
};

enum { KEY_BYTES_MAX = 2 * PARCEL_NAME_BYTES_MAX + 1 };

/* Names that the API would not take (over 253 bytes) are no key. */
static str key_of(char *space, str ns, str name) {
    if (ns.n > PARCEL_NAME_BYTES_MAX || name.n > PARCEL_NAME_BYTES_MAX) return (str){0};
    if (ns.n) memcpy(space, ns.p, ns.n);
    space[ns.n] = '/';
    if (name.n) memcpy(space + ns.n + 1, name.p, name.n);
    return (str){space, ns.n + 1 + name.n};
}

static str key_of_parcel(const void *p) { return parcel_key(p); }

struct store *store_new(void) {
    struct store *s = base_zalloc(sizeof *s);
    for (unsigned k = 0; k < KIND_COUNT; k++) s->kinds[k].key = key_of_parcel;
    referrers_init(&s->referrers);
    s->scratch = arena_new();
    return s;
}

static bool is_gone(const struct store *s, const struct parcel *p) {
    return p->place && s->changes[p->place - 1].gone;
}

/* The parcel names nothing any more. */
static void clear_referrers(struct store *s, const struct parcel *p) {
    referrers_clear(&s->referrers, p, parcel_open(s->scratch, p));
    arena_reset(s->scratch);
}

void store_free(struct store *s) {
    if (!s) return;
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        index_each (struct parcel, p, &s->kinds[k]) {
            if (!is_gone(s, p)) clear_referrers(s, p);
            parcel_free(p);
        }
        index_fini(&s->kinds[k]);
    }
    for (uint32_t i = 0; i < s->changes_n; i++) {
        free(s->changes[i].service_before);
        free(s->changes[i].xbackend_before);
    }
    free(s->changes);
    referrers_fini(&s->referrers);
    parcel_source_release(s->source);
    arena_free(s->scratch);
    free(s);
}

static struct parcel *find(const struct store *s, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, ns, name);
    struct parcel *p = key.p ? index_get(&s->kinds[kind], key) : NULL;
    return p && !is_gone(s, p) ? p : NULL;
}

/* The change of p's key, which is made when there is none; was: what it has been until now, or NULL. */
static struct change *change_of(struct store *s, struct parcel *p, const struct parcel *was) {
    if (p->place) return &s->changes[p->place - 1];
    if (s->changes_n == s->changes_cap) {
        s->changes_cap = s->changes_cap ? s->changes_cap * 2 : 64;
        s->changes = base_realloc(s->changes, s->changes_cap * sizeof *s->changes);
    }
    struct change *c = &s->changes[s->changes_n++];
    *c = (struct change){0};
    p->place = s->changes_n;
    if (was && was->kind == KIND_ENDPOINT_SLICE) {
        const struct object *slice = parcel_open(s->scratch, was);
        str service = referrers_service_of(slice), xbackend = referrers_xbackend_of(slice);
        if (service.n) c->service_before = str_dup(service);
        if (xbackend.n) c->xbackend_before = str_dup(xbackend);
        arena_reset(s->scratch);
    }
    return c;
}

bool store_put_parcel(struct store *s, struct parcel *p) {
    assert(p->kind > KIND_NONE && p->kind < KIND_COUNT);
    struct parcel *there = index_get(&s->kinds[p->kind], parcel_key(p));
    struct parcel *before = there && !is_gone(s, there) ? there : NULL;
    bool changed = !before || !parcel_is_same(before, p);
    bool spec_changed = changed && (!before || !parcel_is_same_spec(before, p));
    if (!p->generation) parcel_set_generation(p, before ? before->generation + spec_changed : 1);
    p->place = there ? there->place : 0;
    struct change *c = changed || p->place ? change_of(s, p, before) : NULL;
    if (c) c->p = p, c->gone = false, c->spec_changed |= spec_changed;
    s->counts[p->kind] += !before;
    if (before) clear_referrers(s, before);
    index_put(&s->kinds[p->kind], p);
    referrers_note(&s->referrers, p, parcel_open(s->scratch, p));
    arena_reset(s->scratch);
    parcel_free(there);
    return changed;
}

bool store_put(struct store *s, struct object *o) {
    bool named = o->meta.ns.n <= PARCEL_NAME_BYTES_MAX && o->meta.name.n <= PARCEL_NAME_BYTES_MAX;
    if (!named) { /* no schema lets these through */
        api_free(o);
        return false;
    }
    if (!s->source || !str_eq((str){s->source->path, s->source->n}, o->source)) {
        parcel_source_release(s->source);
        s->source = parcel_source_new(o->source);
    }
    struct parcel *p = parcel_new(o, s->source);
    api_free(o);
    return store_put_parcel(s, p);
}

bool store_remove(struct store *s, enum api_kind kind, str ns, str name) {
    struct parcel *p = find(s, kind, ns, name);
    if (!p) return false;
    struct change *c = change_of(s, p, p);
    c->p = p, c->gone = c->spec_changed = true;
    clear_referrers(s, p);
    s->counts[kind]--;
    return true;
}

const struct object *store_get(const struct store *s, struct arena *a, enum api_kind kind, str ns, str name) {
    const struct parcel *p = find(s, kind, ns, name);
    return p ? parcel_open(a, p) : NULL;
}

bool store_has(const struct store *s, enum api_kind kind, str ns, str name) {
    return find(s, kind, ns, name);
}

size_t store_count(const struct store *s, enum api_kind kind) { return s->counts[kind]; }

static int by_key(const void *a, const void *b) {
    const struct store_key *x = a, *y = b;
    int order = str_cmp(x->ns, y->ns);
    return order ? order : str_cmp(x->name, y->name);
}

struct store_key *store_keys(const struct store *s, struct arena *a, enum api_kind kind, size_t *ret_n) {
    *ret_n = s->counts[kind];
    if (!*ret_n) return NULL;
    struct store_key *all = arena_array(a, struct store_key, *ret_n);
    size_t n = 0;
    index_each (const struct parcel, p, &s->kinds[kind])
        if (!is_gone(s, p)) all[n++] = (struct store_key){parcel_ns(p), parcel_name(p)};
    assert(n == *ret_n);
    qsort(all, n, sizeof *all, by_key);
    return all;
}

const struct object **store_list(const struct store *s, struct arena *a, enum api_kind kind, size_t *ret_n) {
    struct store_key *keys = store_keys(s, a, kind, ret_n);
    if (!keys) return NULL;
    const struct object **all = arena_array(a, const struct object *, *ret_n);
    for (size_t i = 0; i < *ret_n; i++) all[i] = store_get(s, a, kind, keys[i].ns, keys[i].name);
    return all;
}

const struct object **store_referrers(const struct store *s, struct arena *a, enum api_kind kind, str ns,
                                      str name, enum api_kind from, size_t *ret_n) {
    const struct parcel **parcels = referrers_list(&s->referrers, a, kind, ns, name, from, ret_n);
    const struct object **all = arena_array(a, const struct object *, *ret_n);
    for (size_t i = 0; i < *ret_n; i++) all[i] = parcel_open(a, parcels[i]);
    return all;
}

struct store_key *store_referrer_keys(const struct store *s, struct arena *a, enum api_kind kind, str ns,
                                      str name, enum api_kind from, size_t *ret_n) {
    const struct parcel **parcels = referrers_list(&s->referrers, a, kind, ns, name, from, ret_n);
    struct store_key *all = arena_array(a, struct store_key, *ret_n);
    for (size_t i = 0; i < *ret_n; i++)
        all[i] = (struct store_key){parcel_ns(parcels[i]), parcel_name(parcels[i])};
    return all;
}

static str take_before(struct arena *a, char *before) {
    str s = before ? arena_str(a, str_of(before)) : (str){0};
    free(before);
    return s;
}

/* Tells one change and forgets it; what is gone is freed. */
static void tell(struct store *s, struct arena *a, struct change *c, struct store_change *ret) {
    struct parcel *p = c->p;
    str key = arena_str(a, parcel_key(p));
    *ret = (struct store_change){p->kind,
                                 str_upto(key, p->ns_n),
                                 str_from(key, (size_t)p->ns_n + 1),
                                 c->spec_changed,
                                 take_before(a, c->service_before),
                                 take_before(a, c->xbackend_before)};
    p->place = 0;
    if (!c->gone) return;
    index_take(&s->kinds[p->kind], key);
    parcel_free(p);
}

struct store_change *store_changes(struct store *s, struct arena *a, size_t *ret_n) {
    *ret_n = s->changes_n;
    struct store_change *all = arena_array(a, struct store_change, s->changes_n);
    size_t starts[KIND_COUNT + 1] = {0};
    for (uint32_t i = 0; i < s->changes_n; i++) starts[s->changes[i].p->kind + 1]++;
    for (unsigned k = 0; k < KIND_COUNT; k++) starts[k + 1] += starts[k];
    for (uint32_t i = 0; i < s->changes_n; i++)
        tell(s, a, &s->changes[i], &all[starts[s->changes[i].p->kind]++]);
    free(TAKE(s->changes));
    s->changes_n = s->changes_cap = 0;
    return all;
}

struct store_target *store_targets(const struct store *s, struct arena *a, enum api_kind kind,
                                   bool (*wanted)(void *arg, const struct store_target *t,
                                                  const struct object *from),
                                   void *arg, size_t *ret_n) {
    return referrers_targets(&s->referrers, a, kind, wanted, arg, ret_n);
}
