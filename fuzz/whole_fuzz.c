/* fuzz: control, 2500 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Objects put, replaced and removed, facts and time changed, with passes in between: what stands then (statuses, plan, table, warnings) is what a fresh start
 * makes of the same objects, facts and time. Tables that are still out stay as they were, whatever order they come home in; between two passes no change of
 * time before `again_s` matters; the plan that was printed is read as the same plan.
 * WHOLE_TRACE=1 build/fuzz/whole_fuzz INPUT  prints the steps, documents included. */
#include "control/pipeline.h"
#include "objects.h"
#include "plan/plan_read.h"
#include "resolve/features.h"
#include "resolve/resolve_warnings.h"
#include "text/yaml.h"

enum {
    TEXT_BYTES_MAX = 8 << 20,
    STEPS_MAX = 64,
    KEPT_MAX = 64,
    OUT_MAX = 3,
    BINDS_MAX = 12,
    GRAVES_MAX = 256
};

struct kept { /* a document as it was last put */
    struct object_name name;
    char *text;
};
struct out { /* a table that was published */
    struct table *t;
    char *dump;
};
struct bind_fact {
    const char *address;
    uint16_t port;
    enum fact_transport transport;
    bool ok;
};
/* What a cluster may have given to a Gateway. */
static const char *const gateway_keys[] = {"a/g0", "a/g1", "b/g0", "b/g1"};
static const struct fact_port
    some_ports[] = {{80, 10080, false}, {443, 10443, false}, {5000, 15000, false}, {5000, 15000, true}},
    other_ports[] = {{80, 20080, false}, {8443, 20443, false}, {8080, 20081, false}, {5000, 15000, false}};
