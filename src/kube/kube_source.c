/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_source.h"

#include "io/log.h"
#include "kube/kube_backoff.h"
#include "kube/kube_feed.h"
#include "kube/kube_wanted.h"
#include "text/node.h"

enum {
    CRD_US = 100000,        /* after a CRD changed, several of which come together */
    CRD_LATER_US = 2000000, /* and once more, for the server learns of them by and by */
    CRDS_DENIED_US = 30000000,
    LAG_US_MIN = 500000,
    LAG_US_MAX = 15000000,
};

/* --- CRDs --- */

/* Of "httproutes.gateway.networking.k8s.io"; KIND_NONE: none of ours. */
static enum api_kind kind_of_crd(str name) {
    str group = name, plural = str_cut(&group, '.');
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        if (str_eq(plural, str_of(api_type_of(k)->plural)) && str_eq(group, str_of(api_type_of(k)->group)))
            return k;
    return KIND_NONE;
}

static bool wants_crd(void *arg, const struct kube_item *i, uint64_t *ret_tag) {
    (void)arg;
    (void)ret_tag;
    return kind_of_crd(i->name) != KIND_NONE;
}

static void crd_changed(struct kube_source *s) {
    s->facts_changed = true;
    kube_feed_wake(s);
    if (!kube_watch_synced(s->crds)) return;
    s->asks_left = 2;
    kube_discovery_ask(s->discovery, CRD_US);
}

static void on_crd(void *arg, const struct kube_item *i) {
    struct kube_source *s = arg;
    struct kube_kind_facts *f = &s->facts.kinds[kind_of_crd(i->name)];
    const struct node *notes = node_get(i->meta, S("annotations"));
    str bundle = node_get_str(notes, S("gateway.networking.k8s.io/bundle-version")),
        channel = node_get_str(notes, S("gateway.networking.k8s.io/channel"));
    f->installed = true;
    snprintf(f->bundle_version, sizeof f->bundle_version, STR_FMT, STR_ARG(bundle));
    snprintf(f->channel, sizeof f->channel, STR_FMT, STR_ARG(channel));
    crd_changed(s);
}

static void on_crd_gone(void *arg, str ns, str name) {
    struct kube_source *s = arg;
    struct kube_kind_facts *f = &s->facts.kinds[kind_of_crd(name)];
    (void)ns;
    f->installed = false;
    f->bundle_version[0] = f->channel[0] = 0;
    crd_changed(s);
}

static bool lags(const struct kube_source *s) {
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        if (s->facts.kinds[k].installed && !s->facts.kinds[k].version[0]) return true;
    return false;
}

static void on_crds_synced(void *arg) {
    struct kube_source *s = arg;
    s->crds_known = true;
    s->crds_denied = false;
    if (s->discovered && lags(s)) kube_discovery_ask(s->discovery, CRD_US);
    kube_feed_wake(s);
}

static void on_crds_trouble(void *arg, const struct kube_watch_trouble *t) {
    struct kube_source *s = arg;
    s->facts.connected = !t || t->status;
    s->facts_changed = true;
    kube_feed_wake(s);
    if (!t || !(t->forbidden || t->absent)) return;
    if (!s->crds_denied)
        log_info("kube crds message=\"" STR_FMT "\" instead=\"kinds are looked for each %d s\"",
                 STR_ARG(t->message), CRDS_DENIED_US / 1000000);
    s->crds_known = s->crds_denied = true;
    kube_discovery_ask(s->discovery, CRDS_DENIED_US);
}

static void watch_crds(struct kube_source *s) {
    struct kube_watch_config c = {.group = S("apiextensions.k8s.io"),
                                  .version = S("v1"),
                                  .plural = S("customresourcedefinitions"),
                                  .metadata_alone = true,
                                  .wants = wants_crd,
                                  .on_put = on_crd,
                                  .on_remove = on_crd_gone,
                                  .on_synced = on_crds_synced,
                                  .on_trouble = on_crds_trouble,
                                  .arg = s};
    s->crds = kube_watch_new(s->client, &c);
}

/* --- kinds --- */

