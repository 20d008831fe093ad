/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests -> statuses and table, as text. golden CASE.in.yaml prints; golden --properties CASE... holds every case to
 * what must be so whatever the case: the order of objects does not matter, a second pass changes nothing, an object
 * taken away and put back leaves no trace, changes one by one end where a fresh start ends, and every match is reached but for
 * those that warnings name (reach.h).
 * Facts stand in comment lines of the case:
 *   #! now 1800000000             seconds since 1970 (this one when not given)
 *   #! serving                    there is a data plane: sockets that are not named below are pending
 *   #! bind :80 ok                how a socket came about; implies serving; ":53/udp" is UDP's
 *   #! bind :443 error WORDS
 *   #! name HOST ADDRESS... [error WORDS]   what a name of an XBackend stands for, why no more is known
 *   #! name HOST error WORDS
 *   #! map 80:8080                --map-port
 *   #! gateway NS/NAME PORT>TO ADDRESS[/ROUTABILITY]...    a cluster, and what a Gateway of it has; implies serving
 *                                 "waits" at its end: for more; "lacks N WORDS": N addresses for good; "REASON: WORDS": not reached
 *   #! address 192.0.2.1          of this machine
 *   #! bundle v1.8.0              of the CRDs that were found
 *   #! features                   print supportedFeatures
 *   #! features all               as if the data plane had all that resolve/ knows: the plan is shown where no table is
 *   #! warnings                   print what is valid and hardly meant
 * In the output, "Accepted=True" stands alone when all is well; otherwise the reason follows and, on a line of its own,
 * the message. "~" after a status: its generation is not the object's. */
#include "api/api.h"
#include "api/route.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/rng.h"
#include "control/pipeline.h"
#include "resolve/features.h"
#include "resolve/resolve_warnings.h"
#include "text/yaml.h"

#include "reach.h"

enum { DOCUMENTS_MAX = 256, TEXT_BYTES_MAX = 4 << 20, MAPS_MAX = 8 };

struct kase {
    struct arena *arena;
    str name, text, controller, address, bundle;
    const struct node *docs[DOCUMENTS_MAX + 1]; /* one place for a variant */
    uint32_t docs_n;
    struct fact_port_map maps[MAPS_MAX];
    uint32_t maps_n;
    bool serving, features, all_features, warnings, with_plan, cluster;
    int64_t now_s;
    struct buf findings;
};

static _Noreturn void stop(const char *what, str name) {
    fprintf(stderr, "golden: " STR_FMT ": %s\n", STR_ARG(name), what);
    exit(2);
}

static void read_fact(struct kase *k, str line) {
    str word = str_cut(&line, ' ');
    uint64_t v = 0;
    if (str_eq(word, S("now"))) {
        if (num_parse(line, INT64_MAX, &v) != OK) stop("bad #! now", k->name);
        k->now_s = (int64_t)v;
    } else if (str_eq(word, S("serving")) || str_eq(word, S("bind"))) {
        k->serving = true;
    } else if (str_eq(word, S("name"))) { /* take_name() */
    } else if (str_eq(word, S("gateway"))) {
        k->cluster = k->serving = true; /* take_gateway() */
    } else if (str_eq(word, S("features"))) {
        k->features |= !line.n;
        k->all_features |= str_eq(line, S("all"));
    } else if (str_eq(word, S("warnings"))) {
        k->warnings = true;
    } else if (str_eq(word, S("address"))) {
        k->address = line;
    } else if (str_eq(word, S("bundle"))) {
        k->bundle = line;
    } else if (str_eq(word, S("map")) && k->maps_n < MAPS_MAX) {
        str from = str_cut(&line, ':');
        struct fact_port_map *m = &k->maps[k->maps_n++];
        if (num_parse_port(from, &m->port) != OK || num_parse_port(line, &m->to) != OK)
            stop("bad #! map", k->name);
    } else {
        stop("unknown #! line", k->name);
    }
}

static void each_fact(struct kase *k, void (*take)(struct kase *, str, void *), void *arg) {
    for (str text = k->text; text.n;) {
        str line = str_cut(&text, '\n');
        if (str_starts(line, S("#! "))) take(k, str_trim(str_from(line, 3)), arg);
    }
}

static void take_fact(struct kase *k, str line, void *arg) {
    (void)arg;
    read_fact(k, line);
}