static const struct fact_address an_address[] = {{{"IPAddress", 9}, {"192.0.2.1", 9}}};
static const struct fact_gateway gateway_facts[] = {
    {0}, /* nothing yet */
    {.ports = some_ports, .ports_n = COUNT_OF(some_ports), .addresses = an_address, .addresses_n = 1},
    {.ports = other_ports, .ports_n = COUNT_OF(other_ports), .addresses = an_address, .addresses_n = 1},
    {.ports = some_ports,
     .ports_n = COUNT_OF(some_ports),
     .reason = "AddressNotAssigned",
     .message = {"no load balancer", 16}},
};
struct run {
    struct dice dice;
    struct pipeline p;
    struct kept kept[KEPT_MAX];
    unsigned kept_n;
    struct out out[OUT_MAX];
    unsigned out_n;
    struct bind_fact binds[BINDS_MAX];
    unsigned binds_n;
    uint8_t gateways[COUNT_OF(gateway_keys)]; /* index into gateway_facts */
    struct compile_grave *graves[GRAVES_MAX];
    unsigned graves_n;
    int64_t now_s;
    uint8_t name; /* what is known of the XBackends' hostname: nothing, an address, an error */
    bool all_features, serving, cluster, adopted, other_address, mapped, other_bundle, trace;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_of(struct buf *b) {
    assert(!b->overflow);
    char *text = str_dup(buf_str(b));
    buf_fini(b);
    return text;
}

/* NULL: the CRDs refuse it. */
static struct object *decode(str text) {
    OWNED(arena) a = arena_new();
    struct node *n = NULL;
    str message;
    uint32_t line, column;
    struct findings f;
    struct object *o = NULL;
    finding_init(&f, a);
    err e = yaml_parse(a, text, 1, &n, &message, &line, &column);
    assert(e == OK && n);
    if (api_decode(a, n, S("fuzz"), &f, &o) != OK) return NULL;
    o->meta.generation =
        1 + (int64_t)(api_hash_spec(o) % 1000000); /* a cluster's own: alike in both worlds */
    return o;
}

static void set_bind_fact(struct pipeline *p, const struct bind_fact *f) {
    facts_set_bind(&p->facts, str_of(f->address), f->port, f->transport, f->ok, S("address already in use"));
}

static void set_name_fact(struct pipeline *p, uint8_t known) {
    str hostname = S("ext.example");
    struct ip ip;
    err e = ip_parse(S("192.0.2.9"), &ip);
    assert(e == OK);
    if (known)
        facts_set_name(&p->facts, hostname, &ip, known == 1, known == 1 ? S("") : S("no such name"));
    else
        facts_forget_name(&p->facts, hostname);
}

/* Facts, as they stand, in a pipeline. */
static void apply_facts(const struct run *r, struct pipeline *p) {
    static struct fact_port_map map[] = {{80, 8080}, {443, 8443}};
    static const struct facts none;
    p->facts.serving = r->serving;
    p->facts.revision_adopted = r->adopted ? UINT64_MAX : 0;
    p->facts.address = r->other_address ? S("192.0.2.7") : S("");
    p->facts.port_maps = r->mapped ? map : NULL;
    p->facts.port_maps_n = r->mapped ? COUNT_OF(map) : 0;
    memcpy(p->facts.features, none.features, sizeof p->facts.features);
    if (r->all_features) features_enable_all(&p->facts);
    for (unsigned i = 0; i < r->binds_n; i++) set_bind_fact(p, &r->binds[i]);
    set_name_fact(p, r->name);
    p->facts.cluster = r->cluster;
    snprintf(p->facts.bundle, sizeof p->facts.bundle, "%s", r->other_bundle ? "v1.4.0" : "v1.7.0");
    for (unsigned i = 0; i < COUNT_OF(gateway_keys); i++)
        facts_set_gateway(&p->facts, str_of(gateway_keys[i]),
                          r->gateways[i] ? &gateway_facts[r->gateways[i]] : NULL);
    p->facts.changed = true;
}

static void add_statuses(struct buf *b, const struct pipeline *p) {
    OWNED(arena) a = arena_new();
    for (enum api_kind kind = KIND_NONE + 1; kind < KIND_COUNT; kind++) {
        size_t n;
        const struct object **all = store_list(p->store, a, kind, &n);
        for (size_t i = 0; i < n; i++) {
            const void *status = resolve_status(p->resolver, kind, all[i]->meta.ns, all[i]->meta.name);
            if (!status) continue;
            assert(api_type_of(kind)->status_schema);
            buf_printf(b, "status %s " STR_FMT "/" STR_FMT " ", api_type_of(kind)->name,
                       STR_ARG(all[i]->meta.ns), STR_ARG(all[i]->meta.name));
            schema_json(b, api_type_of(kind)->status_schema, status, false, false);
            buf_add_char(b, '\n');
        }
    }
}

static void add_plan(struct buf *b, const struct plan *plan) {
    struct plan copy = *plan;
    copy.revision = 0; /* counts passes */
    plan_json(&copy, b);
}

static char *table_text(const struct table *t) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    table_dump(t, &b);
    return copy_of(&b);
}

/* All that stands, as text to free(). */
static char *state_of(const struct pipeline *p, int64_t now_s) {
    OWNED(arena) a = arena_new();
    struct buf b;
    struct findings f;
    buf_init(&b, TEXT_BYTES_MAX);
    add_statuses(&b, p);
    add_plan(&b, &p->plan);
    buf_add_char(&b, '\n');
    table_dump(p->table, &b);
    finding_init(&f, a);
    resolve_warnings(p->resolver, p->store, &p->plan, now_s, &f);
    for (const struct finding *one = f.first; one; one = one->next) {
        finding_print(&b, one);
        buf_add_char(&b, '\n');
    }
    return copy_of(&b);
}

static _Noreturn void differ(const char *what, const char *wanted, const char *got) {
    while (*wanted && *got) {
        size_t x = strcspn(wanted, "\n"), y = strcspn(got, "\n");
        if (x != y || memcmp(wanted, got, x) != 0) break;
        wanted += x + (wanted[x] == '\n'), got += y + (got[y] == '\n');
    }
    size_t at = 0, from;
    while (wanted[at] && wanted[at] != '\n' && wanted[at] == got[at]) at++;
    from = at > 200 ? at - 200 : 0;
    fprintf(stderr, "%s\n  line   %.60s\n  wanted ...%.400s\n  got    ...%.400s\n", what, wanted,
            wanted + from, got + from);
    abort();
}

