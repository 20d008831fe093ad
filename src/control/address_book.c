/* SPDX-License-Identifier: Apache-2.0 */
#include "control/address_book.h"

#include "base/hash.h"
#include "base/num.h"
#include "control/address_state.h"
#include "text/json.h"

enum {
    PORT_FIRST = 10000,
    PORT_LAST = 29999, /* what is above is for node ports and for connections of the machine's own */
    PACE_US = 1000000,
    ECHO_US = 5000000, /* what was written is told by then, or is written again */
    BURST = 4,
    RETRY_MIN_US = 1000000,
    RETRY_MAX_US = 60000000,
    KEY_BYTES_MAX = 600,
    OBJECT_BYTES_MAX = 1 << 20,
    DEPTH_MAX = 32,
};
#define HASH_KEY "postern.dev/applied"

static const char *const type_names[] = {
#define ADDRESS_NAME(id, name) [ADDRESS_##id] = name,
    ADDRESS_TYPES(ADDRESS_NAME)};

const char *address_book_type_name(enum address_type t) { return type_names[t]; }

/* ---- making and ending ---- */

struct address_book *address_book_new(const struct address_book_config *c) {
    struct address_book *b = base_zalloc(sizeof *b);
    b->c = *c;
    if (!b->c.port_first) b->c.port_first = PORT_FIRST, b->c.port_last = PORT_LAST;
    b->taken = base_zalloc((size_t)(b->c.port_last - b->c.port_first) + 1);
    b->wanted = arena_new();
    b->demands = arena_new();
    b->pods_arena = arena_new();
    OWNED(arena) a = arena_new();
    str label = arena_str(a, c->controller_name);
    for (size_t i = 0; i < label.n; i++)
        if (label.p[i] == '/') ((char *)(uintptr_t)label.p)[i] = '.';
    label = gateway_service_label(a, label);
    snprintf(b->label, sizeof b->label, STR_FMT, STR_ARG(label));
    return b;
}

static void free_thing(struct address_thing *t) {
    free(t->json);
    free(t->trouble);
    arena_free(t->seen_arena);
    free(t);
}

static void free_gateway(struct address_gateway *g) {
    free(g->ports);
    free(g->parts);
    free(g);
}

void address_book_free(struct address_book *b) {
    if (!b) return;
    map_each (e, &b->things) free_thing(e->value);
    map_each (e, &b->gateways) free_gateway(e->value);
    map_fini(&b->things);
    map_fini(&b->gateways);
    arena_free(b->wanted);
    arena_free(b->demands);
    arena_free(b->pods_arena);
    free(b->taken);
    free(b);
}

str address_book_label(const struct address_book *b) { return str_of(b->label); }

/* ---- things ---- */

static struct address_thing *find_thing(const struct address_book *b, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    int n = snprintf(space, sizeof space, "%c" STR_FMT "/" STR_FMT, (char)kind, STR_ARG(ns), STR_ARG(name));
    return n > 0 && n < KEY_BYTES_MAX ? map_get(&b->things, (str){space, (size_t)n}) : NULL;
}

static struct address_thing *thing_for(struct address_book *b, enum api_kind kind, str ns, str name) {
    struct address_thing *t = find_thing(b, kind, ns, name);
    if (t) return t;
    size_t n = 2 + ns.n + name.n;
    if (n >= KEY_BYTES_MAX) return NULL;
    t = base_zalloc(sizeof *t + n);
    t->kind = kind;
    t->ns_n = (uint16_t)ns.n, t->key_n = (uint16_t)n;
    t->key[0] = (char)kind;
    if (ns.n) memcpy(t->key + 1, ns.p, ns.n);
    t->key[1 + ns.n] = '/';
    if (name.n) memcpy(t->key + 2 + ns.n, name.p, name.n);
    map_put(&b->things, (str){t->key, n}, t);
    return t;
}

static str ns_of(const struct address_thing *t) { return (str){t->key + 1, t->ns_n}; }
static str name_of(const struct address_thing *t) {
    return (str){t->key + 2 + t->ns_n, (size_t)(t->key_n - 2 - t->ns_n)};
}

static void set_version(char to[24], str version) {
    size_t n = num_min(version.n, 23);
    if (n) memcpy(to, version.p, n);
    to[n] = 0;
}