static void follow_kind(struct kube_source *s, enum api_kind kind) {
    bool everywhere = !s->config.namespaces_n || !api_type_of(kind)->namespaced;
    if (everywhere) kube_feed_new(s, kind, S(""), S(""), NULL);
    for (size_t i = 0; !everywhere && i < s->config.namespaces_n; i++)
        kube_feed_new(s, kind, s->config.namespaces[i], S(""), NULL);
}

/* A CRD that went and came back before discovery saw it: nothing but the CRD's event tells. */
static void retry_absent(struct kube_source *s, enum api_kind kind) {
    list_each (struct kube_feed, f, &s->feeds[kind], link)
        if (s->asks_left && f->state == KUBE_FEED_ABSENT) kube_watch_retry(f->watch);
}

static void set_kind_version(struct kube_source *s, enum api_kind kind, const char *version) {
    struct kube_kind_facts *f = &s->facts.kinds[kind];
    if (s->discovered && strcmp(f->version, version) == 0) {
        retry_absent(s, kind);
        return;
    }
    bool before = f->version[0];
    s->facts_changed = true;
    snprintf(f->version, sizeof f->version, "%s", version);
    list_each (struct kube_feed, feed, &s->feeds[kind], link) {
        if (version[0])
            kube_feed_set_version(feed, version);
        else if (kube_wanted_is_kind(kind))
            kube_watch_retry(feed->watch); /* its owner is wanted.c; 404 tells it */
        else
            kube_feed_free(feed, true);
    }
    if (version[0] && !before && !kube_wanted_is_kind(kind)) follow_kind(s, kind);
}

static void on_found(void *arg, const struct kube_found *found) {
    struct kube_source *s = arg;
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) set_kind_version(s, k, found->versions[k]);
    if (strcmp(s->facts.server_version, found->server_version) != 0 || !s->discovered)
        s->facts_changed = true;
    memcpy(s->facts.server_version, found->server_version, sizeof s->facts.server_version);
    s->discovered = s->facts.connected = true;
    if (s->facts.trouble[0]) s->facts_changed = true;
    s->facts.trouble[0] = 0;
    if (s->asks_left) {
        s->asks_left--;
        kube_discovery_ask(s->discovery, CRD_LATER_US);
    } else if (lags(s)) {
        kube_discovery_ask(s->discovery, kube_backoff_next(s->lag, kube_client_rng(s->client)));
    } else if (s->crds_denied) {
        kube_discovery_ask(s->discovery, CRDS_DENIED_US);
    }
    if (!lags(s)) kube_backoff_reset(s->lag);
    kube_feed_wake(s);
}

static void on_discovery_trouble(void *arg, str message) {
    struct kube_source *s = arg;
    log_warn("kube discovery err=\"" STR_FMT "\" next=\"it is tried again\"", STR_ARG(message));
    s->facts.connected = false;
    s->facts_changed = true;
    snprintf(s->facts.trouble, sizeof s->facts.trouble, STR_FMT, STR_ARG(message));
    kube_feed_wake(s);
}

/* --- facts --- */

static enum kube_presence presence_of(struct kube_source *s, enum api_kind kind, const char **ret_message) {
    struct link *feeds = &s->feeds[kind];
    *ret_message = "";
    if (!s->discovered) return KUBE_UNKNOWN;
    if (!s->facts.kinds[kind].version[0]) return KUBE_MISSING;
    if (link_empty(feeds)) return KUBE_UNKNOWN;
    enum kube_presence p = KUBE_FOLLOWED;
    list_each (struct kube_feed, f, feeds, link) {
        if (f->message[0] && (!**ret_message || f->state == KUBE_FEED_FORBIDDEN)) *ret_message = f->message;
        if (f->state == KUBE_FEED_FORBIDDEN)
            p = KUBE_FORBIDDEN;
        else if (f->state != KUBE_FEED_FOLLOWED && p == KUBE_FOLLOWED)
            p = KUBE_LISTING;
    }
    return p;
}