/* Applied to each pipeline, since binds live in its facts. */
static void take_bind(struct kase *k, str line, void *arg) {
    struct facts *f = arg;
    if (!str_starts(line, S("bind "))) return;
    line = str_from(line, 5);
    str socket = str_cut(&line, ' '), how = str_cut(&line, ' ');
    bool udp = str_ends(socket, S("/udp"));
    if (udp) socket.n -= strlen("/udp");
    size_t colon = str_rfind(socket, ':');
    uint16_t port;
    if (num_parse_port(str_from(socket, colon + 1), &port) != OK) stop("bad #! bind", k->name);
    facts_set_bind(f, str_upto(socket, colon), port, udp ? FACT_UDP : FACT_TCP, str_eq(how, S("ok")), line);
}

static void take_name(struct kase *k, str line, void *arg) {
    enum { ADDRESSES_MAX = 8 };
    struct ip ips[ADDRESSES_MAX];
    uint32_t n = 0;
    if (!str_starts(line, S("name "))) return;
    line = str_from(line, 5);
    str host = str_cut(&line, ' '), error = {0};
    while (line.n && n < ADDRESSES_MAX) {
        if (str_starts(line, S("error "))) {
            error = str_from(line, 6);
            break;
        }
        if (ip_parse(str_cut(&line, ' '), &ips[n++]) != OK) stop("bad #! name", k->name);
    }
    facts_set_name(arg, host, ips, n, error);
}

static void take_address(struct kase *k, str word, struct fact_gateway *g, struct fact_address *addresses) {
    enum { ADDRESSES_MAX = 8 };
    str value = str_cut(&word, '/');
    if (g->addresses_n == ADDRESSES_MAX) stop("too many addresses", k->name);
    addresses[g->addresses_n++] = (struct fact_address){S("IPAddress"), value, word};
}

static void take_gateway(struct kase *k, str line, void *arg) {
    struct fact_port port = {0};
    struct fact_address addresses[8];
    struct fact_gateway g = {.ports = &port, .addresses = addresses, .message = S(""), .missed = S("")};
    if (!str_starts(line, S("gateway "))) return;
    line = str_from(line, 8);
    str key = str_cut(&line, ' ');
    while (line.n) {
        str word = str_cut(&line, ' ');
        uint64_t n;
        size_t arrow = str_find(word, '>');
        if (arrow < word.n) {
            if (num_parse_port(str_upto(word, arrow), &port.port) != OK ||
                num_parse_port(str_from(word, arrow + 1), &port.to) != OK)
                stop("bad #! gateway", k->name);
            g.ports_n = 1;
        } else if (str_eq(word, S("waits"))) {
            g.pending = true, g.reason = "Pending", g.message = S("not yet");
        } else if (str_eq(word, S("lacks"))) {
            if (num_parse(str_cut(&line, ' '), 16, &n) != OK) stop("bad #! gateway", k->name);
            g.missed_n = (uint32_t)n, g.missed = line;
            break;
        } else if (str_ends(word, S(":"))) {
            g.reason = arena_str(k->arena, str_upto(word, word.n - 1)).p, g.message = line;
            break;
        } else {
            take_address(k, word, &g, addresses);
        }
    }
    facts_set_gateway(arg, key, &g);
}

static void read_case(struct kase *k, const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) stop("can not be read", str_of(path));
    char *bytes = arena_bytes(k->arena, TEXT_BYTES_MAX);
    k->text = (str){bytes, fread(bytes, 1, TEXT_BYTES_MAX, f)};
    fclose(f);
    str rest = k->text, doc;
    uint32_t line = 1, doc_line;
    struct findings findings;
    finding_init(&findings, k->arena);
    while (yaml_next_document(&rest, &line, &doc, &doc_line)) {
        struct node *n = NULL;
        str message;
        uint32_t at_line, at_column;
        if (yaml_parse(k->arena, doc, doc_line, &n, &message, &at_line, &at_column) != OK)
            finding_add(&findings, FINDING_SCHEMA, at_line, at_column, S(""), (str){0}, STR_FMT,
                        STR_ARG(message));
        else if (n && k->docs_n == DOCUMENTS_MAX)
            stop("too many documents", k->name);
        else if (n)
            k->docs[k->docs_n++] = n;
    }
    for (const struct finding *x = findings.first; x; x = x->next) {
        buf_add(&k->findings, S("finding "));
        finding_print(&k->findings, x);
        buf_add_char(&k->findings, '\n');
    }
}