void address_book_seen(struct address_book *b, enum api_kind kind, str ns, str name, str uid, str version,
                       str object, str status) {
    struct address_thing *t = thing_for(b, kind, ns, name);
    if (!t) return;
    struct node *o = NULL, *st = NULL;
    str why;
    struct arena *a = arena_new();
    if (json_parse(a, arena_str(a, object), &o, &why) != OK) o = node_new(a, NODE_MAP);
    if (status.n && json_parse(a, arena_str(a, status), &st, &why) != OK) st = NULL;
    arena_free(t->seen_arena);
    t->seen_arena = a;
    t->seen = o, t->status = st;
    t->uid = arena_str(a, uid);
    set_version(t->version, version);
    t->invalid = false;
    if (!t->failures) t->after_us = 0;
    b->stale = true;
}

void address_book_gone(struct address_book *b, enum api_kind kind, str ns, str name) {
    struct address_thing *t = find_thing(b, kind, ns, name);
    if (!t) return;
    arena_free(TAKE(t->seen_arena));
    t->seen = t->status = NULL;
    t->applied[0] = t->version[0] = 0;
    t->uid = (str){0};
    if (!t->failures) t->after_us = 0;
    b->stale = true;
}

/* ---- what is asked for ---- */

static const struct need_address *copy_addresses(struct arena *a, const struct need_address *v, uint32_t n) {
    struct need_address *copy = arena_array(a, struct need_address, n);
    for (uint32_t i = 0; i < n; i++)
        copy[i] = (struct need_address){v[i].index, arena_str(a, v[i].value), arena_str(a, v[i].routability)};
    return copy;
}

static const struct str_pair *copy_pairs(struct arena *a, const struct str_pair *v, uint32_t n) {
    struct str_pair *copy = arena_array(a, struct str_pair, n);
    for (uint32_t i = 0; i < n; i++)
        copy[i] = (struct str_pair){arena_str(a, v[i].key), arena_str(a, v[i].value)};
    return copy;
}

static struct address_demand copy_demand(struct arena *a, const struct address_demand *d) {
    struct address_demand c = *d;
    c.ns = arena_str(a, d->ns), c.name = arena_str(a, d->name), c.uid = arena_str(a, d->uid);
    c.class_name = arena_str(a, d->class_name);
    struct need_port *ports = arena_array(a, struct need_port, d->ports_n);
    if (d->ports_n) memcpy(ports, d->ports, d->ports_n * sizeof *ports);
    c.ports = ports;
    c.labels = copy_pairs(a, d->labels, d->labels_n);
    c.annotations = copy_pairs(a, d->annotations, d->annotations_n);
    c.addresses = copy_addresses(a, d->addresses, d->addresses_n);
    return c;
}

static uint64_t hash_asked(const struct address_demand *d) {
    uint64_t h = d->type + 1;
    for (uint32_t i = 0; i < d->addresses_n; i++)
        h = hash_join(hash_join(h, hash_str(d->addresses[i].value)), hash_str(d->addresses[i].routability));
    return h;
}

bool address_book_is_inner(const struct address_demand *d, const struct need_address *w) {
    return d->type == ADDRESS_CLUSTER_IP || str_eq(w->routability, S("Cluster"));
}

static void add_part(struct address_book *b, struct address_gateway *g, enum address_type type,
                     uint32_t wish) {
    str name = gateway_service_name(b->demands, g->d.name, g->d.class_name, g->parts_n);
    g->parts[g->parts_n++] = (struct address_part){.type = type, .wish = wish, .service = name};
}

/* As many Services as it takes; what they are called lives with the demand. Those of the Gateway's own type go first, so that they keep their
 * names when a cluster IP is asked for besides. */
static void name_parts(struct address_book *b, struct address_gateway *g) {
    const struct address_demand *d = &g->d;
    bool each = d->type == ADDRESS_LOAD_BALANCER, shared = false;
    free(g->parts);
    g->parts = base_zalloc((d->addresses_n + 1) * sizeof *g->parts);
    g->parts_n = 0;
    if (!d->addresses_n) add_part(b, g, d->type, ADDRESS_EACH);
    for (uint32_t i = 0; i < d->addresses_n; i++) {
        if (address_book_is_inner(d, &d->addresses[i]) || shared) continue;
        add_part(b, g, d->type, each ? i : ADDRESS_EACH);
        shared = !each;
    }
    for (uint32_t i = 0; i < d->addresses_n; i++)
        if (address_book_is_inner(d, &d->addresses[i])) add_part(b, g, ADDRESS_CLUSTER_IP, i);
}

