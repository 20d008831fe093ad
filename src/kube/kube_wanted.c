/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_wanted.h"

#include "base/hash.h"
#include "base/map.h"
#include "kube/kube_cut.h"
#include "kube/kube_path.h"
#include "text/node.h"

enum {
    FETCH_MAX = 32, /* more than so many at once are listed whole */
    NAMED_MAX = 16, /* watches by name of one type in one namespace */
    FETCH_BYTES_MAX = 32 << 20,
};

/* One name of a set. */
struct wanted {
    uint64_t hash; /* of namespace and name: the tag of what belongs to it */
    uint32_t serial;
    bool fresh;
    struct kube_feed *feed; /* of a group: its own watch, or NULL */
    uint32_t ns_n, key_n;
    char key[]; /* "ns/name" */
};
/* Secrets, ConfigMaps or ClusterTrustBundles of one namespace. */
struct group {
    enum api_kind kind;
    char ns[64], key[96];
    struct map names; /* "ns/name" -> struct wanted */
    struct kube_feed *whole;
    bool denied; /* RBAC does not let us watch the type */
};
/* A list of what is wanted anew, while the watch goes on. */
struct fetch {
    struct link link;
    struct kube_wanted *wanted;
    struct kube_feed *feed;
    struct kube_request *request;
    struct arena *scratch;
};
struct kube_wanted {
    struct kube_source *source;
    struct map services, service_hashes; /* by "ns/name", by hash -> struct wanted */
    struct map groups;                   /* by key -> struct group */
    struct link fetches;
    uint32_t serial;
    uint64_t revision;
    bool settled; /* the revision was told */
};

static str hash_key(const uint64_t *h) { return (str){(const char *)h, sizeof *h}; }
static uint64_t hash_of(str ns, str name) { return hash_join(hash_str(ns), hash_str(name)); }
static str ns_of(const struct wanted *w) { return (str){w->key, w->ns_n}; }
static str name_of(const struct wanted *w) { return (str){w->key + w->ns_n + 1, w->key_n - w->ns_n - 1}; }

bool kube_wanted_is_kind(enum api_kind kind) {
    return kind == KIND_SERVICE || kind == KIND_ENDPOINT_SLICE || kind == KIND_SECRET ||
           kind == KIND_CONFIG_MAP || kind == KIND_CLUSTER_TRUST_BUNDLE;
}

static bool wants_service(void *arg, const struct kube_item *i, uint64_t *ret_tag) {
    const struct kube_feed *f = arg;
    *ret_tag = hash_of(i->ns, i->name);
    return map_get(&f->source->wanted->service_hashes, hash_key(ret_tag));
}

static bool wants_slice(void *arg, const struct kube_item *i, uint64_t *ret_tag) {
    const struct kube_feed *f = arg;
    str service = node_get_str(node_get(i->meta, S("labels")), S("kubernetes.io/service-name"));
    *ret_tag = hash_of(i->ns, service);
    return map_get(&f->source->wanted->service_hashes, hash_key(ret_tag));
}

static bool keeps_service(void *arg, str ns, str name, uint64_t tag) {
    const struct kube_feed *f = arg;
    (void)ns;
    (void)name;
    return map_get(&f->source->wanted->service_hashes, hash_key(&tag));
}

static struct group *group_of(struct kube_wanted *w, enum api_kind kind, str ns, bool make) {
    char key[96];
    int n = snprintf(key, sizeof key, "%d/" STR_FMT, (int)kind, STR_ARG(str_upto(ns, 63)));
    struct group *g = map_get(&w->groups, (str){key, (size_t)n});
    if (g || !make) return g;
    g = base_zalloc(sizeof *g);
    g->kind = kind;
    memcpy(g->key, key, sizeof key);
    snprintf(g->ns, sizeof g->ns, STR_FMT, STR_ARG(ns));
    map_init(&g->names);
    map_put(&w->groups, str_of(g->key), g);
    return g;
}

/* Whether a watch of a whole type follows it. */
static struct wanted *find_named(const struct kube_feed *f, str ns, str name) {
    struct group *g = group_of(f->source->wanted, f->kind, str_of(f->ns), false);
    OWNED(arena) a = arena_new();
    return g ? map_get(&g->names, arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(ns), STR_ARG(name))) : NULL;
}

