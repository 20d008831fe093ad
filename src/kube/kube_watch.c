/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_watch.h"

#include "base/hash.h"
#include "base/map.h"
#include "base/num.h"
#include "base/rng.h"
#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_backoff.h"
#include "kube/kube_cut.h"
#include "kube/kube_path.h"
#include "text/json.h"

enum {
    WATCH_S_MIN = 300, /* the server ends a watch after this, and up to twice of it by chance */
    BACKOFF_US_MIN = 200000,
    BACKOFF_US_MAX = 5000000, /* after an outage everything is right again within seconds */
    DENIED_US_MAX = 60000000, /* RBAC or a CRD must change first */
    SHORT_US = 1000000,       /* a watch that ends sooner does not count as working */
    TOMBSTONES_MAX = 10000,
    VERSION_MAX = 128,
};
/* What is under way. PAUSE: nothing, until the timer. */
enum watch_state { WATCH_PAUSE, WATCH_STREAM, WATCH_PAGE, WATCH_FOLLOW };

struct known {
    uint64_t version, tag; /* version: of uid and resourceVersion */
    uint32_t epoch;        /* the list that had it last */
    uint32_t ns_n, key_n;
    char key[]; /* "ns/name" */
};
struct kube_watch {
    struct kube_client *client;
    struct kube_watch_config config;
    struct arena *texts, *scratch;
    enum watch_state state;
    struct kube_request *request;
    struct kube_cut cut;
    bool cutting;
    struct timer timer;
    struct kube_backoff backoff, denied;
    uint64_t began_us;

    struct map known;
    uint32_t epoch;
    char version[VERSION_MAX]; /* where to resume; "": list */
    struct buf more;           /* PAGE: the token of the next one */
    bool no_streams;           /* streaming lists were refused */
    bool whole;                /* STREAM: the initial events were all there */
    bool synced, troubled;
    bool expired; /* the server forgot where we were, and has not listed since */
    unsigned broken_streams;
    unsigned error_status; /* of an ERROR event; 0: none */
    char why[256];

    struct map tombstones; /* what was removed while marks are out */
    uint32_t marks;
    bool tombstones_lost;
};

static struct loop *loop_of(const struct kube_watch *w) { return kube_client_loop(w->client); }

static void begin(struct kube_watch *w);

static str key_of(struct arena *a, str ns, str name) {
    return arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(ns), STR_ARG(name));
}

static str ns_of(const struct known *k) { return (str){k->key, k->ns_n}; }
static str name_of(const struct known *k) { return (str){k->key + k->ns_n + 1, k->key_n - k->ns_n - 1}; }

static void tell_removed(struct kube_watch *w, struct known *k) {
    map_take(&w->known, (str){k->key, k->key_n});
    w->config.on_remove(w->config.arg, ns_of(k), name_of(k));
    free(k);
}

/* Those for which fits() holds; the map is not walked while it changes. */
static void remove_those(struct kube_watch *w,
                         bool (*fits)(const struct kube_watch *w, const struct known *k)) {
    struct known **gone = base_alloc((w->known.n + 1) * sizeof(struct known *));
    size_t n = 0;
    map_each (e, &w->known)
        if (fits(w, e->value)) gone[n++] = e->value;
    for (size_t i = 0; i < n; i++) tell_removed(w, gone[i]);
    free(gone);
}

static bool is_any(const struct kube_watch *w, const struct known *k) {
    (void)w;
    (void)k;
    return true;
}

static bool is_of_before(const struct kube_watch *w, const struct known *k) { return k->epoch != w->epoch; }

static void bury(struct kube_watch *w, str key) {
    if (!w->marks || map_get(&w->tombstones, key)) return;
    if (w->tombstones.n >= TOMBSTONES_MAX) {
        w->tombstones_lost = true;
        return;
    }
    char *copy = str_dup(key);
    map_put(&w->tombstones, str_of(copy), copy);
}

