/* SPDX-License-Identifier: Apache-2.0 */
#include "control/selectors.h"

#include "base/hash.h"
#include "control/follower.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "kube/kube_path.h"
#include "kube/kube_watch.h"

#define METADATA_ALONE "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

struct selectors {
    struct selectors_config c;
    struct selector_book *book;
    struct kube_watch **watches; /* by namespace */
    size_t watches_n;
    struct timer due;
    struct link writings;
    uint64_t told; /* hash */
    bool ended;
};
struct selector_writing {
    struct link flight;
    struct arena *arena;
    struct selectors *of;
    str ns, label;
};

static void work(struct selectors *s) {
    uint64_t again = s->ended ? UINT64_MAX : selector_book_work(s->book, clock_monotonic_us());
    timer_clear(&s->due);
    if (again != UINT64_MAX) timer_set(&s->c.loop->timers, &s->due, again);
}

static void on_due(struct timer *t, uint64_t now_us) {
    (void)now_us;
    work(container_of(t, struct selectors, due));
}

/* ---- writes ---- */

static void on_done(void *arg, const struct kube_answer *answer) {
    struct selector_writing *w = arg;
    struct selectors *s = w->of;
    bool ok =
        kube_answer_ok(answer) || answer->status == 404 || answer->status == 409; /* gone, or another one */
    if (!ok) {
        struct buf quoted;
        buf_init(&quoted, 1 << 16);
        buf_add_json(&quoted, answer->message.n ? str_upto(answer->message, 4096) : S("no answer"));
        log_warn("object write kind=Service purpose=xbackend namespace=" STR_FMT " xbackend=" STR_FMT
                 " status=%u err=" STR_FMT,
                 STR_ARG(w->ns), STR_ARG(w->label), answer->status, STR_ARG(buf_str(&quoted)));
        buf_fini(&quoted);
    }
    link_remove(&w->flight);
    selector_book_done(s->book, w->ns, w->label, ok, clock_monotonic_us());
    arena_free(w->arena);
    work(s);
}

static void on_write(void *arg, const struct selector_write *o) {
    struct selectors *s = arg;
    struct arena *a = arena_new();
    struct selector_writing *w = arena_make(a, struct selector_writing);
    *w = (struct selector_writing){
        .arena = a, .of = s, .ns = arena_str(a, o->ns), .label = arena_str(a, o->label)};
    link_append(&s->writings, &w->flight);
    struct kube_call call = {.path = kube_path(a, S(""), S("v1"), S("services"), o->ns, o->name, S("")),
                             .query = kube_path_query(a, S(""), "fieldManager", s->c.controller_name),
                             .body = arena_str(a, o->json),
                             .accept = S(METADATA_ALONE),
                             .share = w->ns,
                             .on_done = on_done,
                             .arg = w};
    switch (o->what) {
    case SELECTOR_CREATE: call.method = KUBE_POST; break;
    case SELECTOR_CHANGE: call.method = KUBE_PATCH_MERGE; break;
    case SELECTOR_REMOVE:
        call.method = KUBE_DELETE;
        call.query = (str){0};
        call.body = arena_printf(
            a,
            "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"" STR_FMT "\"}}",
            STR_ARG(o->uid));
        break;
    }
    kube_client_send(s->c.client, &call);
}

/* ---- what is there ---- */

static void on_tell(void *arg) {
    struct selectors *s = arg;
    OWNED(arena) a = arena_new();
    size_t n;
    const struct selector_service *v = selector_book_services(s->book, a, &n);
    uint64_t h = 1 + n;
    for (size_t i = 0; i < n; i++) h = hash_join(hash_join(h, hash_str(v[i].ns)), hash_str(v[i].name));
    if (h == s->told || s->ended) return;
    s->told = h;
    follower_post_services(s->c.builder, v, n);
}

static void on_object(void *arg, const struct kube_item *i) {
    struct selectors *s = arg;
    selector_book_seen(s->book, i->ns, i->name, i->uid, i->object);
    work(s);
}

static void on_object_gone(void *arg, str ns, str name) {
    struct selectors *s = arg;
    selector_book_gone(s->book, ns, name);
    work(s);
}

static void on_synced(void *arg) {
    struct selectors *s = arg;
    bool all = true;
    for (size_t i = 0; i < s->watches_n; i++) all &= s->watches[i] && kube_watch_synced(s->watches[i]);
    if (all) selector_book_synced(s->book);
    work(s);
}

static void on_trouble(void *arg, const struct kube_watch_trouble *t) {
    (void)arg;
    if (t)
        log_warn("watch kind=Service purpose=xbackends status=%u", t->status);
    else
        log_info("watch kind=Service purpose=xbackends works=true");
}

struct selectors *selectors_new(const struct selectors_config *c) {
    struct selectors *s = base_zalloc(sizeof *s);
    s->c = *c;
    s->told = 1; /* none */
    timer_init(&s->due, on_due);
    link_init(&s->writings);
    s->book = selector_book_new(&(struct selector_book_config){
        .controller_name = c->controller_name, .write = on_write, .tell = on_tell, .arg = s});
    OWNED(arena) a = arena_new();
    str ours =
        arena_printf(a, "app.kubernetes.io/managed-by=" STR_FMT, STR_ARG(selector_book_label(s->book)));
    s->watches_n = c->namespaces_n ? c->namespaces_n : 1;
    s->watches = base_zalloc(s->watches_n * sizeof(struct kube_watch *));
    for (size_t i = 0; i < s->watches_n; i++) {
        struct kube_watch_config k = {.group = S(""),
                                      .version = S("v1"),
                                      .plural = S("services"),
                                      .ns = c->namespaces_n ? c->namespaces[i] : S(""),
                                      .label_selector = ours,
                                      .on_put = on_object,
                                      .on_remove = on_object_gone,
                                      .on_synced = on_synced,
                                      .on_trouble = on_trouble,
                                      .arg = s};
        s->watches[i] = kube_watch_new(c->client, &k);
    }
    return s;
}

void selectors_end(struct selectors *s) { s->ended = true; }

void selectors_stop(struct selectors *s) {
    for (size_t i = 0; s && i < s->watches_n; i++) kube_watch_free(s->watches[i]);
    if (s) s->watches_n = 0;
}

void selectors_free(struct selectors *s) {
    if (!s) return;
    list_each (struct selector_writing, w, &s->writings, flight) arena_free(w->arena);
    free(s->watches);
    timer_forget(&s->c.loop->timers, &s->due);
    selector_book_free(s->book);
    free(s);
}

void selectors_demand(struct selectors *s, const struct selector_demand *v, size_t n) {
    selector_book_demand(s->book, v, n);
    work(s);
}

void selectors_lead(struct selectors *s, bool leads) {
    selector_book_lead(s->book, leads);
    work(s);
}