static void open_case(struct kase *k, const char *path) {
    *k = (struct kase){
        .arena = arena_new(), .now_s = 1800000000, .controller = S("postern.dev/gateway-controller")};
    const char *slash = strrchr(path, '/');
    k->name = str_of(slash ? slash + 1 : path);
    buf_init(&k->findings, TEXT_BYTES_MAX);
    read_case(k, path);
    each_fact(k, take_fact, NULL);
}

static void close_case(struct kase *k) {
    buf_fini(&k->findings);
    arena_free(k->arena);
}

/* A document as an object of its own, or NULL with findings. */
static struct object *decode(const struct kase *k, uint32_t i, struct buf *ret_findings) {
    OWNED(arena) a = arena_new();
    struct findings f;
    finding_init(&f, a);
    f.file = k->name;
    struct object *o = NULL;
    err e = api_decode(a, k->docs[i], k->name, &f, &o);
    for (const struct finding *x = f.first; ret_findings && x; x = x->next) {
        buf_add(ret_findings, S("finding "));
        finding_print(ret_findings, x);
        buf_add_char(ret_findings, '\n');
    }
    return e == OK ? o : NULL;
}

static void start(struct pipeline *p, struct kase *k) {
    pipeline_init(p, k->controller);
    p->facts.port_maps = k->maps;
    p->facts.port_maps_n = k->maps_n;
    p->facts.serving = k->serving;
    p->facts.revision_adopted = UINT64_MAX; /* what is asked of the workers is done at once */
    p->facts.address = k->address;
    snprintf(p->facts.bundle, sizeof p->facts.bundle, STR_FMT, STR_ARG(k->bundle));
    if (k->all_features) features_enable_all(&p->facts);
    if (k->cluster) features_enable_cluster(&p->facts);
    each_fact(k, take_gateway, &p->facts);
    each_fact(k, take_bind, &p->facts);
    each_fact(k, take_name, &p->facts);
}

static void bury(struct pipeline *p) {
    for (struct compile_grave *g; (g = compile_retired(p->compiler));) compile_buried(p->compiler, g);
}

static bool pass(struct pipeline *p, const struct kase *k) {
    struct table *before = NULL;
    bool changed = pipeline_pass(p, k->now_s, 0, &before);
    if (changed) pipeline_release(p, before);
    bury(p);
    return changed;
}

static bool is_good(const struct condition *c) {
    if (str_eq(c->type, S("Conflicted"))) return c->status == CONDITION_FALSE;
    return c->status == CONDITION_TRUE && str_eq(c->reason, c->type);
}

/* A good condition that has something to say besides. */
static bool is_notice(const struct condition *c) {
    return str_eq(c->type, S("ResolvedRefs")) && !str_eq(c->message, S("all references are resolved"));
}

static bool tells(const struct condition *c) { return !is_good(c) || is_notice(c) || !c->message.n; }

/* A message that several conditions share stands once, with the first. */
static void print_message(struct buf *b, const struct condition *p, uint32_t n, uint32_t at) {
    for (uint32_t i = 0; i < at; i++)
        if (tells(&p[i]) && str_eq(p[i].message, p[at].message)) return;
    buf_printf(b, "        " STR_FMT, STR_ARG(p[at].type));
    for (uint32_t i = at + 1; i < n; i++)
        if (tells(&p[i]) && str_eq(p[i].message, p[at].message))
            buf_printf(b, ", " STR_FMT, STR_ARG(p[i].type));
    buf_printf(b, ": " STR_FMT "\n", STR_ARG(p[at].message));
}

/* Good news that every case has. */
static bool is_usual(const struct condition *c) {
    static const char *const types[] = {"Conflicted", "SupportedVersion", "AddressesAssigned"};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(c->type, str_of(types[i]))) return is_good(c);
    return false;
}