static void forget_tombstones(struct kube_watch *w) {
    map_each (e, &w->tombstones) free(e->value);
    map_fini(&w->tombstones);
    map_init(&w->tombstones);
    w->tombstones_lost = false;
}

static void remove_item(struct kube_watch *w, const struct kube_item *i) {
    str key = key_of(w->scratch, i->ns, i->name);
    struct known *k = map_get(&w->known, key);
    bury(w, key);
    if (k) tell_removed(w, k);
}

static void put_item(struct kube_watch *w, const struct kube_item *i) {
    uint64_t tag = 0, version = hash_join(hash_str(i->uid), hash_str(i->resource_version));
    if (w->config.wants && !w->config.wants(w->config.arg, i, &tag)) {
        remove_item(w, i);
        return;
    }
    str key = key_of(w->scratch, i->ns, i->name);
    struct known *k = map_get(&w->known, key);
    bool same = k && k->version == version;
    if (!k) {
        k = base_zalloc(sizeof *k + key.n);
        memcpy(k->key, key.p, key.n);
        k->key_n = (uint32_t)key.n, k->ns_n = (uint32_t)i->ns.n;
        map_put(&w->known, (str){k->key, k->key_n}, k);
    }
    k->version = version, k->tag = tag, k->epoch = w->epoch;
    if (!same) w->config.on_put(w->config.arg, i);
}

static str word(const struct node *n, str key) {
    str s = node_get_str(n, key);
    return s.p ? s : S("");
}

bool kube_watch_read_item(struct arena *a, const struct kube_cut_object *o, struct kube_item *ret) {
    struct node *meta = NULL;
    str why;
    if (!o->metadata.n || json_parse(a, o->metadata, &meta, &why) != OK || meta->kind != NODE_MAP)
        return false;
    *ret = (struct kube_item){.ns = word(meta, S("namespace")),
                              .name = word(meta, S("name")),
                              .uid = word(meta, S("uid")),
                              .resource_version = word(meta, S("resourceVersion")),
                              .object = o->too_long ? S("") : o->object,
                              .metadata = o->metadata,
                              .status = o->too_long ? S("") : o->status,
                              .meta = meta};
    return true;
}

static void give_up_request(struct kube_watch *w) {
    if (w->request) kube_client_cancel(w->request);
    w->request = NULL;
    w->cut.stopped = true;
}

static void pause_for(struct kube_watch *w, uint64_t wait_us) {
    w->state = WATCH_PAUSE;
    timer_set(&loop_of(w)->timers, &w->timer, loop_of(w)->now_us + wait_us);
}

static void tell_trouble(struct kube_watch *w, unsigned status, str message) {
    struct kube_watch_trouble t = {.status = status,
                                   .forbidden = status == 401 || status == 403,
                                   .absent = status == 404,
                                   .message = message};
    w->troubled = true;
    if (w->config.on_trouble) w->config.on_trouble(w->config.arg, &t);
}

static void works(struct kube_watch *w) {
    kube_backoff_reset(&w->denied);
    if (!w->troubled) return;
    w->troubled = false;
    if (w->config.on_trouble) w->config.on_trouble(w->config.arg, NULL);
}

/* What is under way came to nothing: again, after a while. */
static void fail(struct kube_watch *w, unsigned status, str message) {
    struct rng *rng = kube_client_rng(w->client);
    bool denied = status == 401 || status == 403 || status == 404;
    bool expired = status == 410;
    give_up_request(w);
    if (w->state == WATCH_STREAM && (status == 400 || status == 422)) {
        w->no_streams = true;
        pause_for(w, 1);
        return;
    }
    if (expired || memmem(message.p, message.n, "Too large resource version", 26)) w->version[0] = 0;
    if (status == 404) {
        w->version[0] = 0;
        remove_those(w, is_any);
    }
    uint64_t wait_us = 1;
    if (!expired || w->expired) wait_us = kube_backoff_next(denied ? &w->denied : &w->backoff, rng);
    w->expired |= expired;
    log_debug("kube watch " STR_FMT " status=%u err=\"" STR_FMT "\" again_in_ms=%llu",
              STR_ARG(w->config.plural), status, STR_ARG(message), (unsigned long long)(wait_us / 1000));
    pause_for(w, wait_us);
    if (!expired) tell_trouble(w, status, message);
}