/* The same objects, facts and time from the start. */
static char *fresh_state(const struct run *r, int64_t *ret_again_s) {
    struct pipeline p;
    struct table *before = NULL;
    pipeline_init(&p, S("postern.dev/gateway-controller"));
    apply_facts(r, &p);
    for (unsigned i = 0; i < r->kept_n; i++) store_put(p.store, decode(str_of(r->kept[i].text)));
    (void)pipeline_pass(&p, r->now_s, 0, &before);
    char *text = state_of(&p, r->now_s);
    *ret_again_s = p.again_s;
    pipeline_fini(&p);
    return text;
}

/* A hash that is read is printed as its own hash. */
static void blank_secrets(char *text) {
    static const char mark[] = "\":\"sha256:";
    for (char *at = text; (at = strstr(at, mark));) {
        at += sizeof mark - 1;
        memset(at, '-', strcspn(at, "\""));
    }
}

/* What is printed is read as the same plan, and makes a table. */
static void check_plan(const struct plan *plan) {
    OWNED(arena) a = arena_new();
    struct plan again;
    struct plan_delta d = {0};
    struct buf printed, reprinted;
    struct compile_work work = {0};
    str message;
    plan_init(&again);
    buf_init(&printed, TEXT_BYTES_MAX);
    buf_init(&reprinted, TEXT_BYTES_MAX);
    add_plan(&printed, plan);
    err e = plan_read(a, buf_str(&printed), &again, &d, &message);
    assert(e == OK);
    plan_json(&again, &reprinted);
    char *wanted = copy_of(&printed), *got = copy_of(&reprinted);
    blank_secrets(wanted);
    blank_secrets(got);
    if (strcmp(wanted, got) != 0) differ("a plan that is read is not the one that was printed", wanted, got);
    free(wanted);
    free(got);
    struct compiler *c = compiler_new();
    compile_home(c, compile_apply(c, &again, &d, 0, &work));
    for (struct compile_grave *g; (g = compile_retired(c));) compile_buried(c, g);
    compiler_free(c);
    plan_delta_fini(&d);
    plan_fini(&again);
}

static void compare(const struct run *r) {
    int64_t again_s;
    char *got = state_of(&r->p, r->now_s), *wanted = fresh_state(r, &again_s);
    if (strcmp(wanted, got) != 0) differ("changes do not end where a fresh start ends", wanted, got);
    assert(again_s == r->p.again_s);
    free(got);
    free(wanted);
}

/* Tables and graves. */

static void release(struct run *r, unsigned i) {
    struct out o = r->out[i];
    char *now = table_text(o.t);
    if (strcmp(o.dump, now) != 0) differ("a table that was published has changed", o.dump, now);
    free(now);
    free(o.dump);
    pipeline_release(&r->p, o.t);
    r->out[i] = r->out[--r->out_n];
}
static void bury_one(struct run *r) {
    if (!r->graves_n) return;
    unsigned i = roll(&r->dice, r->graves_n);
    compile_buried(r->p.compiler, r->graves[i]);
    r->graves[i] = r->graves[--r->graves_n];
}

/* The table before stays out for a while, if there is room. */
static void pass(struct run *r) {
    struct table *before = NULL;
    char *dump = r->p.table ? table_text(r->p.table) : NULL;
    bool changed = pipeline_pass(&r->p, r->now_s, 0, &before);
    if (changed && before) {
        if (r->out_n == OUT_MAX) release(r, roll(&r->dice, OUT_MAX));
        r->out[r->out_n++] = (struct out){before, TAKE(dump)};
    }
    free(dump);
    for (struct compile_grave *g; (g = compile_retired(r->p.compiler));) {
        if (r->graves_n == GRAVES_MAX) bury_one(r);
        r->graves[r->graves_n++] = g;
    }
    if (r->trace)
        fprintf(stderr, "pass now=%lld again=%lld%s\n", (long long)r->now_s, (long long)r->p.again_s,
                changed ? " new table" : "");
}