static void print_conditions(struct buf *b, const struct condition *p, uint32_t n, int64_t generation) {
    static const char *const statuses[] = {"Unknown", "True", "False"};
    for (uint32_t i = 0; i < n; i++) {
        if (is_usual(&p[i])) continue;
        buf_printf(b, "  " STR_FMT "=%s%s", STR_ARG(p[i].type), statuses[p[i].status],
                   p[i].observed_generation == generation ? "" : "~");
        if (!is_good(&p[i])) buf_printf(b, "/" STR_FMT, STR_ARG(p[i].reason));
    }
    buf_add_char(b, '\n');
    for (uint32_t i = 0; i < n; i++)
        if (tells(&p[i])) print_message(b, p, n, i);
}

static void print_class(struct buf *b, const struct kase *k, const struct object *o,
                        const struct gateway_class_status *st) {
    buf_printf(b, "status  GatewayClass " STR_FMT, STR_ARG(o->meta.name));
    print_conditions(b, st->conditions.p, st->conditions.n, o->meta.generation);
    for (uint32_t i = 0; k->features && i < st->supported_features.n; i++)
        buf_printf(b, "feature " STR_FMT "\n", STR_ARG(st->supported_features.p[i].name));
}

static void print_listeners(struct buf *b, const struct object *o, const struct listener_status *p,
                            uint32_t n) {
    for (const struct listener_status *l = p; l < p + n; l++) {
        buf_printf(b, "status  %s " STR_FMT "/" STR_FMT "  listener=" STR_FMT " attached=%lld kinds=",
                   api_type_of(o->kind)->name, STR_ARG(o->meta.ns), STR_ARG(o->meta.name), STR_ARG(l->name),
                   (long long)l->attached_routes);
        for (uint32_t x = 0; x < l->supported_kinds.n; x++)
            buf_printf(b, "%s" STR_FMT, x ? "," : "", STR_ARG(l->supported_kinds.p[x].kind));
        print_conditions(b, l->conditions.p, l->conditions.n, o->meta.generation);
    }
}

static void print_gateway(struct buf *b, const struct object *o, const struct gateway_status *st) {
    buf_printf(b, "status  Gateway " STR_FMT "/" STR_FMT, STR_ARG(o->meta.ns), STR_ARG(o->meta.name));
    for (uint32_t i = 0; i < st->addresses.n; i++)
        buf_printf(b, "  address=" STR_FMT "%s" STR_FMT, STR_ARG(st->addresses.p[i].value),
                   st->addresses.p[i].routability.n ? "/" : "", STR_ARG(st->addresses.p[i].routability));
    if (st->attached_listener_sets) buf_printf(b, "  sets=%lld", (long long)st->attached_listener_sets);
    print_conditions(b, st->conditions.p, st->conditions.n, o->meta.generation);
    print_listeners(b, o, st->listeners.p, st->listeners.n);
}

static void print_set(struct buf *b, const struct object *o, const struct listener_set_status *st) {
    buf_printf(b, "status  ListenerSet " STR_FMT "/" STR_FMT, STR_ARG(o->meta.ns), STR_ARG(o->meta.name));
    print_conditions(b, st->conditions.p, st->conditions.n, o->meta.generation);
    print_listeners(b, o, st->listeners.p, st->listeners.n);
}

static void print_entry(struct buf *b, const struct object *o, const char *what, const struct parent_ref *r,
                        const struct condition *p, uint32_t n) {
    buf_printf(b, "status  %s " STR_FMT "/" STR_FMT "  %s=", api_type_of(o->kind)->name, STR_ARG(o->meta.ns),
               STR_ARG(o->meta.name), what);
    if (str_eq(r->kind, S("ListenerSet"))) buf_add(b, S("ListenerSet:"));
    if (r->ns.n) buf_printf(b, STR_FMT "/", STR_ARG(r->ns));
    buf_add(b, r->name);
    if (r->section_name.n) buf_printf(b, "/" STR_FMT, STR_ARG(r->section_name));
    if (r->port.set) buf_printf(b, ":%lld", (long long)r->port.v);
    print_conditions(b, p, n, o->meta.generation);
}

static void print_route(struct buf *b, const struct object *o, const struct route_status *st) {
    for (uint32_t i = 0; i < st->parents.n; i++)
        print_entry(b, o, "parent", &st->parents.p[i].parent_ref, st->parents.p[i].conditions.p,
                    st->parents.p[i].conditions.n);
}

static void print_policy(struct buf *b, const struct object *o, const struct policy_status *st) {
    for (uint32_t i = 0; i < st->ancestors.n; i++)
        print_entry(b, o, "ancestor", &st->ancestors.p[i].ancestor_ref, st->ancestors.p[i].conditions.p,
                    st->ancestors.p[i].conditions.n);
}

