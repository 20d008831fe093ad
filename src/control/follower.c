/* SPDX-License-Identifier: Apache-2.0 */
#include "control/follower.h"

#include <time.h>

#include "api/gateway.h"
#include "api/settings.h"
#include "base/hash.h"
#include "control/builder.h"
#include "control/cluster.h"
#include "control/event_book.h"
#include "control/finding_book.h"
#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_path.h"
#include "resolve/needs.h"

struct follower {
    struct follower_config c;
    struct cluster *cluster; /* the address of posts; told with the facts */
    struct status_book *statuses;
    struct event_book *events;
    struct finding_book *findings;
    bool complete;
    bool demanded; /* the loop thread was told of our Gateways */
    bool known;    /* and told what their Services give */
    uint64_t wants_hash, demands_hash, selects_hash;
    struct arena *services_arena;
    const struct selector_service *services; /* that stand for what XBackends select */
    size_t services_n;
    bool services_changed;
    uint64_t asked, served; /* revisions of wants */
    uint64_t asked_us;
};

enum { BODY_BYTES_MAX = 4 << 20, SERVED_WAIT_US = 2000000 };

/* ---- statuses ---- */

static const void *ours(void *arg, enum api_kind kind, str ns, str name) {
    const struct follower *f = arg;
    return resolve_status(f->c.pipeline->resolver, kind, ns, name);
}

static void write_status(void *arg, const struct status_write *w) {
    struct follower *f = arg;
    struct arena *a = arena_new();
    const struct object *o = store_get(f->c.pipeline->store, a, w->kind, w->ns, w->name);
    assert(o); /* what is gone is gone from the book as well */
    struct cluster_status *s = arena_make(a, struct cluster_status);
    *s = (struct cluster_status){.post.deliver = cluster_deliver_status,
                                 .arena = a,
                                 .to = f->cluster,
                                 .kind = w->kind,
                                 .ns = arena_str(a, w->ns),
                                 .name = arena_str(a, w->name),
                                 .path = kube_path_object(a, o, S("status"))};
    struct buf b;
    buf_init(&b, BODY_BYTES_MAX);
    buf_printf(
        &b, "{\"apiVersion\":\"" STR_FMT "\",\"kind\":\"" STR_FMT "\",\"metadata\":{\"name\":\"" STR_FMT "\"",
        STR_ARG(o->api_version), STR_ARG(o->kind_name), STR_ARG(w->name));
    if (w->ns.n) buf_printf(&b, ",\"namespace\":\"" STR_FMT "\"", STR_ARG(w->ns));
    buf_printf(&b, ",\"uid\":\"" STR_FMT "\",\"resourceVersion\":\"" STR_FMT "\"},\"status\":",
               STR_ARG(o->meta.uid), STR_ARG(w->resource_version));
    buf_add(&b, w->status);
    buf_add_char(&b, '}');
    s->body = arena_str(a, buf_str(&b));
    buf_fini(&b);
    mailbox_post(f->c.to, &s->post);
}

/* ---- Events ---- */

static void on_written(void *arg, enum api_kind kind, str ns, str name, const struct node *before,
                       const struct node *after) {
    struct follower *f = arg;
    event_book_note(f->events, kind, ns, name, before, after, clock_wall_us());
}

/* [Kubernetes MicroTime] */
static void add_time(struct buf *b, const char *key, int64_t wall_us) {
    buf_printf(b, ",\"%s\":\"", key);
    time_t s = (time_t)(wall_us / 1000000);
    struct tm t;
    gmtime_r(&s, &t);
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
               t.tm_hour, t.tm_min, t.tm_sec, (int)(wall_us % 1000000));
}

static void add_member(struct buf *b, const char *key, str value) {
    buf_printf(b, ",\"%s\":", key);
    buf_add_json(b, value);
}

static void add_series(struct buf *b, const struct event_out *e) {
    buf_printf(b, "\"series\":{\"count\":%u", e->count);
    add_time(b, "lastObservedTime", e->now_us);
    buf_add_char(b, '}');
}

