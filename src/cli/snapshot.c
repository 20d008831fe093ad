/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/snapshot.h"

#include "api/gateway.h"
#include "api/listener_set.h"
#include "cli/offline.h"
#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_source.h"
#include "resolve/features.h"
#include "resolve/needs.h"
#include "resolve/resolve_warnings.h"
#include "text/json.h"
#include "text/x509.h"
#include "text/yaml.h"

enum {
    PATIENCE_US = 30000000,
    TROUBLED_US = 3000000, /* once the server could not be asked: it is tried again meanwhile */
    FINDINGS_MAX = 1000,
    NOTES_BYTES_MAX = 1 << 16,
    PORT_FIRST = 10000,
    HOSTNAMES_MAX = 100,
    CERTIFICATE_DAYS = 400, /* long enough that nobody is warned of its end */
};

/* One reading. */
struct reading {
    struct snapshot *s;
    struct loop loop;
    struct kube_client *client;
    struct kube_source *source;
    struct timer patience;
    struct kube_facts facts;
    bool settled, late;
};

static void on_late(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct reading *r = container_of(t, struct reading, patience);
    r->late = true;
    loop_stop(&r->loop);
}

static void on_facts(void *arg, const struct kube_facts *f) {
    struct reading *r = arg;
    bool before = r->facts.trouble[0];
    r->facts = *f;
    if (f->trouble[0] && !before)
        timer_set(&r->loop.timers, &r->patience, clock_monotonic_us() + TROUBLED_US);
    if (f->complete) loop_stop(&r->loop);
}

static void keep_status(struct snapshot *s, const struct kube_change *c) {
    str key = api_key(s->arena, c->kind, c->ns, c->name), copy = arena_str(s->arena, c->status);
    if (copy.n) map_put(&s->statuses, key, (void *)(uintptr_t)copy.p);
}

static void on_batch(void *arg, struct kube_batch *b) {
    struct reading *r = arg;
    struct store *store = r->s->pipeline.store;
    for (struct kube_change *c = b->first; c; c = c->next) {
        if (c->what == KUBE_CHANGE_PUT) {
            keep_status(r->s, c);
            store_put(store, TAKE(c->object));
        } else if (c->what == KUBE_CHANGE_REMOVE) {
            store_remove(store, c->kind, c->ns, c->name);
        } else if (c->what == KUBE_CHANGE_SETTLED) {
            r->settled = true;
            loop_stop(&r->loop);
        }
        for (const struct finding *f = c->findings; f; f = f->next) {
            buf_printf(&r->s->notes, STR_FMT "/" STR_FMT " is not read as a whole: ", STR_ARG(c->ns),
                       STR_ARG(c->name));
            finding_print(&r->s->notes, f);
            buf_add_char(&r->s->notes, '\n');
        }
    }
    kube_batch_free(b);
}

str snapshot_status(void *arg, enum api_kind kind, str ns, str name) {
    const struct snapshot *s = arg;
    OWNED(arena) a = arena_new();
    return str_of(map_get(&s->statuses, api_key(a, kind, ns, name)));
}

static void pass(struct snapshot *s) {
    struct table *before = NULL;
    if (pipeline_pass(&s->pipeline, clock_wall_s(), 0, &before)) pipeline_release(&s->pipeline, before);
}

/* ---- what stands for what can not be read ---- */

static size_t add_hostnames(const struct listener *l, uint32_t n, str *to, size_t at) {
    for (uint32_t i = 0; i < n && at < HOSTNAMES_MAX; i++)
        if (l[i].hostname.n) to[at++] = l[i].hostname;
    return at;
}

static size_t list_hostnames(struct snapshot *s, struct arena *a, str *to) {
    size_t n, at = 0;
    const struct object **all = store_list(s->pipeline.store, a, KIND_GATEWAY, &n);
    for (size_t i = 0; i < n; i++) {
        const struct gateway *g = (const void *)all[i];
        at = add_hostnames(g->spec.listeners.p, g->spec.listeners.n, to, at);
    }
    all = store_list(s->pipeline.store, a, KIND_LISTENER_SET, &n);
    for (size_t i = 0; i < n; i++) {
        const struct listener_set *g = (const void *)all[i];
        at = add_hostnames(g->spec.listeners.p, g->spec.listeners.n, to, at);
    }
    return at;
}

