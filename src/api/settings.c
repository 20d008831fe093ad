/* SPDX-License-Identifier: Apache-2.0 */
#include "api/settings.h"

#include "api/pattern.h"
#include "base/ip.h"
#include "base/num.h"
#include "http/access_format.h"
#include "schema/breach.h"
#include "text/node.h"

static bool is_network(str s) {
    struct ip_net net;
    return ip_parse_net(s, &net) == OK;
}
static const struct pattern network = {NULL, is_network, "must be a network, as 10.0.0.0/8 or 2001:db8::/32"};

/* What no gateway passes on: h2c would let requests by it, TLS hide them. */
static bool is_upgrade(str s) {
    size_t slash = str_find(s, '/');
    str name = str_upto(s, slash), version = str_from(s, slash + 1);
    bool token = pattern_header_name.holds(name) && (slash == s.n || pattern_header_name.holds(version));
    return token && !str_ieq(name, S("h2c")) && !str_ieq(name, S("HTTP")) && !str_ieq(name, S("TLS"));
}
static const struct pattern upgrade = {
    NULL, is_upgrade, "must be a protocol as in Upgrade, SPDY/3.1 for one, and not h2c, HTTP or TLS"};

static bool is_path(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '?' || s.p[i] == '#') return false;
    return s.n && s.p[0] == '/';
}
static const struct pattern check_path = {
    NULL, is_path, "must be a path as /healthz: of visible characters, without a query"};

/* NAME:PORT, of a Service. */
static bool is_service_port(str s) {
    size_t colon = str_find(s, ':');
    uint16_t port;
    return pattern_label.holds(str_upto(s, colon)) && num_parse_port(str_from(s, colon + 1), &port) == OK;
}
static const struct pattern service_port = {
    NULL, is_service_port, "must be NAME:PORT, a Service in the ConfigMap's namespace and its port"};

err settings_share(str s, int64_t *ret) {
    if (!s.n || s.p[s.n - 1] != '%') return ERR_PROTO;
    str rest = str_upto(s, s.n - 1), whole = str_cut(&rest, '.');
    uint64_t v, fraction = 0, scale = SETTINGS_SHARE_WHOLE / 100;
    if (num_parse(whole, 100, &v) != OK) return ERR_PROTO;
    if (rest.p && (rest.n > 6 || num_parse(rest, 999999, &fraction) != OK)) return ERR_PROTO;
    for (size_t i = rest.n; rest.p && i < 6; i++) fraction *= 10;
    v = v * scale + fraction;
    if (v > SETTINGS_SHARE_WHOLE) return ERR_PROTO;
    *ret = (int64_t)v;
    return OK;
}
static bool is_share(str s) {
    int64_t v;
    return settings_share(s, &v) == OK;
}
static const struct pattern share = {
    NULL, is_share, "must be a percentage from 0% to 100%, with at most six digits behind the point"};

static bool is_attribute(str s) {
    size_t equals = str_find(s, '=');
    return equals && equals + 1 < s.n && pattern_telemetry_name.holds(str_upto(s, equals));
}
static const struct pattern attribute = {NULL, is_attribute, "must be KEY=VALUE, as in region=eu-west"};

bool settings_header(str *lines, str *ret_name, str *ret_value) {
    while (lines->p) {
        str line = str_trim(str_cut(lines, '\n'));
        if (line.n && line.p[line.n - 1] == '\r') line = str_trim(str_upto(line, line.n - 1));
        if (!line.n) continue;
        size_t colon = str_find(line, ':');
        *ret_name = colon < line.n ? str_trim(str_upto(line, colon)) : S("");
        *ret_value = str_trim(str_from(line, colon + 1));
        return true;
    }
    return false;
}