static void take_demand(struct address_book *b, const struct address_demand *d) {
    char space[KEY_BYTES_MAX];
    int n = snprintf(space, sizeof space, STR_FMT "/" STR_FMT, STR_ARG(d->ns), STR_ARG(d->name));
    if (n <= 0 || n >= KEY_BYTES_MAX) return;
    str key = {space, (size_t)n};
    struct address_gateway *g = map_get(&b->gateways, key);
    if (!g) {
        g = base_zalloc(sizeof *g + key.n);
        memcpy(g->key, key.p, key.n);
        g->key_n = (uint16_t)key.n;
        map_put(&b->gateways, (str){g->key, key.n}, g);
    }
    g->kept = true;
    g->d = copy_demand(b->demands, d);
    name_parts(b, g);
    if (g->asked != hash_asked(d)) g->waits_since_us = 0;
    g->asked = hash_asked(d);
}

void address_book_demand(struct address_book *b, const struct address_demand *v, size_t n) {
    struct arena *before = b->demands;
    b->demands = arena_new();
    map_each (e, &b->gateways) ((struct address_gateway *)e->value)->kept = false;
    for (size_t i = 0; i < n; i++) take_demand(b, &v[i]);
    size_t all_n;
    struct map_entry *all = map_sorted(&b->gateways, &all_n);
    for (size_t i = 0; i < all_n; i++) {
        struct address_gateway *g = all[i].value;
        if (g->kept) continue;
        map_take(&b->gateways, (str){g->key, g->key_n});
        if (g->told) b->c.tell(b->c.arg, (str){g->key, g->key_n}, NULL);
        free_gateway(g);
    }
    free(all);
    arena_free(before);
    b->demanded = b->stale = true;
}

void address_book_pods(struct address_book *b, const struct address_pod *v, size_t n) {
    struct arena *a = arena_new();
    struct address_pod *pods = arena_array(a, struct address_pod, n);
    for (size_t i = 0; i < n; i++) {
        pods[i] = v[i];
        pods[i].ip = arena_str(a, v[i].ip);
        pods[i].node_name = arena_str(a, v[i].node_name);
        pods[i].zone = arena_str(a, v[i].zone);
    }
    arena_free(b->pods_arena);
    b->pods_arena = a, b->pods = pods, b->pods_n = n;
    b->stale = true;
}

void address_book_synced(struct address_book *b) {
    b->synced = true;
    b->stale = true;
}

void address_book_lead(struct address_book *b, bool leads) {
    if (b->leads == leads) return;
    b->leads = leads;
    b->stale = true;
}

/* ---- what should be ---- */

static bool is_used(const struct address_thing *t) { return t->seen || t->json || t->flying || t->keep; }

/* With a hash of it, so that what it has no more is seen to be missing. */
static void want(struct address_book *b, struct address_thing *t, struct node *o) {
    struct buf json;
    buf_init(&json, OBJECT_BYTES_MAX);
    node_json(&json, o, false);
    str hash = arena_printf(b->wanted, "%016llx", (unsigned long long)hash_str(buf_str(&json)));
    struct node *meta = (void *)(uintptr_t)node_get(o, S("metadata"));
    struct node *notes = (void *)(uintptr_t)node_get(meta, S("annotations"));
    struct node **last = &meta->child;
    while (*last) last = &(*last)->next;
    if (!notes) node_append(meta, &last, S("annotations"), notes = node_new(b->wanted, NODE_MAP));
    last = &notes->child;
    while (*last) last = &(*last)->next;
    node_append(notes, &last, S(HASH_KEY), node_scalar(b->wanted, hash, true));
    buf_clear(&json);
    node_json(&json, o, false);
    uint64_t h = hash_str(buf_str(&json));
    if (h != t->json_hash) t->invalid = false, t->after_us = 0, t->failures = 0;
    t->json_hash = h;
    free(t->json);
    t->json = str_dup(buf_str(&json));
    t->wanted = o;
    buf_fini(&json);
}