static void add_event(struct buf *b, const struct follower *f, const struct event_out *e,
                      const struct object *o, str ns, str event_name) {
    buf_add(b, S("{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":"));
    buf_add_json(b, event_name);
    add_member(b, "namespace", ns);
    buf_add_char(b, '}');
    add_time(b, "eventTime", e->first_us);
    add_member(b, "reportingController", str_of(f->c.controller_name));
    add_member(b, "reportingInstance", str_of(f->c.instance));
    add_member(b, "type", e->warning ? S("Warning") : S("Normal"));
    add_member(b, "reason", e->reason);
    add_member(b, "action", e->action);
    add_member(b, "note", e->note);
    buf_add(b, S(",\"regarding\":{\"apiVersion\":"));
    buf_add_json(b, o->api_version);
    add_member(b, "kind", o->kind_name);
    if (e->ns.n) add_member(b, "namespace", e->ns);
    add_member(b, "name", e->name);
    add_member(b, "uid", o->meta.uid);
    add_member(b, "resourceVersion", o->meta.resource_version);
    buf_add(b, S("}}"));
}

static void on_emit(void *arg, const struct event_out *e) {
    struct follower *f = arg;
    struct arena *a = arena_new();
    const struct object *o = store_get(f->c.pipeline->store, a, e->kind, e->ns, e->name);
    if (!o) { /* gone meanwhile */
        arena_free(a);
        return;
    }
    struct cluster_event *m = arena_make(a, struct cluster_event);
    str ns = e->ns.n ? e->ns : S("default"); /* where Events of what has no namespace are */
    str name =
        arena_printf(a, STR_FMT ".%016llx", STR_ARG(str_upto(e->name, 230)), (unsigned long long)e->id);
    bool again = e->count > 1;
    *m = (struct cluster_event){.post.deliver = cluster_deliver_event,
                                .arena = a,
                                .to = f->cluster,
                                .repeated = again,
                                .share = arena_str(a, ns)};
    m->path = kube_path(a, S("events.k8s.io"), S("v1"), S("events"), ns, again ? name : S(""), S(""));
    struct buf b;
    buf_init(&b, BODY_BYTES_MAX);
    if (again) {
        buf_add_char(&b, '{');
        add_series(&b, e);
        buf_add_char(&b, '}');
    } else {
        add_event(&b, f, e, o, ns, name);
    }
    m->body = arena_str(a, buf_str(&b));
    buf_fini(&b);
    mailbox_post(f->c.to, &m->post);
}

struct follower *follower_new(const struct follower_config *c) {
    struct follower *f = base_zalloc(sizeof *f);
    f->c = *c;
    struct status_book_config s = {.controller_name = str_of(c->controller_name),
                                   .ours = ours,
                                   .write = write_status,
                                   .written = on_written,
                                   .arg = f};
    f->statuses = status_book_new(&s);
    struct event_book_config e = {.controller_name = str_of(c->controller_name), .emit = on_emit, .arg = f};
    f->events = event_book_new(&e);
    f->findings = finding_book_new();
    return f;
}

void follower_free(struct follower *f) {
    if (!f) return;
    status_book_free(f->statuses);
    event_book_free(f->events);
    finding_book_free(f->findings);
    arena_free(f->services_arena);
    free(f);
}

bool follower_complete(const struct follower *f) { return f->complete; }

/* All that was asked for by name. */
static bool has_wants(const struct follower *f) { return f->asked && f->served == f->asked; }

bool follower_served(const struct follower *f) { return has_wants(f) && f->known; }

uint64_t follower_flush(struct follower *f, uint64_t now_us, int64_t now_s, bool between) {
    if (!f->complete) return UINT64_MAX;
    if (!follower_served(f) && now_us < f->asked_us + SERVED_WAIT_US) return f->asked_us + SERVED_WAIT_US;
    return status_book_flush(f->statuses, now_us, now_s, between);
}

struct status_book_stats follower_status_stats(const struct follower *f) {
    return status_book_stats(f->statuses);
}
uint64_t follower_events_dropped(const struct follower *f) { return event_book_dropped(f->events); }

/* ---- what comes in ---- */

/* As they stand; said once, for as long as they say the same. */
static void take_findings(struct follower *f, const struct kube_change *c) {
    OWNED(arena) a = arena_new();
    str key = api_key(a, c->kind, c->ns, c->name);
    bool gone = c->what == KUBE_CHANGE_REMOVE;
    if (!finding_book_put(f->findings, key, gone ? NULL : c->findings) || gone) return;
    struct buf line, quoted;
    buf_init(&line, 1 << 16);
    buf_init(&quoted, 1 << 18);
    for (const struct finding *x = c->findings; x; x = x->next) {
        buf_clear(&line);
        buf_clear(&quoted);
        finding_print(&line, x);
        buf_add_json(&quoted, buf_str(&line));
        log_warn("object %s object=" STR_FMT " finding=" STR_FMT,
                 c->what == KUBE_CHANGE_REFUSED ? "refused" : "read in part", STR_ARG(key),
                 STR_ARG(buf_str(&quoted)));
    }
    buf_fini(&line);
    buf_fini(&quoted);
}

static bool take_change(struct follower *f, struct kube_change *c) {
    bool has_status =
        c->kind != KIND_NONE && c->what != KUBE_CHANGE_SETTLED && api_type_of(c->kind)->status_schema;
    struct store *s = f->c.pipeline->store;
    if (c->what == KUBE_CHANGE_PUT || c->what == KUBE_CHANGE_REFUSED || c->what == KUBE_CHANGE_REMOVE)
        take_findings(f, c);
    switch (c->what) {
    case KUBE_CHANGE_PUT: {
        if (has_status)
            status_book_seen(f->statuses, c->kind, c->ns, c->name, c->object->meta.resource_version,
                             c->status);
        return store_put(s, TAKE(c->object));
    }
    case KUBE_CHANGE_REFUSED: return false;
    case KUBE_CHANGE_REMOVE:
        if (has_status) status_book_gone(f->statuses, c->kind, c->ns, c->name);
        return store_remove(s, c->kind, c->ns, c->name);
    case KUBE_CHANGE_SYNCED: return false;
    case KUBE_CHANGE_SETTLED: f->served = c->revision; return has_wants(f);
    }
    return false;
}

bool follower_take_batch(struct follower *f, struct kube_batch *b) {
    bool due = false;
    for (struct kube_change *c = b->first; c; c = c->next) due |= take_change(f, c);
    kube_batch_free(b);
    return due;
}

uint32_t follower_findings_count(const struct follower *f) { return finding_book_count(f->findings); }
void follower_findings(const struct follower *f, struct findings *to) { finding_book_list(f->findings, to); }

bool follower_take_facts(struct follower *f, const struct kube_facts *facts) {
    struct facts *to = &f->c.pipeline->facts;
    bool due = facts->complete && !f->complete;
    f->complete |= facts->complete;
    if (strcmp(to->bundle, facts->bundle_version) != 0) {
        snprintf(to->bundle, sizeof to->bundle, "%s", facts->bundle_version);
        to->changed = due = true;
    }
    return due;
}

/* ---- what is needed ---- */

_Static_assert((int)SETTINGS_LOAD_BALANCER - 1 == ADDRESS_LOAD_BALANCER &&
                   (int)SETTINGS_NODE_PORT - 1 == ADDRESS_NODE_PORT &&
                   (int)SETTINGS_CLUSTER_IP - 1 == ADDRESS_CLUSTER_IP &&
                   (int)SETTINGS_HOST_PORT - 1 == ADDRESS_HOST_PORT,
               "settings name the types in their order");

static void gather_demand(struct follower *f, struct arena *a, const struct need_gateway *g,
                          struct address_demand *ret) {
    const struct gateway *gw = (const void *)store_get(f->c.pipeline->store, a, KIND_GATEWAY, g->ns, g->name);
    const struct gateway_infrastructure *in = gw->spec.infrastructure;
    *ret =
        (struct address_demand){.ns = g->ns,
                                .name = g->name,
                                .uid = arena_str(a, gw->obj.meta.uid),
                                .class_name = arena_str(a, gw->spec.gateway_class_name),
                                .accepted = g->accepted,
                                .type = g->service ? (enum address_type)(g->service - 1) : f->c.address_type,
                                .ports = g->ports,
                                .ports_n = g->ports_n};
    struct str_map labels = in ? in->labels : (struct str_map){0},
                   notes = in ? in->annotations : (struct str_map){0};
    struct str_pair *pairs = arena_array(a, struct str_pair, labels.n + notes.n);
    for (uint32_t i = 0; i < labels.n + notes.n; i++) {
        const struct str_pair *p = i < labels.n ? &labels.p[i] : &notes.p[i - labels.n];
        pairs[i] = (struct str_pair){arena_str(a, p->key), arena_str(a, p->value)};
    }
    ret->labels = pairs, ret->labels_n = labels.n;
    ret->annotations = pairs + labels.n, ret->annotations_n = notes.n;
    ret->addresses = g->addresses, ret->addresses_n = g->addresses_n;
}

static uint64_t hash_demand(uint64_t h, const struct address_demand *d) {
    const str words[] = {d->ns, d->name, d->uid, d->class_name};
    for (size_t i = 0; i < COUNT_OF(words); i++) h = hash_join(h, hash_str(words[i]));
    h = hash_join(h, (uint64_t)d->accepted << 32 | (uint64_t)d->type << 8 | d->ports_n);
    for (uint32_t i = 0; i < d->ports_n; i++)
        h = hash_join(h, (uint64_t)d->ports[i].port << 1 | d->ports[i].udp);
    for (uint32_t i = 0; i < d->labels_n + d->annotations_n; i++) /* they lie in one array */
        h = hash_join(hash_join(h, hash_str(d->labels[i].key)), hash_str(d->labels[i].value));
    h = hash_join(h, d->labels_n);
    for (uint32_t i = 0; i < d->addresses_n; i++) {
        h = hash_join(hash_join(h, d->addresses[i].index), hash_str(d->addresses[i].value));
        h = hash_join(h, hash_str(d->addresses[i].routability));
    }
    return hash_join(h, d->addresses_n);
}

static bool add_demands(struct follower *f, struct cluster_needs *n) {
    size_t count;
    const struct need_gateway *v = needs_gateways(f->c.pipeline->resolver, n->arena, &count);
    struct address_demand *d = arena_array(n->arena, struct address_demand, count);
    uint64_t h = 1 + count;
    for (size_t i = 0; i < count; i++) {
        gather_demand(f, n->arena, &v[i], &d[i]);
        h = hash_demand(h, &d[i]);
    }
    n->demands = d, n->demands_n = count;
    n->gateways = h != f->demands_hash;
    f->demands_hash = h;
    return n->gateways;
}

static bool add_wants(struct follower *f, struct cluster_needs *n, uint64_t now_us) {
    size_t count;
    const struct need_object *v =
        needs_objects(f->c.pipeline->resolver, f->c.pipeline->store, n->arena, &count);
    struct kube_want *w = arena_array(n->arena, struct kube_want, count + f->services_n);
    uint64_t h = 1 + count;
    for (size_t i = 0; i < count; i++) {
        w[i] = (struct kube_want){v[i].kind, v[i].ns, v[i].name};
        h = hash_join(hash_join(hash_join(h, v[i].kind), hash_str(v[i].ns)), hash_str(v[i].name));
    }
    for (size_t i = 0; i < f->services_n; i++) {
        w[count++] = (struct kube_want){KIND_SERVICE, arena_str(n->arena, f->services[i].ns),
                                        arena_str(n->arena, f->services[i].name)};
        h = hash_join(hash_join(h, hash_str(f->services[i].ns)), hash_str(f->services[i].name));
    }
    f->services_changed = false;
    n->wants = w, n->wants_n = count;
    n->objects = h != f->wants_hash;
    f->wants_hash = h;
    if (!n->objects) return false;
    n->revision = ++f->asked;
    f->asked_us = now_us;
    return true;
}

static bool add_selectors(struct follower *f, struct cluster_needs *n) {
    size_t count;
    const struct need_selector *v = needs_selectors(f->c.pipeline->resolver, f->c.pipeline->store,
                                                    &f->c.pipeline->plan, n->arena, &count);
    struct selector_demand *d = arena_array(n->arena, struct selector_demand, count);
    uint64_t h = 1 + count;
    for (size_t i = 0; i < count; i++) {
        d[i] = (struct selector_demand){v[i].ns, v[i].name, v[i].uid, v[i].port, v[i].labels, v[i].labels_n};
        h = hash_join(hash_join(hash_join(h, hash_str(v[i].ns)), hash_str(v[i].name)), hash_str(v[i].uid));
        h = hash_join(h, (uint64_t)v[i].port << 32 | v[i].labels_n);
        for (uint32_t k = 0; k < v[i].labels_n; k++)
            h = hash_join(hash_join(h, hash_str(v[i].labels[k].key)), hash_str(v[i].labels[k].value));
    }
    n->selectors = d, n->selectors_n = count;
    n->selects = h != f->selects_hash;
    f->selects_hash = h;
    return n->selects;
}

bool follower_passed(struct follower *f, uint64_t now_us) {
    const struct resolve_work *work = &f->c.pipeline->resolved;
    OWNED(arena) scratch = arena_new();
    size_t n;
    const struct store_change *v = resolve_changed_statuses(f->c.pipeline->resolver, scratch, &n);
    for (size_t i = 0; i < n; i++) status_book_changed(f->statuses, v[i].kind, v[i].ns, v[i].name);
    /* What a class or a Gateway is set to stands in what was asked for: before that is there, no Service is judged by it. */
    bool first = !f->demanded && has_wants(f);
    bool same = !work->gateways && !work->routes && !work->statuses && !work->xbackends;
    if (same && f->asked && !first && !f->services_changed) return false;
    struct arena *a = arena_new();
    struct cluster_needs *needs = arena_make(a, struct cluster_needs);
    *needs = (struct cluster_needs){.post.deliver = cluster_deliver_needs, .arena = a, .to = f->cluster};
    bool objects = add_wants(f, needs, now_us);
    bool gateways = (f->demanded || first) && add_demands(f, needs);
    f->demanded |= gateways;
    bool selects = add_selectors(f, needs);
    if (objects || gateways || selects)
        mailbox_post(f->c.to, &needs->post);
    else
        arena_free(a);
    return objects;
}

/* ---- posts ---- */

static void deliver_batch(struct post *p, void *receiver) {
    struct builder *b = receiver;
    bool due = follower_take_batch(b->follower, container_of(p, struct kube_batch, post));
    stats_set(&b->stats.findings, follower_findings_count(b->follower));
    if (due) builder_changed(b);
}

void follower_post_batch(struct builder *b, struct kube_batch *batch) {
    batch->post.deliver = deliver_batch;
    mailbox_post(&b->box, &batch->post);
}

struct facts_post {
    struct post post;
    struct cluster *cluster;
    struct kube_facts facts;
};

static void deliver_facts(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct facts_post *m = container_of(p, struct facts_post, post);
    b->follower->cluster = m->cluster;
    if (follower_take_facts(b->follower, &m->facts)) builder_changed(b);
    free(m);
}

void follower_post_facts(struct builder *b, struct cluster *c, const struct kube_facts *facts) {
    struct facts_post *m = base_zalloc(sizeof *m);
    *m = (struct facts_post){.post.deliver = deliver_facts, .cluster = c, .facts = *facts};
    mailbox_post(&b->box, &m->post);
}

struct gateway_post {
    struct post post;
    struct arena *arena;
    str key;
    bool gone;
    struct fact_gateway fact;
};

static void deliver_gateway(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct gateway_post *m = container_of(p, struct gateway_post, post);
    facts_set_gateway(&b->pipeline.facts, m->key, m->gone ? NULL : &m->fact);
    arena_free(m->arena);
    if (b->pipeline.facts.changed) builder_changed(b);
}

void follower_post_gateway(struct builder *b, str key, const struct fact_gateway *g) {
    struct arena *a = arena_new();
    struct gateway_post *m = arena_make(a, struct gateway_post);
    *m = (struct gateway_post){
        .post.deliver = deliver_gateway, .arena = a, .key = arena_str(a, key), .gone = !g};
    if (g) {
        m->fact = *g;
        struct fact_port *ports = arena_array(a, struct fact_port, g->ports_n);
        struct fact_address *addresses = arena_array(a, struct fact_address, g->addresses_n);
        if (g->ports_n) memcpy(ports, g->ports, g->ports_n * sizeof *ports);
        for (uint32_t i = 0; i < g->addresses_n; i++)
            addresses[i] =
                (struct fact_address){arena_str(a, g->addresses[i].type), arena_str(a, g->addresses[i].value),
                                      arena_str(a, g->addresses[i].routability)};
        m->fact.ports = ports, m->fact.addresses = addresses;
        m->fact.message = arena_str(a, g->message);
        m->fact.missed = arena_str(a, g->missed);
    }
    mailbox_post(&b->box, &m->post);
}

static void deliver_known(struct post *p, void *receiver) {
    struct builder *b = receiver;
    free(p);
    b->follower->known = true;
    builder_changed(b);
}

void follower_post_known(struct builder *b) {
    struct post *p = base_zalloc(sizeof *p);
    p->deliver = deliver_known;
    mailbox_post(&b->box, p);
}

struct lead_post {
    struct post post;
    bool leads;
};

static void deliver_lead(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct lead_post *m = container_of(p, struct lead_post, post);
    status_book_lead(b->follower->statuses, m->leads);
    free(m);
    builder_flush(b);
}

void follower_post_lead(struct builder *b, bool leads) {
    struct lead_post *m = base_zalloc(sizeof *m);
    *m = (struct lead_post){.post.deliver = deliver_lead, .leads = leads};
    mailbox_post(&b->box, &m->post);
}

struct services_post {
    struct post post;
    struct arena *arena;
    struct selector_service *v;
    size_t n;
};

static void deliver_services(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct services_post *m = container_of(p, struct services_post, post);
    struct follower *f = b->follower;
    arena_free(f->services_arena);
    f->services_arena = m->arena;
    f->services = m->v, f->services_n = m->n;
    f->services_changed = true;
    builder_changed(b);
}

void follower_post_services(struct builder *b, const struct selector_service *v, size_t n) {
    struct arena *a = arena_new();
    struct services_post *m = arena_make(a, struct services_post);
    *m = (struct services_post){.post.deliver = deliver_services,
                                .arena = a,
                                .v = arena_array(a, struct selector_service, n),
                                .n = n};
    for (size_t i = 0; i < n; i++)
        m->v[i] = (struct selector_service){arena_str(a, v[i].ns), arena_str(a, v[i].name)};
    mailbox_post(&b->box, &m->post);
}

struct written_post {
    struct post post;
    struct arena *arena;
    enum api_kind kind;
    str ns, name, version;
    enum status_outcome outcome;
};

static void deliver_written(struct post *p, void *receiver) {
    struct builder *b = receiver;
    struct written_post *m = container_of(p, struct written_post, post);
    status_book_done(b->follower->statuses, m->kind, m->ns, m->name, m->outcome, m->version,
                     clock_monotonic_us());
    arena_free(m->arena);
    builder_flush(b);
}

void follower_post_written(struct builder *b, enum api_kind kind, str ns, str name, enum status_outcome o,
                           str resource_version) {
    struct arena *a = arena_new();
    struct written_post *m = arena_make(a, struct written_post);
    *m = (struct written_post){.post.deliver = deliver_written,
                               .arena = a,
                               .kind = kind,
                               .ns = arena_str(a, ns),
                               .name = arena_str(a, name),
                               .version = arena_str(a, resource_version),
                               .outcome = o};
    mailbox_post(&b->box, &m->post);
}