static bool wants_named(void *arg, const struct kube_item *i, uint64_t *ret_tag) {
    (void)ret_tag;
    return find_named(arg, i->ns, i->name);
}

static bool keeps_named(void *arg, str ns, str name, uint64_t tag) {
    (void)tag;
    return find_named(arg, ns, name);
}

/* --- fetches --- */

static void end_fetch(struct fetch *f) {
    if (f->request) kube_client_cancel(f->request);
    if (f->feed) kube_watch_unmark(f->feed->watch);
    link_remove(&f->link);
    arena_free(f->scratch);
    free(f);
}

/* A feed goes: nobody waits for its fetches. */
static void free_feed(struct kube_wanted *w, struct kube_feed *feed, bool tell) {
    list_each (struct fetch, f, &w->fetches, link)
        if (f->feed == feed) end_fetch(f);
    kube_feed_free(feed, tell);
}

static void on_fetched_object(void *arg, const struct kube_cut_object *o) {
    struct fetch *f = arg;
    struct kube_item i;
    arena_reset(f->scratch);
    if (kube_watch_read_item(f->scratch, o, &i)) kube_watch_take(f->feed->watch, &i);
}

static void on_fetched(void *arg, const struct kube_answer *a) {
    struct fetch *f = arg;
    struct kube_cut cut;
    f->request = NULL;
    kube_cut_init(&cut, KUBE_CUT_LIST, KUBE_OBJECT_BYTES_MAX, on_fetched_object, f);
    bool whole = kube_answer_ok(a) && kube_cut_push(&cut, a->body) == OK && kube_cut_is_whole(&cut);
    kube_cut_fini(&cut);
    if (!whole) kube_feed_relist(f->feed); /* which is tried until it works */
    kube_feed_wake(f->wanted->source);
    end_fetch(f);
}

static void fetch(struct kube_wanted *w, struct kube_feed *feed, str ns, const char *selector, str key,
                  str value) {
    OWNED(arena) a = arena_new();
    const struct api_type *t = api_type_of(feed->kind);
    struct fetch *f = base_zalloc(sizeof *f);
    *f = (struct fetch){.wanted = w, .feed = feed, .scratch = arena_new()};
    link_append(&w->fetches, &f->link);
    kube_watch_mark(feed->watch);
    struct kube_call call = {
        .path = kube_path(a, str_of(t->group), str_of(w->source->facts.kinds[feed->kind].version),
                          str_of(t->plural), ns, S(""), S("")),
        .query = kube_path_query(a, S(""), selector,
                                 arena_printf(a, STR_FMT "=" STR_FMT, STR_ARG(key), STR_ARG(value))),
        .body_bytes_max = FETCH_BYTES_MAX,
        .on_done = on_fetched,
        .arg = f};
    f->request = kube_client_send(w->source->client, &call);
}

/* The feed that shows the namespace; NULL: it is none of ours. */
static struct kube_feed *feed_for(struct kube_source *s, enum api_kind kind, str ns) {
    list_each (struct kube_feed, f, &s->feeds[kind], link)
        if (!f->ns[0] || str_eq(str_of(f->ns), ns)) return f;
    return NULL;
}

/* --- Services --- */

/* Into the set; *ret_fresh counts those that were not there. */
static void upsert(struct map *set, str ns, str name, uint32_t serial, size_t *ret_fresh) {
    OWNED(arena) a = arena_new();
    str key = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(ns), STR_ARG(name));
    struct wanted *w = map_get(set, key);
    if (!w) {
        w = base_zalloc(sizeof *w + key.n);
        memcpy(w->key, key.p, key.n);
        w->key_n = (uint32_t)key.n, w->ns_n = (uint32_t)ns.n;
        w->hash = hash_of(ns, name);
        w->fresh = true;
        map_put(set, (str){w->key, w->key_n}, w);
        ++*ret_fresh;
    }
    w->serial = serial;
}

/* Takes what was not asked for this time out of the set: a block of them, to free() with what is in it. */
static struct wanted **sweep(struct map *set, uint32_t serial, size_t *ret_n) {
    struct wanted **gone = base_alloc((set->n + 1) * sizeof(struct wanted *));
    size_t n = 0;
    map_each (e, set) {
        struct wanted *w = e->value;
        if (w->serial != serial) gone[n++] = w;
    }
    for (size_t i = 0; i < n; i++) map_take(set, (str){gone[i]->key, gone[i]->key_n});
    *ret_n = n;
    return gone;
}