/* A token, and perhaps a port; what is nearly Off or On is taken for a mistake.      [RFC 9110 7.6.3 received-by] */
static bool is_via(str s) {
    static const char *const near[] = {"on", "off", "true", "false", "yes", "no", "none"};
    if (str_eq(s, S("Off")) || str_eq(s, S("On"))) return true;
    for (size_t i = 0; i < COUNT_OF(near); i++)
        if (str_ieq(s, str_of(near[i]))) return false;
    size_t colon = str_find(s, ':');
    uint16_t port;
    return pattern_header_name.holds(str_upto(s, colon)) &&
           (colon == s.n || num_parse_port(str_from(s, colon + 1), &port) == OK);
}
static const struct pattern via = {
    NULL, is_via, "must be Off, On, or a name of this gateway's own: a token, as edge-1, and perhaps :PORT"};

static const char *const parents[] = {"Follow", "Ignore", NULL};
static const char *const proxy_protocols[] = {"Off", "Required", "FromTrusted", NULL};
static const char *const switches[] = {"Off", "On", NULL};
static const char *const request_ids[] = {"Off", "IfAbsent", "FromTrusted", "Always", NULL};
static const char *const services[] = {"LoadBalancer", "NodePort", "ClusterIP", "HostPort", NULL};
static const char *const checks[] = {"Off", "TCP", "HTTP", NULL};
static const char *const balancings[] = {"LeastRequests", "RoundRobin", NULL};