static void print_mesh(struct buf *b, const struct object *o, const struct xmesh_status *st) {
    buf_printf(b, "status  XMesh " STR_FMT, STR_ARG(o->meta.name));
    print_conditions(b, st->conditions.p, st->conditions.n, o->meta.generation);
}

static void print_statuses(struct buf *b, const struct pipeline *p, const struct kase *k) {
    OWNED(arena) a = arena_new();
    for (enum api_kind kind = KIND_NONE + 1; kind < KIND_COUNT; kind++) {
        size_t n;
        const struct object **all = store_list(p->store, a, kind, &n);
        for (size_t x = 0; x < n; x++) {
            const void *st = resolve_status(p->resolver, kind, all[x]->meta.ns, all[x]->meta.name);
            if (!st) continue;
            if (kind == KIND_GATEWAY_CLASS)
                print_class(b, k, all[x], st);
            else if (kind == KIND_GATEWAY)
                print_gateway(b, all[x], st);
            else if (kind == KIND_LISTENER_SET)
                print_set(b, all[x], st);
            else if (kind == KIND_XMESH)
                print_mesh(b, all[x], st);
            else if (route_is(kind))
                print_route(b, all[x], st);
            else
                print_policy(b, all[x], st);
        }
    }
}

/* What tables do not carry: listeners and routes that are not HTTP or ask for more, and how backends are reached. */
static bool in_table(enum plan_kind kind, const void *piece) {
    const struct plan_backend *b = piece;
    if (kind == PLAN_LISTENER || kind == PLAN_ROUTE) return compile_carries(piece);
    if (kind == PLAN_BACKEND)
        return b->protocol == PLAN_BACKEND_HTTP && !b->tls && !b->refused.n && !b->retry_budget &&
               !b->external.n;
    return kind == PLAN_CERTIFICATE; /* its key differs with each secret */
}

/* Of the routes of a TCP or UDP listener the first has all traffic. */
static void print_first(struct buf *b, const struct plan *plan, const struct plan_listener *l) {
    OWNED(arena) a = arena_new();
    const struct plan_route *first = NULL;
    if (l->protocol != PLAN_TCP && l->protocol != PLAN_UDP) return;
    index_each (const struct plan_piece, piece, &plan->pieces[PLAN_ROUTE]) {
        const struct plan_route *r = plan_open(a, piece);
        for (uint32_t i = 0; i < r->attachments.n; i++)
            if (str_eq(r->attachments.p[i].listener, l->piece.key) &&
                (!first || plan_route_order(r, first) < 0))
                first = r;
    }
    if (first)
        buf_printf(b, "plan    " STR_FMT " -> " STR_FMT "\n", STR_ARG(l->piece.key),
                   STR_ARG(first->piece.key));
}

static void print_warnings(struct buf *b, const struct pipeline *p, const struct kase *k) {
    OWNED(arena) a = arena_new();
    struct findings f;
    finding_init(&f, a);
    resolve_warnings(p->resolver, p->store, &p->plan, k->now_s, &f);
    for (const struct finding *x = f.first; x; x = x->next) {
        buf_add(b, S("warning "));
        finding_print(b, x);
        buf_add_char(b, '\n');
    }
}

static void print_plan(struct buf *b, const struct plan *plan) {
    OWNED(arena) a = arena_new();
    for (enum plan_kind kind = 0; kind < PLAN_KIND_COUNT; kind++) {
        void **all = index_sorted(&plan->pieces[kind]);
        for (uint32_t i = 0; i < plan->pieces[kind].n; i++) {
            const void *piece = plan_open(a, all[i]);
            if (in_table(kind, piece)) continue;
            buf_printf(b, "plan    %s ", plan_kind_name(kind));
            schema_json(b, plan_schema(kind), piece, false, false);
            buf_add_char(b, '\n');
            if (kind == PLAN_LISTENER) print_first(b, plan, piece);
        }
        free(all);
    }
}

/* Statuses and table as they stand; for comparing states the plan as well, which also has what no table shows. A block
 * to free(). */