static void log_presence(const struct kube_source *s, enum api_kind kind) {
    const struct kube_kind_facts *f = &s->facts.kinds[kind];
    const char *name = api_type_of(kind)->name;
    char message[sizeof f->message]; /* a server's words have quotes in them */
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (char)(f->message[i] == '"' ? '\'' : f->message[i]);
    if (f->presence == KUBE_FORBIDDEN)
        log_warn("kube kind=%s err=\"%s\" next=\"it is tried again\" remedy=\"let the ServiceAccount list "
                 "and watch it\"",
                 name, message);
    else if (f->presence == KUBE_MISSING)
        log_info("kube kind=%s is=missing next=\"it is picked up when its CRD is installed\"", name);
    else if (f->presence == KUBE_FOLLOWED)
        log_info("kube kind=%s is=followed version=%s bundle=%s channel=%s", name, f->version,
                 f->bundle_version, f->channel);
}

static bool is_complete(struct kube_source *s) {
    if (!s->discovered || !s->crds_known) return false;
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        if (kube_wanted_is_kind(k)) continue;
        list_each (struct kube_feed, f, &s->feeds[k], link)
            if (f->state == KUBE_FEED_LISTING) return false;
    }
    return true;
}

static void find_bundle(struct kube_facts *f) {
    const struct kube_kind_facts *says = &f->kinds[KIND_GATEWAY_CLASS];
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT && !says->bundle_version[0]; k++)
        says = &f->kinds[k];
    memcpy(f->bundle_version, says->bundle_version, sizeof f->bundle_version);
    memcpy(f->channel, says->channel, sizeof f->channel);
}

static void tell_facts(struct kube_source *s) {
    s->facts_changed = false;
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        const char *message;
        struct kube_kind_facts *f = &s->facts.kinds[k];
        enum kube_presence p = presence_of(s, k, &message);
        bool changed = p != f->presence;
        f->presence = p;
        if (message != f->message) snprintf(f->message, sizeof f->message, "%s", message);
        if (changed) log_presence(s, k);
    }
    find_bundle(&s->facts);
    if (!s->facts.complete) s->facts.complete = is_complete(s);
    if (s->config.on_facts) s->config.on_facts(s->config.arg, &s->facts);
}

/* Once a turn in which something happened. Batches first: facts are about what was told. */
static void on_tick(struct timer *t, uint64_t now_us) {
    struct kube_source *s = container_of(t, struct kube_source, tick);
    (void)now_us;
    kube_wanted_tick(s->wanted);
    timer_clear(&s->tick);
    kube_feed_flush(s);
    if (s->facts_changed || (!s->facts.complete && is_complete(s))) tell_facts(s);
}

struct kube_source *kube_source_new(struct kube_client *client, const struct kube_source_config *config) {
    struct kube_source *s = base_zalloc(sizeof *s);
    *s = (struct kube_source){
        .client = client, .config = *config, .texts = arena_new(), .scratch = arena_new()};
    str *namespaces = arena_array(s->texts, str, config->namespaces_n + 1);
    for (size_t i = 0; i < config->namespaces_n; i++)
        namespaces[i] = arena_str(s->texts, config->namespaces[i]);
    s->config.namespaces = namespaces;
    s->lag = arena_make(s->texts, struct kube_backoff);
    *s->lag = (struct kube_backoff){.min_us = LAG_US_MIN, .max_us = LAG_US_MAX};
    for (enum api_kind k = 0; k < KIND_COUNT; k++) link_init(&s->feeds[k]);
    timer_init(&s->tick, on_tick);
    s->wanted = kube_wanted_new(s);
    s->discovery = kube_discovery_new(client, on_found, on_discovery_trouble, s);
    kube_discovery_ask(s->discovery, 1);
    watch_crds(s);
    return s;
}

void kube_source_free(struct kube_source *s) {
    if (!s) return;
    kube_discovery_free(s->discovery);
    kube_watch_free(s->crds);
    kube_wanted_free(s->wanted);
    for (enum api_kind k = 0; k < KIND_COUNT; k++)
        list_each (struct kube_feed, f, &s->feeds[k], link) kube_feed_free(f, false);
    timer_forget(&kube_client_loop(s->client)->timers, &s->tick);
    kube_batch_free(s->batch);
    arena_free(s->texts);
    arena_free(s->scratch);
    free(s);
}

void kube_source_want(struct kube_source *s, const struct kube_want *wants, size_t n, uint64_t revision) {
    kube_wanted_set(s->wanted, wants, n, revision);
}

const struct kube_facts *kube_source_facts(const struct kube_source *s) { return &s->facts; }