/* Steps. */

static struct kept *find_kept(struct run *r, const struct object_name *o) {
    for (unsigned i = 0; i < r->kept_n; i++) {
        const struct object_name *k = &r->kept[i].name;
        if (k->kind == o->kind && strcmp(k->ns, o->ns) == 0 && strcmp(k->name, o->name) == 0)
            return &r->kept[i];
    }
    return NULL;
}

static void put_text(struct run *r, struct object_name name, char *text) {
    struct object *o = decode(str_of(text));
    struct kept *k = find_kept(r, &name);
    if (r->trace) fprintf(stderr, "%s %s\n", o ? "put" : "refused", text);
    if (!o || (!k && r->kept_n == KEPT_MAX)) {
        api_free(o);
        free(text);
        return;
    }
    if (k) {
        free(k->text);
    } else {
        k = &r->kept[r->kept_n++];
    }
    *k = (struct kept){name, text};
    store_put(r->p.store, o);
}

static void put(struct run *r) {
    struct buf b;
    struct object_name name = objects_pick(&r->dice);
    buf_init(&b, 1 << 16);
    objects_write(&b, &r->dice, &name);
    put_text(r, name, copy_of(&b));
}

static void drop_at(struct run *r, unsigned i) {
    struct object_name name = r->kept[i].name;
    if (r->trace) fprintf(stderr, "remove %s %s/%s\n", api_type_of(name.kind)->name, name.ns, name.name);
    bool was = store_remove(r->p.store, name.kind, str_of(name.ns), str_of(name.name));
    assert(was);
    free(r->kept[i].text);
    r->kept[i] = r->kept[--r->kept_n];
}

static void set_bind(struct run *r) {
    static const uint16_t ports[] = {80, 443, 8443, 5000, 8080, 10080, 10443, 15000, 20080};
    struct bind_fact f = {PICK(&r->dice, "", "", "10.0.0.5", "fd00::5"),
                          ports[roll(&r->dice, COUNT_OF(ports))],
                          roll(&r->dice, 4) == 3 ? FACT_UDP : FACT_TCP, roll(&r->dice, 2)};
    unsigned i = 0;
    while (i < r->binds_n && (r->binds[i].port != f.port || r->binds[i].transport != f.transport ||
                              strcmp(r->binds[i].address, f.address) != 0))
        i++;
    if (i == BINDS_MAX) return;
    r->binds[i] = f;
    r->binds_n += i == r->binds_n;
    set_bind_fact(&r->p, &f);
    if (r->trace)
        fprintf(stderr, "bind %s:%u %s %d\n", f.address, f.port, f.ok ? "ok" : "failed", f.transport);
}

static void set_fact(struct run *r) {
    switch (roll(&r->dice, 9)) {
    case 6: r->name = (uint8_t)roll(&r->dice, 3); break;
    case 0: r->all_features = !r->all_features; break;
    case 1: r->other_bundle = !r->other_bundle; break;
    case 2: r->adopted = !r->adopted; break;
    case 3: r->other_address = !r->other_address; break;
    case 4: r->mapped = !r->mapped; break;
    case 5:
        r->gateways[roll(&r->dice, COUNT_OF(gateway_keys))] =
            (uint8_t)roll(&r->dice, COUNT_OF(gateway_facts));
        break;
    default: set_bind(r); return;
    }
    if (r->trace)
        fprintf(stderr,
                "facts features=%d bundle=%d adopted=%d address=%d mapped=%d gateways=%d,%d,%d,%d name=%d\n",
                r->all_features, r->other_bundle, r->adopted, r->other_address, r->mapped, r->gateways[0],
                r->gateways[1], r->gateways[2], r->gateways[3], r->name);
    apply_facts(r, &r->p);
}

