/* SPDX-License-Identifier: Apache-2.0 */
#include "control/cluster.h"

#include "base/num.h"
#include "control/builder.h"
#include "control/follower.h"
#include "control/selectors.h"
#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_lease.h"
#include "kube/kube_path.h"
#include "kube/kube_source.h"
#include "kube/kube_watch.h"
#include "text/json.h"

enum { WHY_BYTES_MAX = 1 << 16, PODS_MAX = 1000 };
#define METADATA_ALONE "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

/* One of the watches that the address book is fed by. */
struct cluster_watch {
    struct cluster *cluster;
    enum api_kind kind;
    struct kube_watch *watch;
    bool synced;
};
/* An EndpointSlice of postern's own pods, as it is. */
struct pod_slice {
    struct pod_slice *next;
    char *name, *json;
};
struct cluster {
    struct cluster_config c;
    str controller_name;
    struct loop *loop;
    struct builder *builder;
    struct kube_client *client;
    struct kube_source *source;
    struct kube_lease *lease;
    struct address_book *addresses;
    struct selectors *selectors;
    struct cluster_watch
        *watches; /* Services and EndpointSlices of ours, by namespace; the last: of the pods */
    size_t watches_n;
    struct pod_slice *pod_slices;
    struct timer work;
    bool synced, leads, ended, complete, known;
    struct link statuses, writings; /* on their way: let go when they are cancelled */
    void (*left)(void *arg);        /* not told yet; NULL: nobody asks */
    void (*released)(void *arg);
    void *left_arg, *released_arg;
    bool leaves;
    char manager[128];
};

static void tell_left(struct cluster *c) {
    if (c->left && address_leave_may(c->addresses, c->c.pod_ips, c->c.pod_ips_n)) TAKE(c->left)(c->left_arg);
}

static void work(struct cluster *c) {
    tell_left(c);
    uint64_t again = address_book_work(c->addresses, clock_monotonic_us());
    if (again != UINT64_MAX) timer_set(&c->loop->timers, &c->work, again);
    if (c->known || c->ended || !address_book_ready(c->addresses)) return;
    c->known = true; /* behind what was just told */
    follower_post_known(c->builder);
}

static void on_work(struct timer *t, uint64_t now_us) {
    (void)now_us;
    timer_clear(t);
    work(container_of(t, struct cluster, work));
}