/* In the order of enum settings_key. */
static const struct field fields[] = {
    {"timeouts.request", FIELD_DURATION, AT(settings, request)},
    {"timeouts.backendRequest", FIELD_DURATION, AT(settings, backend_request)},
    {"timeouts.connect", FIELD_DURATION, AT(settings, connect)},
    {"timeouts.idle", FIELD_DURATION, AT(settings, idle)},
    {"timeouts.backendIdle", FIELD_DURATION, AT(settings, backend_idle)},
    {"timeouts.upgradedIdle", FIELD_DURATION, AT(settings, upgraded_idle)},
    {"timeouts.head", FIELD_DURATION, AT(settings, head)},
    {"limits.headBytes", FIELD_OPT_INT, AT(settings, head_bytes), .min = 1024, .max = 1 << 20},
    {"limits.bodyBytes", FIELD_OPT_INT, AT(settings, body_bytes), .min = 1, .max = INT64_C(1) << 40},
    {"trustedProxies", FIELD_STR_LIST, AT(settings, trusted_proxies), .flags = FIELD_UNIQUE, .min = 1,
     .max = 256, .item_max = 64, .pattern = &network},
    {"timeouts.handshake", FIELD_DURATION, AT(settings, handshake)},
    {"limits.headFields", FIELD_OPT_INT, AT(settings, head_fields), .min = 16, .max = 1000},
    {"limits.streams", FIELD_OPT_INT, AT(settings, streams), .min = 1, .max = 1000},
    {"limits.clientConnections", FIELD_OPT_INT, AT(settings, client_connections), .min = 1, .max = 1000000},
    {"limits.leastBytesPerSecond", FIELD_OPT_INT, AT(settings, least_bytes), .min = 0, .max = 1000000},
    {"trustedHops", FIELD_OPT_INT, AT(settings, trusted_hops), .min = 1, .max = 32},
    {"forwarded", FIELD_ENUM, AT(settings, forwarded), .values = switches},
    {"via", FIELD_STR, AT(settings, via), .min = 1, .max = 64, .pattern = &via},
    {"requestId", FIELD_ENUM, AT(settings, request_id), .values = request_ids},
    {"upgrades", FIELD_STR_LIST, AT(settings, upgrades), .flags = FIELD_UNIQUE, .min = 1, .max = 16,
     .item_max = 64, .pattern = &upgrade},
    {"proxyProtocol", FIELD_ENUM, AT(settings, proxy_protocol), .values = proxy_protocols},
    {"proxyProtocol.trusted", FIELD_STR_LIST, AT(settings, proxy_trusted), .flags = FIELD_UNIQUE, .min = 1,
     .max = 256, .item_max = 64, .pattern = &network},
    {"balancing", FIELD_ENUM, AT(settings, balancing), .values = balancings},
    {"ejection.failures", FIELD_OPT_INT, AT(settings, ejection_failures), .min = 0, .max = 10000},
    {"ejection.statuses", FIELD_OPT_INT, AT(settings, ejection_statuses), .min = 0, .max = 10000},
    {"ejection.time", FIELD_DURATION, AT(settings, ejection_time)},
    {"ejection.timeMax", FIELD_DURATION, AT(settings, ejection_time_max)},
    {"ejection.share", FIELD_OPT_INT, AT(settings, ejection_share), .min = 0, .max = 100},
    {"limits.backendConnections", FIELD_OPT_INT, AT(settings, backend_connections), .min = 1, .max = 1000000},
    {"limits.backendWaiting", FIELD_OPT_INT, AT(settings, backend_waiting), .min = 0, .max = 1000000},
    {"timeouts.backendWait", FIELD_DURATION, AT(settings, backend_wait)},
    {"check.protocol", FIELD_ENUM, AT(settings, check), .values = checks},
    {"check.path", FIELD_STR, AT(settings, check_path), .min = 1, .max = 127, .pattern = &check_path},
    {"check.status", FIELD_OPT_INT, AT(settings, check_status), .min = 200, .max = 599},
    {"check.interval", FIELD_DURATION, AT(settings, check_interval)},
    {"check.timeout", FIELD_DURATION, AT(settings, check_timeout)},
    {"check.failures", FIELD_OPT_INT, AT(settings, check_failures), .min = 1, .max = 100},
    {"check.successes", FIELD_OPT_INT, AT(settings, check_successes), .min = 1, .max = 100},
    {"slowStart", FIELD_DURATION, AT(settings, slow_start)},
    {"addresses.service", FIELD_ENUM, AT(settings, service), .values = services},
    {"accessLog", FIELD_STR, AT(settings, access_log), .min = 1, .max = ACCESS_TEMPLATE_BYTES_MAX},
    {"tracing.collector", FIELD_STR, AT(settings, tracing_collector), .min = 1, .max = 128,
     .pattern = &service_port},
    {"tracing.sampling", FIELD_STR, AT(settings, tracing_sampling), .min = 1, .max = 16, .pattern = &share},
    {"tracing.parent", FIELD_ENUM, AT(settings, tracing_parent), .values = parents},
    {"tracing.serviceName", FIELD_STR, AT(settings, tracing_service), .min = 1, .max = 253,
     .pattern = &pattern_telemetry_name},
    {"tracing.headers", FIELD_STR, AT(settings, tracing_headers), .min = 1, .max = 8192},
    {"tracing.attributes", FIELD_STR_LIST, AT(settings, tracing_attributes), .flags = FIELD_UNIQUE, .min = 1,
     .max = 64, .item_max = 1280, .pattern = &attribute},
    {"tracing.batchSpans", FIELD_OPT_INT, AT(settings, tracing_batch_spans), .min = 1, .max = 2048},
    {"tracing.batchTime", FIELD_DURATION, AT(settings, tracing_batch_time)},
};
_Static_assert(COUNT_OF(fields) == SETTINGS_COUNT, "each key has its line");

/* As the same two of a rule have to be. [GW HTTPRouteTimeouts.backendRequest] */
bool settings_fit(const struct settings *s) {
    bool bounded = s->request.set && s->request.v;
    return !bounded || !s->backend_request.set || s->backend_request.v <= s->request.v;
}

bool settings_proxy_fits(const struct settings *s) {
    return s->proxy_protocol != SETTINGS_PROXY_FROM_TRUSTED || s->proxy_trusted.n;
}

static void check_access_log(struct schema_check *c, str text) {
    OWNED(arena) a = arena_new();
    enum access_form form;
    str program;
    struct access_fault fault;
    if (!text.n || access_format_parse(a, text, &form, &program, &fault) == OK) return;
    breach(c, S("accessLog"), fault.remedy, "column %zu: " STR_FMT, fault.at + 1, STR_ARG(fault.message));
}