/* Time goes on, and now and then back, as clocks do. Before `again_s` it changes nothing. */
static void set_time(struct run *r) {
    static const int64_t times[] = {OBJECTS_VALID_S - 86400, OBJECTS_VALID_S + 86400, OBJECTS_EXPIRES_S - 1,
                                    OBJECTS_EXPIRES_S, OBJECTS_EXPIRES_S + 86400};
    r->now_s = times[roll(&r->dice, COUNT_OF(times))];
    if (r->trace) fprintf(stderr, "now %lld\n", (long long)r->now_s);
}

static void step(struct run *r) {
    switch (roll(&r->dice, 16)) {
    case 0:
    case 1: pass(r); break;
    case 2:
    case 3:
        if (r->kept_n) drop_at(r, roll(&r->dice, r->kept_n));
        break;
    case 4: set_fact(r); break;
    case 5: set_time(r); break;
    case 6:
        if (r->out_n) release(r, roll(&r->dice, r->out_n));
        break;
    case 7: bury_one(r); break;
    case 8:
        pass(r);
        compare(r);
        break;
    default: put(r);
    }
}

/* A world in which routes have somewhere to go; every part of it may be replaced and removed as well. */
static void begin(struct run *r) {
    static const struct {
        struct object_name name;
        const char *text;
    } base[] = {
        {{KIND_GATEWAY_CLASS, "", "c0"},
         "{apiVersion: " GW "/v1, kind: GatewayClass, metadata: {name: c0}, spec: {controllerName: "
         "postern.dev/gateway-controller}}"},
        {{KIND_GATEWAY, "a", "g0"},
         "{apiVersion: " GW "/v1, kind: Gateway, metadata: {name: g0, namespace: a}, spec: "
         "{gatewayClassName: c0, allowedListeners: {namespaces: {from: All}}, "
         "listeners: [{name: l0, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}, {name: "
         "l1, port: 443, protocol: HTTPS, hostname: "
         "\"*.example\", tls: {certificateRefs: [{name: s0}]}, allowedRoutes: {namespaces: {from: All}}}]}}"},
        {{KIND_LISTENER_SET, "b", "t0"},
         "{apiVersion: " GW "/v1, kind: ListenerSet, metadata: {name: t0, namespace: b}, spec: {parentRef: "
         "{name: g0, namespace: a}, listeners: [{name: l0, "
         "port: 80, protocol: HTTP, hostname: a.example}, {name: l2, port: 5000, protocol: TCP}]}}"},
        {{KIND_SERVICE, "a", "w0"},
         "{apiVersion: v1, kind: Service, metadata: {name: w0, namespace: a}, spec: {ports: [{name: p0, "
         "port: 80}]}}"},
    };
    unsigned n = roll(&r->dice, COUNT_OF(base) + 1);
    for (unsigned i = 0; i + n < COUNT_OF(base); i++)
        put_text(r, base[i].name, str_dup(str_of(base[i].text)));
}

static void finish(struct run *r) {
    while (r->out_n) release(r, 0);
    while (r->graves_n) bury_one(r);
    pipeline_fini(&r->p);
    for (unsigned i = 0; i < r->kept_n; i++) free(r->kept[i].text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run r = {.dice = {data, data + size},
                    .now_s = OBJECTS_VALID_S + 86400,
                    .all_features = true,
                    .adopted = true,
                    .trace = getenv("WHOLE_TRACE")};
    r.serving = r.dice.no_parameters = roll(&r.dice, 2);
    r.cluster = roll(&r.dice, 4) == 3;
    if (r.trace) fprintf(stderr, "run serving=%d cluster=%d\n", r.serving, r.cluster);
    pipeline_init(&r.p, S("postern.dev/gateway-controller"));
    apply_facts(&r, &r.p);
    begin(&r);
    for (unsigned i = 0; i < STEPS_MAX && r.dice.p < r.dice.end; i++) step(&r);
    pass(&r);
    compare(&r);
    check_plan(&r.p.plan);
    pass(&r);
    assert(!r.p.resolved.routes && !r.p.resolved.gateways && !r.p.resolved.backends &&
           !r.p.resolved.statuses);
    finish(&r);
    return 0;
}