static void make_slice(struct address_book *b, struct address_gateway *g, uint32_t part, bool v6) {
    struct address_part *p = &g->parts[part];
    str name = arena_printf(b->wanted, STR_FMT "-%s", STR_ARG(p->service), v6 ? "ipv6" : "ipv4");
    struct node *o = gateway_service_make_slice(b->wanted, b, g, part, v6);
    struct address_thing *t = o ? thing_for(b, KIND_ENDPOINT_SLICE, g->d.ns, name)
                                : find_thing(b, KIND_ENDPOINT_SLICE, g->d.ns, name);
    if (o && t) want(b, t, o);
    if (t && !g->d.accepted) t->keep = true;
    p->slices[v6] = t && (t->json || t->keep) ? t : NULL;
}

static void make_part(struct address_book *b, struct address_gateway *g, uint32_t part) {
    struct address_part *p = &g->parts[part];
    struct node *o = gateway_service_make(b->wanted, b, g, part);
    if (o) p->thing = thing_for(b, KIND_SERVICE, g->d.ns, p->service);
    if (o && p->thing) want(b, p->thing, o);
    if (p->thing && !g->d.accepted) p->thing->keep = true;
    if (p->thing && !is_used(p->thing)) p->thing = NULL;
    make_slice(b, g, part, false);
    make_slice(b, g, part, true);
}

static void find_services(struct address_book *b, struct address_gateway *g) {
    for (uint32_t k = 0; k < g->parts_n; k++)
        g->parts[k].thing = find_thing(b, KIND_SERVICE, g->d.ns, g->parts[k].service);
}

static void make_all(struct address_book *b) {
    size_t n;
    struct map_entry *all = map_sorted(&b->gateways, &n);
    struct address_gateway **sorted = base_zalloc((n + 1) * sizeof *sorted);
    arena_reset(b->wanted);
    map_each (e, &b->things) {
        struct address_thing *t = e->value;
        t->keep = false;
        free(TAKE(t->json));
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = all[i].value;
        find_services(b, sorted[i]);
    }
    address_ports_assign(b, sorted, n);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < sorted[i]->parts_n; k++) make_part(b, sorted[i], k);
    free(sorted);
    free(all);
    b->stale = false;
}

/* ---- writing ---- */

/* Everything that `want` says stands in `have`. */
static bool is_within(const struct node *w, const struct node *h, unsigned depth) {
    if (!h || w->kind != h->kind || depth > DEPTH_MAX) return false;
    if (w->kind == NODE_SCALAR) return str_eq(w->scalar, h->scalar);
    if (w->kind == NODE_SEQ && w->n != h->n) return false;
    const struct node *other = h->child;
    for (const struct node *c = w->child; c; c = c->next) {
        if (!is_within(c, w->kind == NODE_MAP ? node_get(h, c->key) : other, depth + 1)) return false;
        other = other ? other->next : NULL;
    }
    return true;
}

/* As it should be, apiVersion and kind aside, which objects of a list do not have. What the server made of our own last write is taken as it is. */
static bool is_as_wanted(const struct address_thing *t) {
    bool within = true;
    for (const struct node *c = t->wanted->child; c && within; c = c->next)
        within = str_eq(c->key, S("apiVersion")) || str_eq(c->key, S("kind")) ||
                 is_within(c, node_get(t->seen, c->key), 0);
    return within || (t->applied_hash == t->json_hash && strcmp(t->applied, t->version) == 0);
}

/* A Service's address can not be changed: it makes way for another. */
static bool must_go(const struct address_thing *t) {
    if (!t->json) return true;
    const struct node *w = node_get(t->wanted, S("spec")), *h = node_get(t->seen, S("spec"));
    str asked = w ? node_get_str(w, S("clusterIP")) : (str){0},
        has = h ? node_get_str(h, S("clusterIP")) : (str){0};
    return asked.n && has.n && !str_eq(asked, has);
}

static void send(struct address_book *b, struct address_thing *t, bool remove, uint64_t now_us) {
    t->flying = true;
    t->sent_hash = remove ? 0 : t->json_hash;
    t->paid_us = num_max(t->paid_us, now_us) + PACE_US;
    struct address_write w = {.kind = t->kind, .ns = ns_of(t), .name = name_of(t), .remove = remove};
    w.fresh = !t->seen;
    w.uid = t->uid;
    w.json = remove ? S("") : str_of(t->json);
    b->c.write(b->c.arg, &w);
}