static bool set_version(struct kube_watch *w, str version) {
    if (version.n == 0 || version.n >= VERSION_MAX) return false;
    memcpy(w->version, version.p, version.n);
    w->version[version.n] = 0;
    return true;
}

static void finish_list(struct kube_watch *w) {
    remove_those(w, is_of_before);
    w->synced = true;
    w->expired = false;
    kube_backoff_reset(&w->backoff);
    w->broken_streams = 0;
    works(w);
    if (w->config.on_synced) w->config.on_synced(w->config.arg);
}

static void take_bookmark(struct kube_watch *w, const struct kube_item *i) {
    str ends = node_get_str(node_get(i->meta, S("annotations")), S("k8s.io/initial-events-end"));
    if (w->state == WATCH_FOLLOW || w->whole) {
        set_version(w, i->resource_version);
    } else if (str_eq(ends, S("true"))) {
        set_version(w, i->resource_version);
        w->whole = true;
        finish_list(w);
    }
}

/* What the server says is wrong with the watch, in its midst. */
static void take_error(struct kube_watch *w, const struct kube_cut_object *o) {
    struct node *n = NULL;
    str why, message = S("");
    uint64_t status = 500;
    if (json_parse(w->scratch, o->object, &n, &why) == OK) {
        str code = word(n, S("code"));
        if (num_parse(code, 999, &status) != OK) status = 500;
        message = word(n, S("message"));
    }
    w->error_status = (unsigned)status;
    snprintf(w->why, sizeof w->why, STR_FMT, STR_ARG(message));
    w->cut.stopped = true;
}

static void broken(struct kube_watch *w, const char *why) {
    w->error_status = 500;
    snprintf(w->why, sizeof w->why, "%s", why);
    w->cut.stopped = true;
}

static void on_event(struct kube_watch *w, const struct kube_cut_object *o) {
    struct kube_item i;
    if (str_eq(o->type, S("ERROR"))) {
        take_error(w, o);
        return;
    }
    if (!kube_watch_read_item(w->scratch, o, &i)) {
        broken(w, "an event of the stream can not be read");
        return;
    }
    if (str_eq(o->type, S("BOOKMARK"))) {
        take_bookmark(w, &i);
        return;
    }
    if (str_eq(o->type, S("DELETED"))) {
        remove_item(w, &i);
    } else if (str_eq(o->type, S("ADDED")) || str_eq(o->type, S("MODIFIED"))) {
        put_item(w, &i);
    } else {
        broken(w, "an event of the stream is of no known type");
        return;
    }
    /* The initial events of a streaming list are in no order of versions. */
    if (w->state == WATCH_FOLLOW || w->whole) set_version(w, i.resource_version);
}

static void on_object(void *arg, const struct kube_cut_object *o) {
    struct kube_watch *w = arg;
    arena_reset(w->scratch);
    if (w->state == WATCH_PAGE) {
        struct kube_item i;
        if (kube_watch_read_item(w->scratch, o, &i))
            put_item(w, &i);
        else
            broken(w, "an item of the list can not be read");
        return;
    }
    on_event(w, o);
}

static void on_bytes(void *arg, str bytes) {
    struct kube_watch *w = arg;
    if (w->state == WATCH_FOLLOW) works(w);
    if (kube_cut_push(&w->cut, bytes) != OK) broken(w, "the answer is no JSON of a list or watch");
    if (w->error_status) fail(w, w->error_status, str_of(w->why));
}

static void begin_cut(struct kube_watch *w) {
    if (w->cutting) kube_cut_fini(&w->cut);
    kube_cut_init(&w->cut, w->state == WATCH_PAGE ? KUBE_CUT_LIST : KUBE_CUT_EVENTS, KUBE_OBJECT_BYTES_MAX,
                  on_object, w);
    w->cutting = true;
}