static char *print_state(const struct pipeline *p, const struct kase *k) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    print_statuses(&b, p, k);
    table_dump(p->table, &b);
    if (k->all_features) print_plan(&b, &p->plan);
    if (k->warnings) print_warnings(&b, p, k);
    if (k->with_plan) {
        struct plan plan = p->plan;
        plan.revision = 0; /* counts passes */
        plan_json(&plan, &b);
    }
    char *text = str_dup(buf_str(&b));
    buf_fini(&b);
    return text;
}

/* What a fresh start makes of the first n documents in the order given; a block to free(). */
static char *run(struct kase *k, const uint32_t *order, uint32_t n, struct buf *findings) {
    struct pipeline p;
    start(&p, k);
    for (uint32_t i = 0; i < n; i++) {
        struct object *o = decode(k, order[i], findings);
        if (o) store_put(p.store, o);
    }
    pass(&p, k);
    char *text = print_state(&p, k);
    pipeline_fini(&p);
    return text;
}

static uint32_t *in_order(struct kase *k) {
    uint32_t *order = arena_array(k->arena, uint32_t, k->docs_n + 1);
    for (uint32_t i = 0; i < k->docs_n; i++) order[i] = i;
    return order;
}

static bool same(const struct kase *k, const char *property, const char *wanted, const char *got) {
    if (strcmp(wanted, got) == 0) return true;
    fprintf(stderr, "FAIL " STR_FMT ": %s\n--- wanted\n%s--- got\n%s", STR_ARG(k->name), property, wanted,
            got);
    return false;
}

static void shuffle(uint32_t *order, uint32_t n, struct rng *rng) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t at = rng_below(rng, i), kept = order[at];
        order[at] = order[i - 1], order[i - 1] = kept;
    }
}

/* false: the document breaks its schema. */
static bool put(struct pipeline *p, const struct kase *k, uint32_t i) {
    struct object *o = decode(k, i, NULL);
    if (o) store_put(p->store, o);
    return o;
}

/* Objects come one by one in this order with a pass after each, each time ending where a fresh start ends; then a pass
 * without a change changes nothing. */
static bool hold_steps(struct kase *k, const uint32_t *order) {
    struct pipeline p;
    bool ok = true;
    start(&p, k);
    pass(&p, k);
    for (uint32_t i = 0; i < k->docs_n && ok; i++) {
        put(&p, k, order[i]);
        pass(&p, k);
        char *got = print_state(&p, k), *fresh = run(k, order, i + 1, NULL);
        ok = same(k, "one by one ends where a fresh start ends", fresh, got);
        free(got);
        free(fresh);
    }
    bool idle = !pass(&p, k) && !p.resolved.routes && !p.resolved.gateways && !p.resolved.backends &&
                !p.resolved.statuses;
    if (ok && !idle)
        fprintf(stderr, "FAIL " STR_FMT ": a pass without a change did something\n", STR_ARG(k->name));
    pipeline_fini(&p);
    return ok && idle;
}

/* The order in which objects come does not matter, at once or one by one. */
static bool hold_shuffle(struct kase *k, const char *wanted) {
    struct rng rng = {.state = hash_str(k->text)};
    uint32_t *order = in_order(k);
    bool ok = hold_steps(k, order);
    for (int round = 0; round < 3 && ok; round++) {
        shuffle(order, k->docs_n, &rng);
        char *got = run(k, order, k->docs_n, NULL);
        ok = same(k, "shuffled objects give the same", wanted, got) && hold_steps(k, order);
        free(got);
    }
    return ok;
}

/* Takes the i-th object away, and puts it back. */
static bool hold_one_removal(struct kase *k, struct pipeline *p, uint32_t i, const char *wanted) {
    struct object *o = decode(k, i, NULL);
    if (!o) return true;
    uint32_t *rest = in_order(k);
    memmove(rest + i, rest + i + 1, (k->docs_n - i - 1) * sizeof *rest);
    store_remove(p->store, o->kind, o->meta.ns, o->meta.name);
    pass(p, k);
    char *got = print_state(p, k), *fresh = run(k, rest, k->docs_n - 1, NULL);
    bool ok = same(k, "what a removal leaves is what a fresh start makes of the rest", fresh, got);
    free(got);
    free(fresh);
    store_put(p->store, o);
    pass(p, k);
    got = print_state(p, k);
    ok = ok && same(k, "an object taken away and put back leaves no trace", wanted, got);
    free(got);
    return ok;
}