static void put_secret(struct snapshot *s, struct arena *a, const struct need_object *o, str chain, str key) {
    struct buf b;
    buf_init(&b, NOTES_BYTES_MAX);
    buf_printf(
        &b,
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"type\": \"kubernetes.io/tls\", \"metadata\": "
        "{\"name\": \"" STR_FMT "\", \"namespace\": \"" STR_FMT "\"}, \"stringData\": {\"tls.crt\": ",
        STR_ARG(o->name), STR_ARG(o->ns));
    buf_add_json(&b, chain);
    buf_add(&b, S(", \"tls.key\": "));
    buf_add_json(&b, key);
    buf_add(&b, S("}}"));
    struct node *n;
    str why;
    uint32_t line, column;
    struct findings found;
    struct object *made;
    finding_init(&found, a);
    if (yaml_parse(a, buf_str(&b), 1, &n, &why, &line, &column) == OK &&
        api_decode(a, n, S(""), &found, &made) == OK)
        store_put(s->pipeline.store, made);
    buf_fini(&b);
}

/* Certificates that the caller may not see are taken as good. */
static void take_as_good(struct snapshot *s, const struct need_object *v, size_t n) {
    OWNED(arena) a = arena_new();
    str names[HOSTNAMES_MAX + 1], chain, key;
    size_t names_n = list_hostnames(s, a, names);
    if (!names_n) names[names_n++] = S("gateway.invalid");
    if (x509_make(a, names, names_n, clock_wall_s() - 3600, CERTIFICATE_DAYS, &chain, &key) != OK) return;
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind != KIND_SECRET || store_has(s->pipeline.store, KIND_SECRET, v[i].ns, v[i].name))
            continue;
        put_secret(s, a, &v[i], chain, key);
        buf_printf(&s->notes,
                   "Secret " STR_FMT "/" STR_FMT " is not yours to read: its certificate is taken as good.\n",
                   STR_ARG(v[i].ns), STR_ARG(v[i].name));
    }
}

/* Addresses as the Gateway's status has them; ports that no two share. */
static void give_addresses(struct snapshot *s) {
    OWNED(arena) a = arena_new();
    size_t n;
    uint16_t to = PORT_FIRST;
    const struct need_gateway *v = needs_gateways(s->pipeline.resolver, a, &n);
    for (size_t i = 0; i < n; i++) {
        struct fact_port *ports = arena_array(a, struct fact_port, v[i].ports_n);
        for (uint32_t k = 0; k < v[i].ports_n; k++)
            ports[k] = (struct fact_port){v[i].ports[k].port, to++, v[i].ports[k].udp};
        struct fact_gateway fact = {.ports = ports, .ports_n = v[i].ports_n, .message = S("")};
        struct node *st = NULL;
        str why, json = snapshot_status(s, KIND_GATEWAY, v[i].ns, v[i].name);
        const struct node *list =
            json.n && json_parse(a, json, &st, &why) == OK ? node_get(st, S("addresses")) : NULL;
        struct fact_address *addresses = arena_array(a, struct fact_address, list ? list->n : 0);
        for (const struct node *c = list ? list->child : NULL; c; c = c->next)
            addresses[fact.addresses_n++] = (struct fact_address){
                node_get_str(c, S("type")), node_get_str(c, S("value")), node_get_str(c, S("routability"))};
        fact.addresses = addresses;
        facts_set_gateway(&s->pipeline.facts,
                          arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(v[i].ns), STR_ARG(v[i].name)), &fact);
    }
}

/* ---- reading ---- */

static bool is_hidden(const struct reading *r, enum api_kind kind) {
    return r->facts.kinds[kind].presence == KUBE_FORBIDDEN;
}

static void tell_hidden(struct reading *r) {
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        if (is_hidden(r, k) && k != KIND_SECRET)
            buf_printf(&r->s->notes, "%s are not yours to read, so nothing is known of them: %s\n",
                       api_type_of(k)->plural, r->facts.kinds[k].message);
}

static bool wait(struct reading *r, const bool *until) {
    timer_set(&r->loop.timers, &r->patience, clock_monotonic_us() + PATIENCE_US);
    while (!*until && !r->late) {
        r->loop.stopped = false;
        loop_run(&r->loop, NULL, NULL);
    }
    return *until;
}