/* What an export is framed by is not for headers to say. [OTLP/HTTP Request] [gRPC over HTTP2 Requests] */
static bool is_export_header(str name) {
    static const char *const own[] = {"host",    "content-length",    "content-type", "content-encoding",
                                      "te",      "transfer-encoding", "connection",   "upgrade",
                                      "trailer", "keep-alive",        "expect",       "proxy-connection"};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (str_ieq(name, str_of(own[i]))) return false;
    return pattern_header_name.holds(name) && !str_ieq(str_upto(name, 5), S("grpc-"));
}

static void check_headers(struct schema_check *c, str lines) {
    str name, value;
    for (uint32_t n = 1; settings_header(&lines, &name, &value); n++) {
        if (n > SETTINGS_HEADERS_MAX)
            breach(c, S("tracing.headers"), S("leave some out"), "are more than %d", SETTINGS_HEADERS_MAX);
        if (n > SETTINGS_HEADERS_MAX) return;
        bool fine = is_export_header(name) && value.n;
        for (size_t i = 0; i < value.n; i++) fine &= value.p[i] >= 0x20 && value.p[i] < 0x7f;
        if (!fine)
            breach(c, S("tracing.headers"),
                   S("write \"Name: value\", a line for each, and none that frames a message"),
                   "line %u is no header that an export may have", n);
    }
}

static void rules(struct schema_check *c, const void *obj) {
    const struct settings *s = obj;
    const struct opt_int *bounds[] = {
        &s->connect,        &s->idle,          &s->backend_idle,      &s->upgraded_idle,
        &s->head,           &s->ejection_time, &s->ejection_time_max, &s->backend_wait,
        &s->check_interval, &s->check_timeout, &s->tracing_batch_time};
    static const char *const names[] = {
        "timeouts.connect", "timeouts.idle", "timeouts.backendIdle", "timeouts.upgradedIdle",
        "timeouts.head",    "ejection.time", "ejection.timeMax",     "timeouts.backendWait",
        "check.interval",   "check.timeout", "tracing.batchTime"};
    for (size_t i = 0; i < COUNT_OF(bounds); i++)
        if (bounds[i]->set && !bounds[i]->v)
            breach(c, str_of(names[i]), S("give it some time, or remove the key"),
                   "must be longer than 0s: it can not be without a bound");
    check_access_log(c, s->access_log);
    check_headers(c, s->tracing_headers);
    if (s->ejection_time.set && s->ejection_time_max.set && s->ejection_time.v > s->ejection_time_max.v)
        breach(c, S("ejection.time"), S("make it shorter, or ejection.timeMax longer"),
               "is longer than ejection.timeMax");
    if (s->check == SETTINGS_CHECK_TCP && (s->check_path.n || s->check_status.set))
        breach(c, s->check_path.n ? S("check.path") : S("check.status"),
               S("remove it, or set check.protocol to HTTP"), "means nothing with check.protocol TCP");
    if (!settings_fit(s))
        breach(c, S("timeouts.backendRequest"), S("make it shorter, or timeouts.request longer"),
               "is longer than timeouts.request");
}
const struct schema settings_schema = SCHEMA(settings, fields, rules);

static int key_of(str name) {
    for (int i = 0; i < SETTINGS_COUNT; i++)
        if (str_eq(name, str_of(fields[i].name))) return i;
    return -1;
}

/* The words of a value, between spaces, lines and commas. */
static struct node *words_of(struct arena *a, str text) {
    struct node *list = node_new(a, NODE_SEQ), **last = &list->child;
    for (size_t i = 0; i < text.n;) {
        size_t end = i;
        while (end < text.n && !memchr(", \t\r\n", text.p[end], 5)) end++;
        str word = {text.p + i, end - i};
        if (word.n) node_append(list, &last, (str){0}, node_scalar(a, word, true));
        i = end + 1;
    }
    return list;
}

