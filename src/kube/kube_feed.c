/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_feed.h"

#include "io/log.h"
#include "kube/kube_decode.h"

enum { BATCH_MAX = 512 };

void kube_feed_wake(struct kube_source *s) {
    struct loop *l = kube_client_loop(s->client);
    timer_set(&l->timers, &s->tick, l->now_us + 1);
}

struct kube_batch *kube_feed_batch(struct kube_source *s) {
    if (!s->batch) s->batch = kube_batch_new();
    kube_feed_wake(s);
    return s->batch;
}

void kube_feed_flush(struct kube_source *s) {
    if (!s->batch) return;
    struct kube_batch *b = TAKE(s->batch);
    s->config.on_batch(s->config.arg, b);
}

static void flush_full(struct kube_source *s) {
    if (s->batch && s->batch->n >= BATCH_MAX) kube_feed_flush(s);
}

static void on_put(void *arg, const struct kube_item *i) {
    struct kube_feed *f = arg;
    struct kube_source *s = f->source;
    struct kube_batch *b = kube_feed_batch(s);
    struct findings found;
    struct object *o = NULL;
    arena_reset(s->scratch);
    finding_init(&found, b->arena);
    kube_decode(s->scratch, f->kind, str_of(f->group_version), i, &found, &o);
    struct kube_change *c =
        kube_batch_add(b, o ? KUBE_CHANGE_PUT : KUBE_CHANGE_REFUSED, f->kind, i->ns, i->name);
    c->object = o;
    c->findings = found.first;
    if (api_type_of(f->kind)->status_schema && i->status.n) c->status = arena_str(b->arena, i->status);
    flush_full(s);
}

static void on_remove(void *arg, str ns, str name) {
    struct kube_feed *f = arg;
    kube_batch_add(kube_feed_batch(f->source), KUBE_CHANGE_REMOVE, f->kind, ns, name);
    flush_full(f->source);
}

static void set_state(struct kube_feed *f, enum kube_feed_state to) {
    if (f->state != to) f->source->facts_changed = true;
    f->state = to;
    kube_feed_wake(f->source);
}

static void on_synced(void *arg) {
    struct kube_feed *f = arg;
    set_state(f, KUBE_FEED_FOLLOWED);
    f->message[0] = 0;
    if (!f->name[0]) kube_batch_add(kube_feed_batch(f->source), KUBE_CHANGE_SYNCED, f->kind, S(""), S(""));
}

static void on_trouble(void *arg, const struct kube_watch_trouble *t) {
    struct kube_feed *f = arg;
    struct kube_source *s = f->source;
    s->facts_changed = true;
    s->facts.connected = !t || t->status;
    kube_feed_wake(s);
    if (!t) {
        f->message[0] = 0;
        if (kube_watch_synced(f->watch)) set_state(f, KUBE_FEED_FOLLOWED);
        return;
    }
    snprintf(f->message, sizeof f->message, STR_FMT, STR_ARG(t->message));
    if (t->forbidden) set_state(f, KUBE_FEED_FORBIDDEN);
    if (t->absent) {
        set_state(f, KUBE_FEED_ABSENT);
        kube_discovery_ask(s->discovery, 1000000);
    }
}

static void write_group_version(struct kube_feed *f, const char *version) {
    const char *group = api_type_of(f->kind)->group;
    snprintf(f->group_version, sizeof f->group_version, "%s%s%s", group, *group ? "/" : "", version);
}

struct kube_feed *kube_feed_new(struct kube_source *s, enum api_kind kind, str ns, str name,
                                bool (*wants)(void *arg, const struct kube_item *i, uint64_t *ret_tag)) {
    const struct api_type *t = api_type_of(kind);
    OWNED(arena) a = arena_new();
    struct kube_feed *f = base_zalloc(sizeof *f);
    *f = (struct kube_feed){.source = s, .kind = kind, .state = KUBE_FEED_LISTING};
    snprintf(f->ns, sizeof f->ns, STR_FMT, STR_ARG(ns));
    snprintf(f->name, sizeof f->name, STR_FMT, STR_ARG(name));
    write_group_version(f, s->facts.kinds[kind].version);
    struct kube_watch_config c = {.group = str_of(t->group),
                                  .version = str_of(s->facts.kinds[kind].version),
                                  .plural = str_of(t->plural),
                                  .ns = ns,
                                  .wants = wants,
                                  .on_put = on_put,
                                  .on_remove = on_remove,
                                  .on_synced = on_synced,
                                  .on_trouble = on_trouble,
                                  .arg = f};
    if (name.n) c.field_selector = arena_printf(a, "metadata.name=" STR_FMT, STR_ARG(name));
    link_append(&s->feeds[kind], &f->link);
    s->facts_changed = true;
    f->watch = kube_watch_new(s->client, &c);
    return f;
}

static bool keeps_none(void *arg, str ns, str name, uint64_t tag) {
    (void)arg;
    (void)ns;
    (void)name;
    (void)tag;
    return false;
}

void kube_feed_free(struct kube_feed *f, bool tell) {
    if (tell) kube_watch_sift(f->watch, keeps_none);
    kube_watch_free(f->watch);
    link_remove(&f->link);
    f->source->facts_changed = true;
    free(f);
}

void kube_feed_set_version(struct kube_feed *f, const char *version) {
    write_group_version(f, version);
    f->state = KUBE_FEED_LISTING;
    kube_watch_set_version(f->watch, str_of(version));
}

void kube_feed_relist(struct kube_feed *f) {
    f->state = KUBE_FEED_LISTING;
    kube_watch_relist(f->watch);
}