/* Everything there is, then what that names. */
static bool read_all(struct reading *r) {
    struct snapshot *s = r->s;
    if (!wait(r, &r->facts.complete)) return false;
    snprintf(s->pipeline.facts.bundle, sizeof s->pipeline.facts.bundle, "%s", r->facts.bundle_version);
    pass(s);
    OWNED(arena) a = arena_new();
    size_t n;
    const struct need_object *v = needs_objects(s->pipeline.resolver, s->pipeline.store, a, &n);
    struct kube_want *wants = arena_array(a, struct kube_want, n);
    for (size_t i = 0; i < n; i++) wants[i] = (struct kube_want){v[i].kind, v[i].ns, v[i].name};
    kube_source_want(r->source, wants, n, 1);
    if (!wait(r, &r->settled)) return false;
    if (is_hidden(r, KIND_SECRET)) take_as_good(s, v, n);
    give_addresses(s);
    pass(s);
    return true;
}

static bool begin(struct reading *r, const struct cli_options *o, str ns, int *ret_exit) {
    struct buf why;
    struct kube_config *config;
    buf_init(&why, NOTES_BYTES_MAX);
    struct kube_config_options k = {options_get(o, "kubeconfig", NULL), options_get(o, "context", NULL)};
    err e = kube_config_load(&k, &config, &why);
    if (e == OK) {
        buf_clear(&why);
        e = kube_client_new(&r->loop, config, &r->client, &why);
    }
    if (e != OK) {
        fprintf(stderr, "postern %s: " STR_FMT "\n", o->command->name, STR_ARG(buf_str(&why)));
        *ret_exit = CLI_NO;
    } else {
        struct kube_source_config c = {.namespaces = ns.n ? &ns : NULL,
                                       .namespaces_n = ns.n ? 1 : 0,
                                       .on_batch = on_batch,
                                       .on_facts = on_facts,
                                       .arg = r};
        r->source = kube_source_new(r->client, &c);
    }
    buf_fini(&why);
    return e == OK;
}

static void say_late(const struct reading *r, const struct cli_options *o) {
    const char *words = "";
    if (r->facts.trouble[0]) {
        fprintf(stderr, "postern %s: the API server can not be asked: %s\n", o->command->name,
                r->facts.trouble);
        return;
    }
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT && !*words; k++)
        if (r->facts.kinds[k].presence <= KUBE_LISTING) words = r->facts.kinds[k].message;
    fprintf(stderr, "postern %s: the API server did not tell everything within %d s%s%s\n", o->command->name,
            PATIENCE_US / 1000000, *words ? ": " : "", words);
}

static void init(struct snapshot *s, const struct cli_options *o) {
    *s = (struct snapshot){.arena = arena_new()};
    pipeline_init(&s->pipeline, str_of(options_get(o, "controller-name", offline_controller_name)));
    features_enable_cluster(&s->pipeline.facts);
    finding_init(&s->findings, s->arena);
    s->findings.n_max = FINDINGS_MAX;
    buf_init(&s->notes, NOTES_BYTES_MAX);
}

/* ERR_REFUSED: the caller may not read the whole cluster's routes. */
static err read_once(const struct cli_options *o, str ns, struct snapshot *s, int *ret_exit) {
    struct reading r = {.s = s};
    init(s, o);
    loop_init(&r.loop);
    timer_init(&r.patience, on_late);
    err e = begin(&r, o, ns, ret_exit) ? OK : ERR_IO;
    if (e == OK && !read_all(&r)) {
        say_late(&r, o);
        *ret_exit = CLI_NO;
        e = ERR_IO;
    }
    if (e == OK && is_hidden(&r, KIND_HTTP_ROUTE)) e = ERR_REFUSED;
    tell_hidden(&r);
    kube_source_free(r.source);
    kube_client_free(r.client);
    timer_forget(&r.loop.timers, &r.patience);
    loop_fini(&r.loop);
    return e;
}

bool snapshot_init(const struct cli_options *o, str ns, struct snapshot *s, int *ret_exit) {
    log_set_level(LOG_ERROR); /* a command says what it has to say itself */
    err e = read_once(o, S(""), s, ret_exit);
    if (e == ERR_REFUSED && ns.n) {
        snapshot_fini(s);
        e = read_once(o, ns, s, ret_exit);
    }
    if (e != ERR_IO) return true; /* what there is to see is told, with what is not */
    snapshot_fini(s);
    return false;
}

void snapshot_fini(struct snapshot *s) {
    pipeline_fini(&s->pipeline);
    map_fini(&s->statuses);
    buf_fini(&s->notes);
    arena_free(s->arena);
}