/* Returns when to look again. */
static uint64_t reconcile(struct address_book *b, struct address_thing *t, uint64_t now_us) {
    if (t->flying || t->keep || t->invalid || !b->leads) return UINT64_MAX;
    if (!t->seen && !t->json) return UINT64_MAX;
    bool remove = t->seen && must_go(t);
    if (!remove && t->seen && is_as_wanted(t)) return UINT64_MAX;
    uint64_t credit = (uint64_t)BURST * PACE_US;
    uint64_t due = num_max(t->after_us, t->paid_us > credit ? t->paid_us - credit : 0);
    if (due > now_us) return due;
    send(b, t, remove, now_us);
    return UINT64_MAX;
}

static void drop_unused(struct address_book *b) {
    size_t n;
    struct map_entry *all = map_sorted(&b->things, &n);
    for (size_t i = 0; i < n; i++) {
        struct address_thing *t = all[i].value;
        if (is_used(t)) continue;
        map_take(&b->things, (str){t->key, t->key_n});
        free_thing(t);
    }
    free(all);
}

/* ---- telling ---- */

static uint64_t hash_fact(const struct fact_gateway *f) {
    uint64_t h = hash_join(hash_str(str_of(f->reason)), hash_str(f->message));
    h = hash_join(hash_join(h, hash_str(f->missed)), (uint64_t)f->missed_n << 1 | f->pending);
    for (uint32_t i = 0; i < f->ports_n; i++)
        h = hash_join(h, (uint64_t)f->ports[i].port << 32 | (uint64_t)f->ports[i].to << 8 | f->ports[i].udp);
    for (uint32_t i = 0; i < f->addresses_n; i++)
        h = hash_join(
            hash_join(hash_join(h, hash_str(f->addresses[i].type)), hash_str(f->addresses[i].value)),
            hash_str(f->addresses[i].routability));
    return h | 1;
}

static uint64_t tell(struct address_book *b, struct address_gateway *g, uint64_t now_us) {
    OWNED(arena) a = arena_new();
    struct fact_gateway f;
    uint64_t again = address_facts_make(a, b, g, now_us, &f), h = hash_fact(&f);
    if (h != g->told) b->c.tell(b->c.arg, (str){g->key, g->key_n}, &f);
    g->told = h;
    return again;
}

bool address_book_ready(const struct address_book *b) { return b->synced && b->demanded; }

uint64_t address_book_work(struct address_book *b, uint64_t now_us) {
    uint64_t again = UINT64_MAX;
    if (!address_book_ready(b)) return again;
    if (b->stale) {
        make_all(b);
        drop_unused(b);
    }
    map_each (e, &b->things) again = num_min(again, reconcile(b, e->value, now_us));
    map_each (e, &b->gateways) again = num_min(again, tell(b, e->value, now_us));
    return again;
}

/* There is nothing to wait for: the watch was quicker than the answer, or something else is wanted than what was sent. */
static bool told_since(const struct address_thing *t) {
    return strcmp(t->version, t->applied) == 0 || t->sent_hash != (t->json ? t->json_hash : 0);
}

void address_book_done(struct address_book *b, enum api_kind kind, str ns, str name,
                       enum address_outcome outcome, str version, str message, uint64_t now_us) {
    struct address_thing *t = find_thing(b, kind, ns, name);
    if (!t || !t->flying) return;
    t->flying = false;
    free(TAKE(t->trouble));
    switch (outcome) {
    case ADDRESS_WRITTEN:
        t->failures = 0;
        t->applied_hash = t->sent_hash;
        set_version(t->applied, version);
        t->after_us = told_since(t) ? 0 : now_us + ECHO_US;
        break;
    case ADDRESS_INVALID: t->invalid = t->sent_hash == t->json_hash; break;
    case ADDRESS_FOREIGN:
    case ADDRESS_FAILED:
        t->after_us = now_us + num_min((uint64_t)RETRY_MIN_US << t->failures, RETRY_MAX_US);
        if (t->failures < 6) t->failures++;
        break;
    }
    if (outcome == ADDRESS_FOREIGN) t->after_us = now_us + RETRY_MAX_US / 4;
    if (outcome != ADDRESS_WRITTEN) t->trouble = str_dup(message);
    b->stale = true;
}