static void end_of_page(struct kube_watch *w) {
    struct node *meta = NULL;
    str why;
    arena_reset(w->scratch);
    bool whole = kube_cut_is_whole(&w->cut) && w->cut.list_metadata.n && !w->cut.list_metadata.overflow &&
                 json_parse(w->scratch, buf_str(&w->cut.list_metadata), &meta, &why) == OK;
    if (!whole) {
        fail(w, 0, S("a list was cut off"));
        return;
    }
    str more = word(meta, S("continue")), version = word(meta, S("resourceVersion"));
    buf_clear(&w->more);
    buf_add(&w->more, more);
    if (!more.n) {
        set_version(w, version);
        finish_list(w);
    }
    begin(w);
}

static void end_of_stream(struct kube_watch *w) {
    uint64_t lived_us = clock_monotonic_us() - w->began_us;
    if (w->state == WATCH_STREAM && !w->whole) {
        /* An older server that does not know the wish ends or hangs up; lists in pages it knows. */
        if (++w->broken_streams >= 2) w->no_streams = true;
        fail(w, 0, S("a list was cut off"));
    } else if (!kube_cut_is_whole(&w->cut)) {
        fail(w, 0, S("a watch was cut off in the midst of an object"));
    } else if (lived_us < SHORT_US) {
        pause_for(w, kube_backoff_next(&w->backoff, kube_client_rng(w->client)));
    } else {
        kube_backoff_reset(&w->backoff);
        begin(w);
    }
}

static void on_done(void *arg, const struct kube_answer *a) {
    struct kube_watch *w = arg;
    w->request = NULL;
    if (!kube_answer_ok(a)) {
        /* A page's token lives some minutes; the list then begins anew. */
        if (a->status == 410) buf_clear(&w->more);
        fail(w, a->status, a->message);
    } else if (w->state == WATCH_PAGE) {
        end_of_page(w);
    } else {
        end_of_stream(w);
    }
}

static str query_of(struct kube_watch *w, struct arena *a) {
    const struct kube_watch_config *c = &w->config;
    str q = S("");
    if (c->label_selector.n) q = kube_path_query(a, q, "labelSelector", c->label_selector);
    if (c->field_selector.n) q = kube_path_query(a, q, "fieldSelector", c->field_selector);
    if (w->state == WATCH_PAGE) {
        q = kube_path_query(a, q, "limit", arena_printf(a, "%d", KUBE_PAGE));
        return w->more.n ? kube_path_query(a, q, "continue", buf_str(&w->more)) : q;
    }
    unsigned seconds = WATCH_S_MIN + rng_below(kube_client_rng(w->client), WATCH_S_MIN);
    q = kube_path_query(a, q, "watch", S("true"));
    q = kube_path_query(a, q, "allowWatchBookmarks", S("true"));
    q = kube_path_query(a, q, "timeoutSeconds", arena_printf(a, "%u", seconds));
    q = kube_path_query(a, q, "resourceVersion", str_of(w->version));
    if (w->state == WATCH_FOLLOW) return q;
    q = kube_path_query(a, q, "sendInitialEvents", S("true"));
    return kube_path_query(a, q, "resourceVersionMatch", S("NotOlderThan"));
}

static void choose_state(struct kube_watch *w) {
    if (w->version[0]) {
        w->state = WATCH_FOLLOW;
    } else if (!w->no_streams) {
        w->state = WATCH_STREAM;
        w->epoch++;
    } else {
        w->state = WATCH_PAGE;
        if (!w->more.n) w->epoch++;
    }
}