/* Words of the server's as a value in the log. In a. */
static str quoted(struct arena *a, str words) {
    struct buf b;
    buf_init(&b, WHY_BYTES_MAX);
    buf_add_json(&b, str_upto(words, WHY_BYTES_MAX / 8));
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

/* ---- what a write came to ---- */

/* Of an answer that is an object: its resourceVersion, in a; not given when it has none. */
static str version_of(struct arena *a, str body) {
    struct node *n;
    str why;
    if (json_parse(a, body, &n, &why) != OK) return (str){0};
    const struct node *meta = node_get(n, S("metadata"));
    return meta ? node_get_str(meta, S("resourceVersion")) : (str){0};
}

static str said(const struct kube_answer *answer) {
    return answer->message.n ? answer->message : S("no answer");
}

/* ---- statuses ---- */

static void on_status(void *arg, const struct kube_answer *answer) {
    struct cluster_status *s = arg;
    struct cluster *c = s->to;
    enum status_outcome o = kube_answer_ok(answer)  ? STATUS_WRITTEN
                            : answer->status == 409 ? STATUS_CONFLICT
                            : answer->status == 404 ? STATUS_GONE
                                                    : STATUS_FAILED;
    if (o == STATUS_FAILED)
        log_warn("status write kind=%s namespace=" STR_FMT " name=" STR_FMT " status=%u err=" STR_FMT,
                 api_type_of(s->kind)->name, STR_ARG(s->ns), STR_ARG(s->name), answer->status,
                 STR_ARG(quoted(s->arena, said(answer))));
    link_remove(&s->flight);
    str version = o == STATUS_WRITTEN ? version_of(s->arena, answer->body) : (str){0};
    follower_post_written(c->builder, s->kind, s->ns, s->name, o, version);
    arena_free(s->arena);
}

void cluster_deliver_status(struct post *p, void *receiver) {
    (void)receiver;
    struct cluster_status *s = container_of(p, struct cluster_status, post);
    struct cluster *c = s->to;
    if (!c->leads || c->ended) { /* it is another's now */
        if (!c->ended) follower_post_written(c->builder, s->kind, s->ns, s->name, STATUS_CONFLICT, (str){0});
        arena_free(s->arena);
        return;
    }
    struct kube_call call = {.method = KUBE_PUT,
                             .path = s->path,
                             .query = kube_path_query(s->arena, S(""), "fieldManager", str_of(c->manager)),
                             .body = s->body,
                             .accept = S(METADATA_ALONE),
                             .share = s->ns,
                             .on_done = on_status,
                             .arg = s};
    link_append(&c->statuses, &s->flight);
    kube_client_send(c->client, &call);
}

/* ---- Gateways' Services ---- */

struct writing {
    struct link flight;
    struct arena *arena;
    struct cluster *cluster;
    enum api_kind kind;
    str ns, name, path, body;
};

static void landed(struct writing *w, enum address_outcome o, str version, str message) {
    struct cluster *c = w->cluster;
    link_remove(&w->flight);
    address_book_done(c->addresses, w->kind, w->ns, w->name, o, version, message, clock_monotonic_us());
    arena_free(w->arena);
    work(c);
}

static void on_applied(void *arg, const struct kube_answer *answer) {
    struct writing *w = arg;
    if (kube_answer_ok(answer)) {
        landed(w, ADDRESS_WRITTEN, version_of(w->arena, answer->body), S(""));
        return;
    }
    bool gone = w->body.n == 0 &&
                (answer->status == 404 || answer->status == 409); /* 409: another one has the name */
    if (gone) {
        landed(w, ADDRESS_WRITTEN, S(""), S(""));
        return;
    }
    str words =
        arena_printf(w->arena, "%s " STR_FMT "/" STR_FMT " can not be written: " STR_FMT,
                     api_type_of(w->kind)->name, STR_ARG(w->ns), STR_ARG(w->name), STR_ARG(said(answer)));
    log_warn("object write kind=%s namespace=" STR_FMT " name=" STR_FMT " status=%u err=" STR_FMT,
             api_type_of(w->kind)->name, STR_ARG(w->ns), STR_ARG(w->name), answer->status,
             STR_ARG(quoted(w->arena, said(answer))));
    landed(w, answer->status == 422 ? ADDRESS_INVALID : ADDRESS_FAILED, S(""), words);
}

static void apply(struct writing *w) {
    struct cluster *c = w->cluster;
    bool remove = !w->body.n;
    str query = S("");
    if (!remove) {
        query = kube_path_query(w->arena, query, "fieldManager", str_of(c->manager));
        query = kube_path_query(w->arena, query, "force", S("true"));
    }
    struct kube_call call = {.method = KUBE_PATCH_APPLY,
                             .path = w->path,
                             .query = query,
                             .body = w->body,
                             .accept = S(METADATA_ALONE),
                             .share = w->ns,
                             .on_done = on_applied,
                             .arg = w};
    kube_client_send(c->client, &call);
}

/* Nobody of ours knows the name: an object that has it and is not ours stays untouched. */
static void on_looked(void *arg, const struct kube_answer *answer) {
    struct writing *w = arg;
    struct node *n = NULL;
    str why;
    if (answer->status == 404 && answer->error == OK) {
        apply(w);
        return;
    }
    if (!kube_answer_ok(answer) || json_parse(w->arena, answer->body, &n, &why) != OK) {
        landed(w, ADDRESS_FAILED, S(""), arena_str(w->arena, said(answer)));
        return;
    }
    const struct node *meta = node_get(n, S("metadata")), *labels = meta ? node_get(meta, S("labels")) : NULL;
    str manager = labels ? node_get_str(labels, S("app.kubernetes.io/managed-by")) : (str){0};
    if (str_eq(manager, address_book_label(w->cluster->addresses))) {
        apply(w);
        return;
    }
    landed(w, ADDRESS_FOREIGN, S(""),
           arena_printf(w->arena,
                        "the Gateway needs the name of %s " STR_FMT "/" STR_FMT
                        ", which is somebody else's; delete or rename that one",
                        api_type_of(w->kind)->name, STR_ARG(w->ns), STR_ARG(w->name)));
}

static void on_write(void *arg, const struct address_write *o) {
    struct cluster *c = arg;
    const struct api_type *t = api_type_of(o->kind);
    struct arena *a = arena_new();
    struct writing *w = arena_make(a, struct writing);
    *w = (struct writing){
        .arena = a, .cluster = c, .kind = o->kind, .ns = arena_str(a, o->ns), .name = arena_str(a, o->name)};
    link_append(&c->writings, &w->flight);
    w->path = kube_path(a, str_of(t->group), S("v1"), str_of(t->plural), o->ns, o->name, S(""));
    w->body = o->remove ? S("") : arena_str(a, o->json);
    struct kube_call call = {.path = w->path, .accept = S(METADATA_ALONE), .share = w->ns, .arg = w};
    if (o->remove) {
        call.method = KUBE_DELETE;
        call.body = arena_printf(
            a,
            "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"" STR_FMT "\"}}",
            STR_ARG(o->uid));
        call.on_done = on_applied;
        kube_client_send(c->client, &call);
    } else if (o->fresh) {
        call.method = KUBE_GET;
        call.on_done = on_looked;
        kube_client_send(c->client, &call);
    } else {
        apply(w);
    }
}

static void on_tell(void *arg, str gateway_key, const struct fact_gateway *f) {
    const struct cluster *c = arg;
    if (!c->ended) follower_post_gateway(c->builder, gateway_key, f);
}

/* ---- what is watched for them ---- */

static void check_synced(struct cluster *c) {
    bool all = true;
    for (size_t i = 0; i < c->watches_n; i++) all &= c->watches[i].synced;
    if (!all || c->synced) return;
    c->synced = true;
    address_book_synced(c->addresses);
}

static void on_object(void *arg, const struct kube_item *i) {
    const struct cluster_watch *w = arg;
    address_book_seen(w->cluster->addresses, w->kind, i->ns, i->name, i->uid, i->resource_version, i->object,
                      i->status);
    work(w->cluster);
}

static void on_object_gone(void *arg, str ns, str name) {
    const struct cluster_watch *w = arg;
    address_book_gone(w->cluster->addresses, w->kind, ns, name);
    work(w->cluster);
}

static void on_synced(void *arg) {
    struct cluster_watch *w = arg;
    w->synced = true;
    check_synced(w->cluster);
    work(w->cluster);
}

/* What can not be watched is done without, as far as it goes: the book writes nothing that it could not see. */
static void on_trouble(void *arg, const struct kube_watch_trouble *t) {
    OWNED(arena) a = arena_new();
    const struct cluster_watch *w = arg;
    if (t)
        log_warn("watch kind=%s purpose=gateways status=%u err=" STR_FMT, api_type_of(w->kind)->name,
                 t->status, STR_ARG(quoted(a, t->message)));
    else
        log_info("watch kind=%s purpose=gateways works=true", api_type_of(w->kind)->name);
}

/* ---- postern's own pods ---- */

static bool is_true(const struct node *conditions, str key, bool otherwise) {
    str v = conditions ? node_get_str(conditions, key) : (str){0};
    return v.n ? str_eq(v, S("true")) : otherwise;
}

static size_t add_pods(struct arena *a, str json, struct address_pod *v, size_t n) {
    struct node *slice;
    str why;
    if (json_parse(a, json, &slice, &why) != OK) return n;
    const struct node *list = node_get(slice, S("endpoints"));
    for (const struct node *e = list ? list->child : NULL; e && n < PODS_MAX; e = e->next) {
        const struct node *addresses = node_get(e, S("addresses")), *c = node_get(e, S("conditions"));
        if (!addresses || !addresses->child) continue;
        bool ready = is_true(c, S("ready"), true);
        v[n++] = (struct address_pod){.ip = addresses->child->scalar,
                                      .node_name = node_get_str(e, S("nodeName")),
                                      .zone = node_get_str(e, S("zone")),
                                      .ready = ready,
                                      .serving = is_true(c, S("serving"), ready),
                                      .terminating = is_true(c, S("terminating"), false)};
    }
    return n;
}

/* The pods that the Service of postern's own has; without such a Service this one alone, until it is to end. */
static void list_pods(struct cluster *c) {
    OWNED(arena) a = arena_new();
    struct address_pod *v = arena_array(a, struct address_pod, PODS_MAX + c->c.pod_ips_n);
    size_t n = 0;
    for (const struct pod_slice *s = c->pod_slices; s; s = s->next) n = add_pods(a, str_of(s->json), v, n);
    for (uint32_t i = 0; !c->pod_slices && i < c->c.pod_ips_n; i++)
        v[n++] = (struct address_pod){
            .ip = c->c.pod_ips[i], .ready = !c->leaves, .serving = true, .terminating = c->leaves};
    address_book_pods(c->addresses, v, n);
    work(c);
}

static struct pod_slice **find_pod_slice(struct cluster *c, str name) {
    struct pod_slice **at = &c->pod_slices;
    while (*at && !str_eq(str_of((*at)->name), name)) at = &(*at)->next;
    return at;
}

static void on_pods_gone(void *arg, str ns, str name) {
    (void)ns;
    struct cluster *c = ((struct cluster_watch *)arg)->cluster;
    struct pod_slice **at = find_pod_slice(c, name), *s = *at;
    if (!s) return;
    *at = s->next;
    free(s->name);
    free(s->json);
    free(s);
    list_pods(c);
}

static void on_pods(void *arg, const struct kube_item *i) {
    struct cluster *c = ((struct cluster_watch *)arg)->cluster;
    struct pod_slice **at = find_pod_slice(c, i->name);
    if (!*at) {
        *at = base_zalloc(sizeof **at);
        (*at)->name = str_dup(i->name);
    }
    free((*at)->json);
    (*at)->json = str_dup(i->object);
    list_pods(c);
}

static void watch(struct cluster *c, enum api_kind kind, str ns, str selector, bool pods) {
    const struct api_type *t = api_type_of(kind);
    struct cluster_watch *w = &c->watches[c->watches_n++];
    *w = (struct cluster_watch){.cluster = c, .kind = kind};
    struct kube_watch_config k = {.group = str_of(t->group),
                                  .version = S("v1"),
                                  .plural = str_of(t->plural),
                                  .ns = ns,
                                  .label_selector = selector,
                                  .on_put = pods ? on_pods : on_object,
                                  .on_remove = pods ? on_pods_gone : on_object_gone,
                                  .on_synced = on_synced,
                                  .on_trouble = on_trouble,
                                  .arg = w};
    w->watch = kube_watch_new(c->client, &k);
}

static void watch_all(struct cluster *c) {
    OWNED(arena) a = arena_new();
    str label = address_book_label(c->addresses);
    str ours = arena_printf(a, "app.kubernetes.io/managed-by=" STR_FMT, STR_ARG(label));
    str pods = arena_printf(a, "kubernetes.io/service-name=" STR_FMT, STR_ARG(c->c.pod_service));
    size_t n = c->c.namespaces_n;
    c->watches =
        base_zalloc((2 * n + 3) * sizeof *c->watches); /* posts keep no pointer into it but watches do */
    for (size_t i = 0; i < n + !n; i++) {
        watch(c, KIND_SERVICE, n ? c->c.namespaces[i] : S(""), ours, false);
        watch(c, KIND_ENDPOINT_SLICE, n ? c->c.namespaces[i] : S(""), ours, false);
    }
    watch(c, KIND_ENDPOINT_SLICE, c->c.pod_namespace, pods, true);
}

/* ---- objects and needs ---- */

static void on_batch(void *arg, struct kube_batch *b) {
    const struct cluster *c = arg;
    log_debug("phase=batch changes=%u at_us=%llu", b->n, (unsigned long long)clock_monotonic_us());
    if (c->ended)
        kube_batch_free(b);
    else
        follower_post_batch(c->builder, b);
}

static void on_facts(void *arg, const struct kube_facts *f) {
    struct cluster *c = arg;
    if (f->complete && !c->complete)
        log_info("api server version=%s gateway_api=%s channel=%s", f->server_version, f->bundle_version,
                 f->channel);
    c->complete = f->complete;
    if (!c->ended) follower_post_facts(c->builder, c, f);
}

void cluster_deliver_needs(struct post *p, void *receiver) {
    (void)receiver;
    struct cluster_needs *n = container_of(p, struct cluster_needs, post);
    struct cluster *c = n->to;
    if (n->objects && !c->ended) kube_source_want(c->source, n->wants, n->wants_n, n->revision);
    if (n->gateways && !c->ended) address_book_demand(c->addresses, n->demands, n->demands_n);
    if (n->selects && !c->ended) selectors_demand(c->selectors, n->selectors, n->selectors_n);
    arena_free(n->arena);
    if (!c->ended) work(c);
}

void cluster_deliver_event(struct post *p, void *receiver) {
    (void)receiver;
    struct cluster_event *e = container_of(p, struct cluster_event, post);
    struct cluster *c = e->to;
    if (c->leads && !c->ended) {
        struct kube_call call = {.method = e->repeated ? KUBE_PATCH_MERGE : KUBE_POST,
                                 .path = e->path,
                                 .body = e->body,
                                 .accept = S(METADATA_ALONE),
                                 .share = e->share};
        kube_client_send(c->client, &call);
    }
    arena_free(e->arena);
}

/* ---- who leads ---- */

static void on_lead(void *arg, bool leads) {
    struct cluster *c = arg;
    c->leads = leads;
    log_info("leader leads=%s identity=%s", leads ? "true" : "false", c->c.identity);
    if (!c->ended) follower_post_lead(c->builder, leads);
    address_book_lead(c->addresses, leads);
    selectors_lead(c->selectors, leads && !c->ended);
    work(c);
}

static void start_lease(struct cluster *c) {
    struct kube_lease_config k = {.ns = c->c.pod_namespace,
                                  .name = c->c.lease,
                                  .identity = str_of(c->c.identity),
                                  .on_change = on_lead,
                                  .arg = c};
    c->lease = kube_lease_new(c->client, &k);
}

static void on_released(void *arg) {
    struct cluster *c = arg;
    c->released(c->released_arg);
}

void cluster_leave(struct cluster *c, void (*left)(void *arg), void *arg) {
    c->left = left;
    c->left_arg = arg;
    c->leaves = true;
    list_pods(c);
}

void cluster_release(struct cluster *c, void (*released)(void *arg), void *arg) {
    c->released = released;
    c->released_arg = arg;
    kube_lease_release(c->lease, on_released, c);
}

/* ---- beginning and end ---- */

static err connect(struct cluster *c) {
    OWNED(arena) a = arena_new();
    struct kube_config *config = NULL;
    struct buf why;
    buf_init(&why, WHY_BYTES_MAX);
    err e = kube_config_load(&(struct kube_config_options){c->c.kubeconfig, c->c.context}, &config, &why);
    if (e == OK) {
        if (why.n) log_warn("kubeconfig warning=" STR_FMT, STR_ARG(quoted(a, buf_str(&why))));
        log_info("api server=" STR_FMT " by=\"" STR_FMT "\"", STR_ARG(kube_config_server(config)),
                 STR_ARG(kube_config_origin(config)));
        if (!c->c.pod_namespace.n) c->c.pod_namespace = kube_config_namespace(config);
        buf_clear(&why);
        e = kube_client_new(c->loop, config, &c->client, &why);
    }
    if (e != OK) log_error("api server err=" STR_FMT, STR_ARG(quoted(a, buf_str(&why))));
    buf_fini(&why);
    return e;
}

err cluster_new(const struct cluster_config *config, const char *controller_name, struct loop *loop,
                struct builder *builder, struct cluster **ret) {
    struct cluster *c = base_zalloc(sizeof *c);
    *c = (struct cluster){
        .c = *config, .controller_name = str_of(controller_name), .loop = loop, .builder = builder};
    snprintf(c->manager, sizeof c->manager, "%s", controller_name);
    timer_init(&c->work, on_work);
    link_init(&c->statuses);
    link_init(&c->writings);
    err e = connect(c);
    if (e != OK) {
        free(c);
        return e;
    }
    struct address_book_config a = {.controller_name = c->controller_name,
                                    .host_ips = config->host_ips,
                                    .host_ips_n = config->host_ips_n,
                                    .write = on_write,
                                    .tell = on_tell,
                                    .arg = c};
    c->addresses = address_book_new(&a);
    list_pods(c);
    watch_all(c);
    struct kube_source_config s = {.namespaces = config->namespaces_n ? config->namespaces : NULL,
                                   .namespaces_n = config->namespaces_n,
                                   .on_batch = on_batch,
                                   .on_facts = on_facts,
                                   .arg = c};
    c->source = kube_source_new(c->client, &s);
    c->selectors = selectors_new(&(struct selectors_config){.client = c->client,
                                                            .loop = loop,
                                                            .builder = builder,
                                                            .controller_name = c->controller_name,
                                                            .namespaces = config->namespaces,
                                                            .namespaces_n = config->namespaces_n});
    start_lease(c);
    *ret = c;
    return OK;
}

void cluster_end(struct cluster *c) {
    c->ended = true;
    selectors_end(c->selectors);
}

void cluster_free(struct cluster *c) {
    if (!c) return;
    c->ended = true;
    kube_lease_free(c->lease);
    kube_source_free(c->source);
    for (size_t i = 0; i < c->watches_n; i++) kube_watch_free(c->watches[i].watch);
    selectors_stop(c->selectors);
    kube_client_free(c->client);
    selectors_free(c->selectors);
    address_book_free(c->addresses);
    list_each (struct cluster_status, s, &c->statuses, flight) arena_free(s->arena);
    list_each (struct writing, w, &c->writings, flight) arena_free(w->arena);
    timer_forget(&c->loop->timers, &c->work);
    for (struct pod_slice *s = c->pod_slices, *next; s; s = next) {
        next = s->next;
        free(s->name);
        free(s->json);
        free(s);
    }
    free(c->watches);
    free(c);
}
