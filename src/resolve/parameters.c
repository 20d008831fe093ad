/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/parameters.h"

#include "api/core.h"
#include "base/hash.h"

static struct verdict refuse_kind(struct arena *a, const char *path, const struct parameters_reference *ref) {
    return resolver_refuse(a, "InvalidParameters",
                           "%s: " STR_FMT "%s" STR_FMT " is not served; name a ConfigMap", path,
                           STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
}

/* The first thing that is wrong is told, and how many more there are. */
static struct verdict refuse_content(struct arena *a, const char *path, str key, const struct findings *f) {
    const struct finding *first = f->first;
    str more = f->n > 1 ? arena_printf(a, " (and %u more)", f->n - 1) : S("");
    return resolver_refuse(a, "InvalidParameters",
                           "%s: ConfigMap " STR_FMT ": " STR_FMT ": " STR_FMT "%s" STR_FMT STR_FMT, path,
                           STR_ARG(key), STR_ARG(first->path), STR_ARG(first->message),
                           first->remedy.n ? "; " : "", STR_ARG(first->remedy), STR_ARG(more));
}

struct verdict parameters_read(struct pass *p, struct arena *a, const char *path,
                               const struct parameters_reference *ref, str ns, struct settings *ret) {
    if (ref->group.n || !str_eq(ref->kind, S("ConfigMap"))) return refuse_kind(a, path, ref);
    if (!ns.n)
        return resolver_refuse(a, "InvalidParameters",
                               "%s.namespace: a ConfigMap is in a namespace, and none is given; name it",
                               path);
    str key = resolver_key(p->scratch, ns, ref->name);
    const struct config_map *m =
        (const void *)store_get(p->store, p->scratch, KIND_CONFIG_MAP, ns, ref->name);
    if (!m)
        return resolver_refuse(a, "InvalidParameters",
                               "%s: ConfigMap " STR_FMT " does not exist; create it or correct the name",
                               path, STR_ARG(key));
    struct findings f;
    finding_init(&f, p->scratch);
    uint64_t served = p->facts->cluster ? SETTINGS_SERVED : SETTINGS_SERVED & ~SETTINGS_OF_CLUSTER;
    if (settings_read(a, m, served, ret, &f) == OK) return (struct verdict){0};
    return refuse_content(a, path, key, &f);
}

struct settings *parameters_pack(const struct settings *s) {
    size_t bytes;
    return schema_pack(&settings_schema, s, 0, &bytes);
}

bool parameters_equal(const struct settings *x, const struct settings *y) {
    return !x || !y ? x == y : schema_equal(&settings_schema, x, y);
}

static str *copy_all(struct arena *a, const str *from, uint32_t n) {
    str *to = arena_array(a, str, n);
    for (uint32_t i = 0; i < n; i++) to[i] = arena_str(a, from[i]);
    return to;
}

static struct plan_balancing *plan_balancing(struct arena *a, const struct settings *s) {
    bool any = s->ejection_failures.set || s->ejection_statuses.set || s->ejection_time.set ||
               s->ejection_time_max.set || s->ejection_share.set || s->slow_start.set || s->balancing ||
               s->backend_connections.set || s->backend_waiting.set || s->backend_wait.set || s->check;
    if (!any) return NULL;
    struct plan_balancing *to = arena_make(a, struct plan_balancing);
    *to = (struct plan_balancing){.failures = s->ejection_failures,
                                  .statuses = s->ejection_statuses,
                                  .out = s->ejection_time,
                                  .out_max = s->ejection_time_max,
                                  .share = s->ejection_share,
                                  .check = s->check, /* in the same order */
                                  .check_path = arena_str(a, s->check_path),
                                  .check_status = s->check_status,
                                  .check_interval = s->check_interval,
                                  .check_timeout = s->check_timeout,
                                  .check_failures = s->check_failures,
                                  .check_successes = s->check_successes,
                                  .conns = s->backend_connections,
                                  .waiting = s->backend_waiting,
                                  .wait = s->backend_wait,
                                  .slow_start = s->slow_start,
                                  .order = s->balancing}; /* in the same order */
    return to;
}

static bool tells_via(const struct settings *s) { return s->via.n && !str_eq(s->via, S("Off")); }

struct plan_settings *parameters_plan(struct arena *a, const struct settings *s) {
    struct plan_balancing *balancing = plan_balancing(a, s);
    bool any = balancing || s->request.set || s->backend_request.set || s->connect.set || s->idle.set ||
               s->backend_idle.set || s->upgraded_idle.set || s->head.set || s->head_bytes.set ||
               s->body_bytes.set || s->handshake.set || s->head_fields.set || s->streams.set ||
               s->client_connections.set || s->least_bytes.set || s->trusted_proxies.n ||
               s->trusted_hops.set || s->access_log.n || s->upgrades.n ||
               s->request_id > SETTINGS_REQUEST_ID_OFF || s->proxy_protocol > SETTINGS_PROXY_OFF ||
               s->forwarded == SETTINGS_FORWARDED_ON || tells_via(s);
    if (!any) return NULL;
    struct plan_settings *to = arena_make(a, struct plan_settings);
    static_assert((int)SETTINGS_REQUEST_ID_ALWAYS - SETTINGS_REQUEST_ID_OFF == PLAN_REQUEST_ID_ALWAYS,
                  "off is what a plan leaves out");
    static_assert((int)SETTINGS_PROXY_FROM_TRUSTED - SETTINGS_PROXY_OFF == PLAN_PROXY_FROM_TRUSTED,
                  "the same");
    *to = (struct plan_settings){.request_timeout = s->request,
                                 .backend_timeout = s->backend_request,
                                 .connect_timeout = s->connect,
                                 .idle_timeout = s->idle,
                                 .backend_idle_timeout = s->backend_idle,
                                 .upgraded_idle_timeout = s->upgraded_idle,
                                 .head_timeout = s->head,
                                 .handshake_timeout = s->handshake,
                                 .head_bytes = s->head_bytes,
                                 .head_fields = s->head_fields,
                                 .streams = s->streams,
                                 .client_connections = s->client_connections,
                                 .least_bytes = s->least_bytes,
                                 .body_bytes = s->body_bytes,
                                 .trusted_hops = s->trusted_hops,
                                 .forwarded = s->forwarded == SETTINGS_FORWARDED_ON,
                                 .balancing = balancing,
                                 .access_log = arena_str(a, s->access_log)};
    if (s->proxy_protocol > SETTINGS_PROXY_OFF) {
        to->proxy_protocol = (uint8_t)(s->proxy_protocol - SETTINGS_PROXY_OFF);
        to->proxy_trusted.p = copy_all(a, s->proxy_trusted.p, to->proxy_trusted.n = s->proxy_trusted.n);
    }
    if (s->request_id) to->request_id = (uint8_t)(s->request_id - SETTINGS_REQUEST_ID_OFF);
    if (tells_via(s)) {
        to->via_own = !str_eq(s->via, S("On"));
        to->via = to->via_own ? arena_str(a, s->via) : S("postern");
    }
    to->trusted_proxies.p = copy_all(a, s->trusted_proxies.p, to->trusted_proxies.n = s->trusted_proxies.n);
    to->upgrades.p = copy_all(a, s->upgrades.p, to->upgrades.n = s->upgrades.n);
    return to;
}

uint64_t parameters_hash_proxy(const struct plan_settings *s) {
    if (!s || !s->proxy_protocol) return 0;
    uint64_t h = hash_join(1, s->proxy_protocol);
    for (uint32_t i = 0; i < s->proxy_trusted.n; i++) h = hash_join(h, hash_str(s->proxy_trusted.p[i]));
    return h;
}

static struct plan_share map_share(str s) {
    int64_t taken = SETTINGS_SHARE_WHOLE;
    if (s.n && settings_share(s, &taken) != OK) taken = 0; /* the schema has seen it */
    return (struct plan_share){taken, SETTINGS_SHARE_WHOLE};
}

static void map_headers(struct arena *a, str lines, struct plan_tracing *to) {
    str name, value;
    to->headers.p = arena_array(a, struct plan_header, SETTINGS_HEADERS_MAX);
    while (to->headers.n < SETTINGS_HEADERS_MAX && settings_header(&lines, &name, &value))
        to->headers.p[to->headers.n++] = (struct plan_header){arena_str(a, name), arena_str(a, value)};
}

/* A share alone: traces are told on, and begun, without spans of ours. */
struct plan_tracing *parameters_tracing(struct arena *a, const struct settings *s) {
    if (!s->tracing_collector.n && !s->tracing_sampling.n) return NULL;
    struct plan_tracing *to = arena_make(a, struct plan_tracing);
    *to = (struct plan_tracing){.backend = arena_str(a, s->tracing_collector),
                                .sampled = map_share(s->tracing_sampling),
                                .ignores_parent = s->tracing_parent == SETTINGS_PARENT_IGNORE,
                                .service_name = arena_str(a, s->tracing_service),
                                .batch_spans = s->tracing_batch_spans,
                                .batch_time = s->tracing_batch_time};
    if (!to->ignores_parent) to->sampled_of_parent = map_share((str){0});
    if (!to->backend.n) return to;
    map_headers(a, s->tracing_headers, to);
    to->attributes.n = s->tracing_attributes.n;
    to->attributes.p = arena_array(a, struct plan_tracing_attribute, to->attributes.n);
    for (uint32_t i = 0; i < to->attributes.n; i++) {
        str one = s->tracing_attributes.p[i], name = str_cut(&one, '=');
        to->attributes.p[i] = (struct plan_tracing_attribute){
            .name = arena_str(a, name), .value = arena_str(a, one), .source = PLAN_SPAN_LITERAL};
    }
    return to;
}