static struct node *value_of(struct arena *a, const struct field *f, str text) {
    text = str_trim(text);
    while (text.n && text.p[text.n - 1] == '\n') text = str_trim(str_upto(text, text.n - 1)); /* of a block */
    if (f && f->type == FIELD_STR_LIST) return words_of(a, text);
    return node_scalar(a, text, !f || f->type != FIELD_OPT_INT);
}

static void place(struct node *n, const struct config_map *m) {
    n->line = n->key_line = m->obj.line;
    n->column = n->key_column = 1;
    for (struct node *c = n->child; c; c = c->next) place(c, m);
}

static void refuse_binary(const struct config_map *m, struct findings *f) {
    for (uint32_t i = 0; i < m->binary_data.n; i++)
        finding_add(f, FINDING_SCHEMA, m->obj.line, 1,
                    arena_printf(f->arena, "binaryData." STR_FMT, STR_ARG(m->binary_data.p[i].key)),
                    S("write it as text, in data"), "settings are text");
}

/* What the data mean as a document of the schema. Keys that are not served are told at once, and left out. */
static struct node *document_of(struct arena *a, const struct config_map *m, uint64_t served,
                                struct findings *f) {
    struct node *doc = node_new(a, NODE_MAP), **last = &doc->child;
    for (uint32_t i = 0; i < m->data.n; i++) {
        str name = m->data.p[i].key;
        int key = key_of(name);
        if (key >= 0 && !(served >> key & 1)) {
            finding_add(f, FINDING_MEANING, m->obj.line, 1,
                        arena_printf(f->arena, "data." STR_FMT, STR_ARG(name)), S("remove the key"),
                        SETTINGS_OF_CLUSTER >> key & 1 ? "there is no Service to set outside of a cluster"
                                                       : "postern " POSTERN_VERSION
                                                         " does not serve this setting yet");
            continue;
        }
        struct node *value = value_of(a, key < 0 ? NULL : &fields[key], m->data.p[i].value);
        node_append(doc, &last, name, value);
    }
    place(doc, m);
    return doc;
}

err settings_read(struct arena *a, const struct config_map *m, uint64_t served, struct settings *ret,
                  struct findings *f) {
    struct findings before = *f;
    uint32_t n = f->n;
    struct settings s = {0};
    f->file = m->obj.source, f->kind = S("ConfigMap"), f->ns = m->obj.meta.ns, f->name = m->obj.meta.name;
    refuse_binary(m, f);
    const struct node *doc = document_of(a, m, served, f);
    err e = schema_decode(a, &settings_schema, doc, S("data"), f, &s);
    f->file = before.file, f->kind = before.kind, f->ns = before.ns, f->name = before.name;
    if (e != OK || f->n != n) return ERR_PROTO;
    if (s.tracing_collector.n)
        s.tracing_collector =
            arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(m->obj.meta.ns), STR_ARG(s.tracing_collector));
    *ret = s;
    return OK;
}

struct names {
    str *p;
    uint32_t n;
};
struct settings settings_over(const struct settings *below, const struct settings *above) {
    struct settings s = *below;
    const char *from = (const char *)above;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        size_t at = fields[i].offset;
        const struct opt_int *number = (const void *)(from + at);
        if (fields[i].type == FIELD_ENUM) {
            if (from[at]) ((char *)&s)[at] = from[at];
        } else if (fields[i].type == FIELD_STR_LIST) {
            const struct names *list = (const void *)(from + at);
            if (list->n) memcpy((char *)&s + at, list, sizeof *list);
        } else if (fields[i].type == FIELD_STR) {
            const str *text = (const void *)(from + at);
            if (text->n) memcpy((char *)&s + at, text, sizeof *text);
        } else if (number->set) {
            memcpy((char *)&s + at, number, sizeof *number);
        }
    }
    if (above->tracing_collector.n)
        s.tracing_headers = above->tracing_headers; /* a token is for whom it was meant */
    return s;
}