static void watch_services(struct kube_wanted *w) {
    struct kube_source *s = w->source;
    static const enum api_kind kinds[] = {KIND_SERVICE, KIND_ENDPOINT_SLICE};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        if (!link_empty(&s->feeds[kinds[k]]) || !s->facts.kinds[kinds[k]].version[0]) continue;
        bool (*wants)(void *, const struct kube_item *, uint64_t *) = k ? wants_slice : wants_service;
        for (size_t i = 0; i < s->config.namespaces_n; i++)
            kube_feed_new(s, kinds[k], s->config.namespaces[i], S(""), wants);
        if (!s->config.namespaces_n) kube_feed_new(s, kinds[k], S(""), S(""), wants);
    }
}

static void relist_services(struct kube_wanted *w) {
    struct kube_source *s = w->source;
    list_each (struct kube_feed, f, &s->feeds[KIND_SERVICE], link) kube_feed_relist(f);
    list_each (struct kube_feed, f, &s->feeds[KIND_ENDPOINT_SLICE], link) kube_feed_relist(f);
}

static void fetch_service(struct kube_wanted *w, const struct wanted *one) {
    struct kube_feed *service = feed_for(w->source, KIND_SERVICE, ns_of(one)),
                     *slice = feed_for(w->source, KIND_ENDPOINT_SLICE, ns_of(one));
    if (service) fetch(w, service, ns_of(one), "fieldSelector", S("metadata.name"), name_of(one));
    if (slice) fetch(w, slice, ns_of(one), "labelSelector", S("kubernetes.io/service-name"), name_of(one));
}

static void sift_services(struct kube_wanted *w) {
    struct kube_source *s = w->source;
    list_each (struct kube_feed, f, &s->feeds[KIND_SERVICE], link) kube_watch_sift(f->watch, keeps_service);
    list_each (struct kube_feed, f, &s->feeds[KIND_ENDPOINT_SLICE], link)
        kube_watch_sift(f->watch, keeps_service);
}

static void apply_services(struct kube_wanted *w, size_t fresh) {
    size_t gone_n;
    struct wanted **gone = sweep(&w->services, w->serial, &gone_n);
    if (gone_n || fresh) {
        map_fini(&w->service_hashes);
        map_init(&w->service_hashes);
        map_each (e, &w->services) {
            struct wanted *one = e->value;
            map_put(&w->service_hashes, hash_key(&one->hash), one);
        }
    }
    if (gone_n) sift_services(w);
    for (size_t i = 0; i < gone_n; i++) free(gone[i]);
    free(gone);
    bool first = link_empty(&w->source->feeds[KIND_SERVICE]);
    watch_services(w);
    if (!first && fresh > FETCH_MAX) relist_services(w);
    map_each (e, &w->services) {
        struct wanted *one = e->value;
        if (one->fresh && !first && fresh <= FETCH_MAX) fetch_service(w, one);
        one->fresh = false;
    }
}

/* --- by name --- */

static void watch_by_name(struct kube_wanted *w, struct group *g) {
    map_each (e, &g->names) {
        struct wanted *one = e->value;
        if (!one->feed) one->feed = kube_feed_new(w->source, g->kind, str_of(g->ns), name_of(one), NULL);
        one->fresh = false;
    }
}

/* All of the type is watched: what is wanted anew is read, or the whole listed again. */
static void read_anew(struct kube_wanted *w, struct group *g) {
    size_t fresh = 0;
    map_each (e, &g->names) fresh += ((struct wanted *)e->value)->fresh;
    if (fresh > FETCH_MAX) kube_feed_relist(g->whole);
    map_each (e, &g->names) {
        struct wanted *one = e->value;
        if (one->fresh && fresh <= FETCH_MAX)
            fetch(w, g->whole, str_of(g->ns), "fieldSelector", S("metadata.name"), name_of(one));
        one->fresh = false;
    }
}

static void sweep_group(struct kube_wanted *w, struct group *g) {
    size_t gone_n;
    struct wanted **gone = sweep(&g->names, w->serial, &gone_n);
    if (gone_n && g->whole) kube_watch_sift(g->whole->watch, keeps_named);
    for (size_t i = 0; i < gone_n; i++) {
        if (gone[i]->feed) free_feed(w, gone[i]->feed, true);
        free(gone[i]);
    }
    free(gone);
}