static str accept_of(const struct kube_watch *w) {
    if (!w->config.metadata_alone) return (str){0};
    return w->state == WATCH_PAGE ? S("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
                                  : S("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

static void begin(struct kube_watch *w) {
    OWNED(arena) a = arena_new();
    const struct kube_watch_config *c = &w->config;
    timer_clear(&w->timer);
    choose_state(w);
    begin_cut(w);
    w->whole = false;
    w->error_status = 0;
    w->began_us = clock_monotonic_us();
    struct kube_call call = {
        .method = KUBE_GET,
        .path = kube_path(a, c->group, c->version, c->plural, c->ns, S(""), S("")),
        .query = query_of(w, a),
        .accept = accept_of(w),
        .on_bytes = on_bytes,
        .on_done = on_done,
        .arg = w,
    };
    w->request = kube_client_send(w->client, &call);
}

static void on_timer(struct timer *t, uint64_t now_us) {
    (void)now_us;
    begin(container_of(t, struct kube_watch, timer));
}

struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_watch_config *config) {
    struct kube_watch *w = base_zalloc(sizeof *w);
    *w = (struct kube_watch){.client = c, .config = *config, .texts = arena_new(), .scratch = arena_new()};
    str *texts[] = {&w->config.group, &w->config.version,        &w->config.plural,
                    &w->config.ns,    &w->config.label_selector, &w->config.field_selector};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = texts[i]->p ? arena_str(w->texts, *texts[i]) : S("");
    w->backoff = (struct kube_backoff){.min_us = BACKOFF_US_MIN, .max_us = BACKOFF_US_MAX};
    w->denied = (struct kube_backoff){.min_us = BACKOFF_US_MIN, .max_us = DENIED_US_MAX};
    map_init(&w->known);
    map_init(&w->tombstones);
    buf_init(&w->more, 16 << 10);
    timer_init(&w->timer, on_timer);
    begin(w);
    return w;
}

void kube_watch_free(struct kube_watch *w) {
    if (!w) return;
    give_up_request(w);
    timer_forget(&loop_of(w)->timers, &w->timer);
    map_each (e, &w->known) free(e->value);
    map_fini(&w->known);
    forget_tombstones(w);
    map_fini(&w->tombstones);
    kube_cut_fini(&w->cut);
    buf_fini(&w->more);
    arena_free(w->texts);
    arena_free(w->scratch);
    free(w);
}

bool kube_watch_synced(const struct kube_watch *w) { return w->synced; }
size_t kube_watch_count(const struct kube_watch *w) { return w->known.n; }

void kube_watch_retry(struct kube_watch *w) {
    give_up_request(w);
    kube_backoff_reset(&w->backoff);
    kube_backoff_reset(&w->denied);
    buf_clear(&w->more);
    pause_for(w, 1);
}

void kube_watch_relist(struct kube_watch *w) {
    w->version[0] = 0;
    kube_watch_retry(w);
}

void kube_watch_set_version(struct kube_watch *w, str version) {
    w->config.version = arena_str(w->texts, version);
    kube_watch_relist(w);
}

void kube_watch_mark(struct kube_watch *w) { w->marks++; }

void kube_watch_unmark(struct kube_watch *w) {
    assert(w->marks);
    w->marks--;
    if (w->marks) return;
    bool lost = w->tombstones_lost;
    forget_tombstones(w);
    if (lost) kube_watch_relist(w);
}

bool kube_watch_take(struct kube_watch *w, const struct kube_item *i) {
    OWNED(arena) a = arena_new();
    str key = key_of(a, i->ns, i->name);
    if (map_get(&w->known, key) || map_get(&w->tombstones, key)) return false;
    put_item(w, i);
    return true;
}

void kube_watch_sift(struct kube_watch *w, bool (*keeps)(void *arg, str ns, str name, uint64_t tag)) {
    struct known **gone = base_alloc((w->known.n + 1) * sizeof(struct known *));
    size_t n = 0;
    map_each (e, &w->known) {
        struct known *k = e->value;
        if (!keeps(w->config.arg, ns_of(k), name_of(k), k->tag)) gone[n++] = k;
    }
    for (size_t i = 0; i < n; i++) tell_removed(w, gone[i]);
    free(gone);
}