static bool hold_removal(struct kase *k, const char *wanted) {
    struct pipeline p;
    bool ok = true;
    start(&p, k);
    for (uint32_t i = 0; i < k->docs_n; i++) put(&p, k, i);
    pass(&p, k);
    for (uint32_t i = 0; i < k->docs_n && ok; i++) ok = hold_one_removal(k, &p, i, wanted);
    pipeline_fini(&p);
    return ok;
}

/* Document i with all but the metadata of document j, which is of the same kind; NULL: they are not. */
static const struct node *variant(struct kase *k, uint32_t i, uint32_t j) {
    if (i == j || !str_eq(node_get_str(k->docs[i], S("kind")), node_get_str(k->docs[j], S("kind"))))
        return NULL;
    struct node *all = arena_make(k->arena, struct node), **last = &all->child;
    *all = *k->docs[j];
    for (const struct node *c = k->docs[j]->child; c; c = c->next) {
        struct node *copy = *last = arena_make(k->arena, struct node);
        *copy = str_eq(c->key, S("metadata")) ? *node_get(k->docs[i], c->key) : *c;
        copy->next = NULL;
        last = &copy->next;
    }
    return all;
}

enum { VARIANTS_MAX = 3 };

/* An object replaced by another of its kind under its own name gives what a fresh start gives, there and back. */
static bool hold_replacement(struct kase *k, const char *wanted) {
    struct pipeline p;
    bool ok = true;
    start(&p, k);
    for (uint32_t i = 0; i < k->docs_n; i++) put(&p, k, i);
    pass(&p, k);
    for (uint32_t i = 0; i < k->docs_n && ok; i++)
        for (uint32_t step = 1, done = 0; step < k->docs_n && done < VARIANTS_MAX && ok; step++) {
            uint32_t *order = in_order(k);
            k->docs[k->docs_n] = variant(k, i, (i + step) % k->docs_n);
            if (!k->docs[k->docs_n]) continue;
            order[i] = k->docs_n;
            if (!put(&p, k, i) || !put(&p, k, k->docs_n)) continue;
            pass(&p, k);
            char *got = print_state(&p, k), *fresh = run(k, order, k->docs_n, NULL);
            ok = same(k, "a replacement ends where a fresh start ends", fresh, got);
            free(got);
            free(fresh);
            put(&p, k, i);
            pass(&p, k);
            got = print_state(&p, k);
            ok = ok && same(k, "a replacement taken back leaves no trace", wanted, got);
            free(got);
            done++;
        }
    pipeline_fini(&p);
    return ok;
}

/* Each match is reached, but for those that are told not to be. */
static bool hold_reach(struct kase *k) {
    struct pipeline p;
    start(&p, k);
    for (uint32_t i = 0; i < k->docs_n; i++) put(&p, k, i);
    pass(&p, k);
    bool ok = reach_holds(&p, k->name, k->now_s);
    pipeline_fini(&p);
    return ok;
}

static bool hold_properties(const char *path) {
    struct kase k;
    open_case(&k, path);
    k.with_plan = true;
    char *wanted = run(&k, in_order(&k), k.docs_n, NULL), *again = run(&k, in_order(&k), k.docs_n, NULL);
    bool ok = same(&k, "twice gives the same", wanted, again) && hold_shuffle(&k, wanted) &&
              hold_removal(&k, wanted) && hold_replacement(&k, wanted) && hold_reach(&k);
    free(wanted);
    free(again);
    close_case(&k);
    return ok;
}

static void print_case(const char *path) {
    struct kase k;
    open_case(&k, path);
    char *text = run(&k, in_order(&k), k.docs_n, &k.findings);
    str findings = buf_str(&k.findings);
    printf(STR_FMT "%s", STR_ARG(findings), text);
    free(text);
    close_case(&k);
}

int main(int argc, char **argv) {
    if (argc == 2 && argv[1][0] != '-') {
        print_case(argv[1]);
        return 0;
    }
    if (argc < 3 || strcmp(argv[1], "--properties") != 0) {
        fputs("usage: golden CASE.in.yaml | golden --properties CASE.in.yaml...\n", stderr);
        return 2;
    }
    int failed = 0;
    for (int i = 2; i < argc; i++) failed += !hold_properties(argv[i]);
    printf("golden: %d of %d cases hold all properties\n", argc - 2 - failed, argc - 2);
    return failed != 0;
}