/* Few names: a watch each. Many: one for all, and once it is complete those by name end; where RBAC forbids it, they stay. */
static void apply_group(struct kube_wanted *w, struct group *g) {
    if (!w->source->facts.kinds[g->kind].version[0]) return;
    if (g->whole && g->whole->state == KUBE_FEED_FORBIDDEN) {
        free_feed(w, TAKE(g->whole), true);
        g->denied = true;
    }
    if (!g->whole && !g->denied && g->names.n > NAMED_MAX) {
        g->whole = kube_feed_new(w->source, g->kind, str_of(g->ns), S(""), wants_named);
        map_each (e, &g->names) ((struct wanted *)e->value)->fresh = false;
    } else if (g->whole) {
        read_anew(w, g);
    } else {
        watch_by_name(w, g);
    }
    bool complete = g->whole && g->whole->state == KUBE_FEED_FOLLOWED;
    map_each (e, &g->names) {
        struct wanted *one = e->value;
        if (complete && one->feed) free_feed(w, TAKE(one->feed), false);
    }
}

static void apply_groups(struct kube_wanted *w) {
    struct group **empty = base_alloc((w->groups.n + 1) * sizeof(struct group *));
    size_t n = 0;
    map_each (e, &w->groups) {
        struct group *g = e->value;
        sweep_group(w, g);
        if (g->names.n)
            apply_group(w, g);
        else
            empty[n++] = g;
    }
    for (size_t i = 0; i < n; i++) {
        if (empty[i]->whole) free_feed(w, empty[i]->whole, true);
        map_take(&w->groups, str_of(empty[i]->key));
        map_fini(&empty[i]->names);
        free(empty[i]);
    }
    free(empty);
}

/* --- the whole --- */

static bool is_settled(const struct kube_wanted *w) {
    if (!link_empty(&w->fetches) || !w->source->discovered) return false;
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        if (!kube_wanted_is_kind(k)) continue;
        const struct link *feeds = &w->source->feeds[k];
        list_each (struct kube_feed, f, feeds, link)
            if (f->state == KUBE_FEED_LISTING) return false;
    }
    return true;
}

void kube_wanted_set(struct kube_wanted *w, const struct kube_want *wants, size_t n, uint64_t revision) {
    size_t fresh = 0, named = 0;
    w->serial++;
    for (size_t i = 0; i < n; i++) {
        if (wants[i].kind == KIND_SERVICE)
            upsert(&w->services, wants[i].ns, wants[i].name, w->serial, &fresh);
        else if (kube_wanted_is_kind(wants[i].kind) && wants[i].kind != KIND_ENDPOINT_SLICE)
            upsert(&group_of(w, wants[i].kind, wants[i].ns, true)->names, wants[i].ns, wants[i].name,
                   w->serial, &named);
    }
    apply_services(w, fresh);
    apply_groups(w);
    w->revision = revision;
    w->settled = false;
    kube_feed_wake(w->source);
}

void kube_wanted_tick(struct kube_wanted *w) {
    if (w->services.n) watch_services(w);
    map_each (e, &w->groups) {
        struct group *g = e->value;
        if (w->source->facts_changed && g->names.n) apply_group(w, g);
    }
    if (w->settled || !w->serial || !is_settled(w)) return;
    w->settled = true;
    kube_batch_add(kube_feed_batch(w->source), KUBE_CHANGE_SETTLED, KIND_NONE, S(""), S(""))->revision =
        w->revision;
}

struct kube_wanted *kube_wanted_new(struct kube_source *s) {
    struct kube_wanted *w = base_zalloc(sizeof *w);
    w->source = s;
    link_init(&w->fetches);
    return w;
}

static void free_set(struct map *set) {
    map_each (e, set) free(e->value);
    map_fini(set);
}

void kube_wanted_free(struct kube_wanted *w) {
    list_each (struct fetch, f, &w->fetches, link) end_fetch(f);
    map_fini(&w->service_hashes);
    free_set(&w->services);
    map_each (e, &w->groups) {
        struct group *g = e->value;
        free_set(&g->names);
        free(g);
    }
    map_fini(&w->groups);
    free(w);
}
