/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

/* The field tables of the pieces, smallest first. Names are those of the structs in the style of documents. */

static const char *const protocols[] = {"HTTP", "HTTPS", "TLS", "TCP", "UDP", NULL};
static const char *const tls_modes[] = {"Terminate", "Passthrough", NULL};
static const char *const route_kinds[] = {"GRPC", "TLS", "TCP", "UDP", NULL}; /* 0 = HTTP */
static const char *const alt_names[] = {"DNS", "URI", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const key_kinds[] = {KEY_KIND_NAMES, NULL};
static const char *const paths[] = {"Exact", "Prefix", "Regex", NULL};
static const char *const values[] = {"Exact", "Regex", NULL};
static const char *const filter_types[] = {
    "RequestHeaders", "ResponseHeaders", "Redirect", "Rewrite", "Mirror", "CORS", "Auth", NULL};
static const char *const auth_protocols[] = {"HTTP", "GRPC", NULL};
static const char *const tracing_sources[] = {"Header", "Literal", "Attribute", NULL};
static const char *const session_types[] = {"Cookie", "Header", NULL};
static const char *const path_changes[] = {"ReplaceFull", "ReplacePrefix", NULL};
static const char *const backend_protocols[] = {"HTTP", "H2C", "TLS", "TCP", "UDP", NULL};

static const char *const proxy_protocols[] = {"Required", "FromTrusted", NULL};
static const char *const request_ids[] = {"IfAbsent", "FromTrusted", "Always", NULL};

static const char *const checks[] = {"Off", "TCP", "HTTP", NULL};
static const char *const orders[] = {"LeastRequests", "RoundRobin", NULL};
static const struct field balancing_fields[] = {
    {.name = "failures", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, failures)},
    {.name = "statuses", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, statuses)},
    {.name = "out", .type = FIELD_DURATION, .offset = AT(plan_balancing, out)},
    {.name = "outMax", .type = FIELD_DURATION, .offset = AT(plan_balancing, out_max)},
    {.name = "share", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, share)},
    {.name = "connections", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, conns)},
    {.name = "waiting", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, waiting)},
    {.name = "wait", .type = FIELD_DURATION, .offset = AT(plan_balancing, wait)},
    {.name = "check", .type = FIELD_ENUM, .offset = AT(plan_balancing, check), .values = checks},
    {.name = "checkPath", .type = FIELD_STR, .offset = AT(plan_balancing, check_path)},
    {.name = "checkStatus", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, check_status)},
    {.name = "checkInterval", .type = FIELD_DURATION, .offset = AT(plan_balancing, check_interval)},
    {.name = "checkTimeout", .type = FIELD_DURATION, .offset = AT(plan_balancing, check_timeout)},
    {.name = "checkFailures", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, check_failures)},
    {.name = "checkSuccesses", .type = FIELD_OPT_INT, .offset = AT(plan_balancing, check_successes)},
    {.name = "slowStart", .type = FIELD_DURATION, .offset = AT(plan_balancing, slow_start)},
    {.name = "order", .type = FIELD_ENUM, .offset = AT(plan_balancing, order), .values = orders},
};
static const struct schema balancing = SCHEMA(plan_balancing, balancing_fields, NULL);
static const struct field settings_fields[] = {
    {.name = "requestTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, request_timeout)},
    {.name = "backendTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, backend_timeout)},
    {.name = "connectTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, connect_timeout)},
    {.name = "idleTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, idle_timeout)},
    {.name = "backendIdleTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, backend_idle_timeout)},
    {.name = "upgradedIdleTimeout",
     .type = FIELD_DURATION,
     .offset = AT(plan_settings, upgraded_idle_timeout)},
    {.name = "headTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, head_timeout)},
    {.name = "handshakeTimeout", .type = FIELD_DURATION, .offset = AT(plan_settings, handshake_timeout)},
    {.name = "headFields", .type = FIELD_OPT_INT, .offset = AT(plan_settings, head_fields)},
    {.name = "streams", .type = FIELD_OPT_INT, .offset = AT(plan_settings, streams)},
    {.name = "clientConnections", .type = FIELD_OPT_INT, .offset = AT(plan_settings, client_connections)},
    {.name = "leastBytesPerSecond", .type = FIELD_OPT_INT, .offset = AT(plan_settings, least_bytes)},
    {.name = "headBytes", .type = FIELD_OPT_INT, .offset = AT(plan_settings, head_bytes)},
    {.name = "bodyBytes", .type = FIELD_OPT_INT, .offset = AT(plan_settings, body_bytes)},
    {.name = "trustedProxies", .type = FIELD_STR_LIST, .offset = AT(plan_settings, trusted_proxies)},
    {.name = "trustedHops", .type = FIELD_OPT_INT, .offset = AT(plan_settings, trusted_hops)},
    {.name = "accessLog", .type = FIELD_STR, .offset = AT(plan_settings, access_log)},
    {.name = "proxyProtocol",
     .type = FIELD_ENUM,
     .offset = AT(plan_settings, proxy_protocol),
     .values = proxy_protocols},
    {.name = "proxyTrusted", .type = FIELD_STR_LIST, .offset = AT(plan_settings, proxy_trusted)},
    {.name = "forwarded", .type = FIELD_BOOL, .offset = AT(plan_settings, forwarded)},
    {.name = "via", .type = FIELD_STR, .offset = AT(plan_settings, via)},
    {.name = "viaOwn", .type = FIELD_BOOL, .offset = AT(plan_settings, via_own)},
    {.name = "requestId", .type = FIELD_ENUM, .offset = AT(plan_settings, request_id), .values = request_ids},
    {.name = "balancing", .type = FIELD_OPT_STRUCT, .offset = AT(plan_settings, balancing), .of = &balancing},
    {.name = "upgrades", .type = FIELD_STR_LIST, .offset = AT(plan_settings, upgrades)},
};
static const struct schema settings = SCHEMA(plan_settings, settings_fields, NULL);
static const struct field clients_fields[] = {
    {.name = "caPem", .type = FIELD_STR, .offset = AT(plan_clients, ca_pem)},
    {.name = "lenient", .type = FIELD_BOOL, .offset = AT(plan_clients, lenient)},
};
static const struct schema clients = SCHEMA(plan_clients, clients_fields, NULL);
static const struct field value_match_fields[] = {
    {.name = "type", .type = FIELD_ENUM, .offset = AT(plan_value_match, type), .values = values},
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_value_match, name)},
    {.name = "value", .type = FIELD_STR, .offset = AT(plan_value_match, value)},
};
static const struct schema value_match = SCHEMA(plan_value_match, value_match_fields, NULL);
static const struct field match_fields[] = {
    {.name = "pathType", .type = FIELD_ENUM, .offset = AT(plan_match, path_type), .values = paths},
    {.name = "path", .type = FIELD_STR, .offset = AT(plan_match, path)},
    {.name = "method", .type = FIELD_STR, .offset = AT(plan_match, method)},
    {.name = "headers", .type = FIELD_LIST, .offset = AT(plan_match, headers), .of = &value_match},
    {.name = "query", .type = FIELD_LIST, .offset = AT(plan_match, query), .of = &value_match},
    {.name = "callType", .type = FIELD_ENUM, .offset = AT(plan_match, call_type), .values = values},
    {.name = "service", .type = FIELD_STR, .offset = AT(plan_match, service)},
    {.name = "call", .type = FIELD_STR, .offset = AT(plan_match, call)},
};
static const struct schema match = SCHEMA(plan_match, match_fields, NULL);
static const struct field header_fields[] = {
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_header, name)},
    {.name = "value", .type = FIELD_STR, .offset = AT(plan_header, value)},
};
static const struct schema header = SCHEMA(plan_header, header_fields, NULL);
static const struct field mirror_fields[] = {
    {.name = "backend", .type = FIELD_STR, .offset = AT(plan_mirror, backend)},
    {.name = "numerator", .type = FIELD_INT, .offset = AT(plan_mirror, numerator)},
    {.name = "denominator", .type = FIELD_INT, .offset = AT(plan_mirror, denominator)},
};
static const struct schema mirror = SCHEMA(plan_mirror, mirror_fields, NULL);
static const struct field cors_fields[] = {
    {.name = "origins", .type = FIELD_STR_LIST, .offset = AT(plan_cors, origins)},
    {.name = "methods", .type = FIELD_STR_LIST, .offset = AT(plan_cors, methods)},
    {.name = "headers", .type = FIELD_STR_LIST, .offset = AT(plan_cors, headers)},
    {.name = "expose", .type = FIELD_STR_LIST, .offset = AT(plan_cors, expose)},
    {.name = "credentials", .type = FIELD_BOOL, .offset = AT(plan_cors, credentials)},
    {.name = "maxAgeSeconds", .type = FIELD_INT, .offset = AT(plan_cors, max_age_s)},
};
static const struct schema cors = SCHEMA(plan_cors, cors_fields, NULL);
static const struct field auth_fields[] = {
    {.name = "protocol", .type = FIELD_ENUM, .offset = AT(plan_auth, protocol), .values = auth_protocols},
    {.name = "backend", .type = FIELD_STR, .offset = AT(plan_auth, backend)},
    {.name = "why", .type = FIELD_STR, .offset = AT(plan_auth, why)},
    {.name = "path", .type = FIELD_STR, .offset = AT(plan_auth, path)},
    {.name = "requestHeaders", .type = FIELD_STR_LIST, .offset = AT(plan_auth, request_headers)},
    {.name = "responseHeaders", .type = FIELD_STR_LIST, .offset = AT(plan_auth, response_headers)},
    {.name = "bodyBytesMax", .type = FIELD_INT, .offset = AT(plan_auth, body_bytes_max)},
};
static const struct schema auth = SCHEMA(plan_auth, auth_fields, NULL);
static const struct field filter_fields[] = {
    {.name = "type", .type = FIELD_ENUM, .offset = AT(plan_filter, type), .values = filter_types},
    {.name = "set", .type = FIELD_LIST, .offset = AT(plan_filter, set), .of = &header},
    {.name = "add", .type = FIELD_LIST, .offset = AT(plan_filter, add), .of = &header},
    {.name = "remove", .type = FIELD_STR_LIST, .offset = AT(plan_filter, remove)},
    {.name = "scheme", .type = FIELD_STR, .offset = AT(plan_filter, scheme)},
    {.name = "hostname", .type = FIELD_STR, .offset = AT(plan_filter, hostname)},
    {.name = "pathChange",
     .type = FIELD_ENUM,
     .offset = AT(plan_filter, path_change),
     .values = path_changes},
    {.name = "path", .type = FIELD_STR, .offset = AT(plan_filter, path)},
    {.name = "port", .type = FIELD_INT, .offset = AT(plan_filter, port)},
    {.name = "status", .type = FIELD_INT, .offset = AT(plan_filter, status)},
    {.name = "mirror", .type = FIELD_OPT_STRUCT, .offset = AT(plan_filter, mirror), .of = &mirror},
    {.name = "cors", .type = FIELD_OPT_STRUCT, .offset = AT(plan_filter, cors), .of = &cors},
    {.name = "auth", .type = FIELD_OPT_STRUCT, .offset = AT(plan_filter, auth), .of = &auth},
};
static const struct schema filter = SCHEMA(plan_filter, filter_fields, NULL);
static const struct field share_fields[] = {
    {.name = "numerator", .type = FIELD_INT, .offset = AT(plan_share, numerator)},
    {.name = "denominator", .type = FIELD_INT, .offset = AT(plan_share, denominator)},
};
static const struct schema share = SCHEMA(plan_share, share_fields, NULL);
static const struct field tracing_attribute_fields[] = {
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_tracing_attribute, name)},
    {.name = "source",
     .type = FIELD_ENUM,
     .offset = AT(plan_tracing_attribute, source),
     .values = tracing_sources},
    {.name = "value", .type = FIELD_STR, .offset = AT(plan_tracing_attribute, value)},
};
static const struct field export_header_fields[] = {
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_header, name)},
    {.name = "value", .type = FIELD_STR, .offset = AT(plan_header, value), .flags = FIELD_SECRET},
};
static const struct schema export_header = SCHEMA(plan_header, export_header_fields, NULL);
static const struct schema tracing_attribute = SCHEMA(plan_tracing_attribute, tracing_attribute_fields, NULL);
static const struct field tracing_fields[] = {
    {.name = "backend", .type = FIELD_STR, .offset = AT(plan_tracing, backend)},
    {.name = "authority", .type = FIELD_STR, .offset = AT(plan_tracing, authority)},
    {.name = "headers", .type = FIELD_LIST, .offset = AT(plan_tracing, headers), .of = &export_header},
    {.name = "sampled", .type = FIELD_STRUCT, .offset = AT(plan_tracing, sampled), .of = &share},
    {.name = "sampledOfParent",
     .type = FIELD_STRUCT,
     .offset = AT(plan_tracing, sampled_of_parent),
     .of = &share},
    {.name = "ignoresParent", .type = FIELD_BOOL, .offset = AT(plan_tracing, ignores_parent)},
    {.name = "serviceName", .type = FIELD_STR, .offset = AT(plan_tracing, service_name)},
    {.name = "spanName", .type = FIELD_STR, .offset = AT(plan_tracing, span_name)},
    {.name = "attributes",
     .type = FIELD_LIST,
     .offset = AT(plan_tracing, attributes),
     .of = &tracing_attribute},
    {.name = "batchSpans", .type = FIELD_OPT_INT, .offset = AT(plan_tracing, batch_spans)},
    {.name = "batchTime", .type = FIELD_DURATION, .offset = AT(plan_tracing, batch_time)},
};
static const struct schema tracing = SCHEMA(plan_tracing, tracing_fields, NULL);
static const struct field listener_fields[] = {
    {.name = "key", .type = FIELD_STR, .offset = AT(plan_listener, piece.key)},
    {.name = "gateway", .type = FIELD_STR, .offset = AT(plan_listener, gateway)},
    {.name = "section", .type = FIELD_STR, .offset = AT(plan_listener, section)},
    {.name = "bindAddress", .type = FIELD_STR, .offset = AT(plan_listener, bind_address)},
    {.name = "bindPort", .type = FIELD_INT, .offset = AT(plan_listener, bind_port)},
    {.name = "port", .type = FIELD_INT, .offset = AT(plan_listener, port)},
    {.name = "protocol", .type = FIELD_ENUM, .offset = AT(plan_listener, protocol), .values = protocols},
    {.name = "hostname", .type = FIELD_STR, .offset = AT(plan_listener, hostname)},
    {.name = "tlsMode", .type = FIELD_ENUM, .offset = AT(plan_listener, tls_mode), .values = tls_modes},
    {.name = "tlsMin", .type = FIELD_ENUM, .offset = AT(plan_listener, tls_min), .values = tls_versions},
    {.name = "tlsMax", .type = FIELD_ENUM, .offset = AT(plan_listener, tls_max), .values = tls_versions},
    {.name = "ciphers", .type = FIELD_STR_LIST, .offset = AT(plan_listener, ciphers)},
    {.name = "certificates", .type = FIELD_STR_LIST, .offset = AT(plan_listener, certificates)},
    {.name = "settings", .type = FIELD_OPT_STRUCT, .offset = AT(plan_listener, settings), .of = &settings},
    {.name = "filters", .type = FIELD_LIST, .offset = AT(plan_listener, filters), .of = &filter},
    {.name = "clients", .type = FIELD_OPT_STRUCT, .offset = AT(plan_listener, clients), .of = &clients},
    {.name = "tracing", .type = FIELD_OPT_STRUCT, .offset = AT(plan_listener, tracing), .of = &tracing},
    {.name = "clientCertificate", .type = FIELD_STR, .offset = AT(plan_listener, client_certificate)},
};
static const struct field session_fields[] = {
    {.name = "type", .type = FIELD_ENUM, .offset = AT(plan_session, type), .values = session_types},
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_session, name)},
    {.name = "path", .type = FIELD_STR, .offset = AT(plan_session, path)},
    {.name = "permanent", .type = FIELD_BOOL, .offset = AT(plan_session, permanent)},
    {.name = "absoluteTimeout", .type = FIELD_DURATION, .offset = AT(plan_session, absolute_timeout)},
};
static const struct schema session = SCHEMA(plan_session, session_fields, NULL);
static const struct field target_fields[] = {
    {.name = "backend", .type = FIELD_STR, .offset = AT(plan_target, backend)},
    {.name = "weight", .type = FIELD_INT, .offset = AT(plan_target, weight)},
    {.name = "answer", .type = FIELD_INT, .offset = AT(plan_target, answer)},
    {.name = "why", .type = FIELD_STR, .offset = AT(plan_target, why)},
    {.name = "filters", .type = FIELD_LIST, .offset = AT(plan_target, filters), .of = &filter},
    {.name = "session", .type = FIELD_OPT_STRUCT, .offset = AT(plan_target, session), .of = &session},
};
static const struct schema target = SCHEMA(plan_target, target_fields, NULL);
static const struct field retry_fields[] = {
    {.name = "codes", .type = FIELD_INT_LIST, .offset = AT(plan_retry, codes)},
    {.name = "attempts", .type = FIELD_INT, .offset = AT(plan_retry, attempts)},
    {.name = "backoff", .type = FIELD_DURATION, .offset = AT(plan_retry, backoff)},
};
static const struct schema retry = SCHEMA(plan_retry, retry_fields, NULL);
static const struct field rule_fields[] = {
    {.name = "index", .type = FIELD_INT, .offset = AT(plan_rule, index)},
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_rule, name)},
    {.name = "matches", .type = FIELD_LIST, .offset = AT(plan_rule, matches), .of = &match},
    {.name = "filters", .type = FIELD_LIST, .offset = AT(plan_rule, filters), .of = &filter},
    {.name = "targets", .type = FIELD_LIST, .offset = AT(plan_rule, targets), .of = &target},
    {.name = "requestTimeout", .type = FIELD_DURATION, .offset = AT(plan_rule, request_timeout)},
    {.name = "backendTimeout", .type = FIELD_DURATION, .offset = AT(plan_rule, backend_timeout)},
    {.name = "retry", .type = FIELD_OPT_STRUCT, .offset = AT(plan_rule, retry), .of = &retry},
};
static const struct schema rule = SCHEMA(plan_rule, rule_fields, NULL);
static const struct field attachment_fields[] = {
    {.name = "listener", .type = FIELD_STR, .offset = AT(plan_attachment, listener)},
    {.name = "hostnames", .type = FIELD_STR_LIST, .offset = AT(plan_attachment, hostnames)},
};
static const struct schema attachment = SCHEMA(plan_attachment, attachment_fields, NULL);
static const struct field route_fields[] = {
    {.name = "key", .type = FIELD_STR, .offset = AT(plan_route, piece.key)},
    {.name = "kind", .type = FIELD_ENUM, .offset = AT(plan_route, kind), .values = route_kinds},
    {.name = "namespace", .type = FIELD_STR, .offset = AT(plan_route, ns)},
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_route, name)},
    {.name = "created", .type = FIELD_TIME, .offset = AT(plan_route, created_s)},
    {.name = "attachments",
     .type = FIELD_LIST,
     .offset = AT(plan_route, attachments),
     .of = &attachment,
     .max = PLAN_ATTACHMENTS_MAX},
    {.name = "rules",
     .type = FIELD_LIST,
     .offset = AT(plan_route, rules),
     .of = &rule,
     .max = PLAN_RULES_MAX},
};
static const struct field alt_name_fields[] = {
    {.name = "type", .type = FIELD_ENUM, .offset = AT(plan_alt_name_wanted, type), .values = alt_names},
    {.name = "value", .type = FIELD_STR, .offset = AT(plan_alt_name_wanted, value)},
};
static const struct schema alt_name = SCHEMA(plan_alt_name_wanted, alt_name_fields, NULL);
static const struct field backend_tls_fields[] = {
    {.name = "policy", .type = FIELD_STR, .offset = AT(plan_backend_tls, policy)},
    {.name = "hostname", .type = FIELD_STR, .offset = AT(plan_backend_tls, hostname)},
    {.name = "altNames", .type = FIELD_LIST, .offset = AT(plan_backend_tls, alt_names), .of = &alt_name},
    {.name = "caPem", .type = FIELD_STR, .offset = AT(plan_backend_tls, ca_pem)},
    {.name = "clientCertificate", .type = FIELD_STR, .offset = AT(plan_backend_tls, client_certificate)},
};
static const struct schema backend_tls = SCHEMA(plan_backend_tls, backend_tls_fields, NULL);
static const struct field retry_budget_fields[] = {
    {.name = "percent", .type = FIELD_INT, .offset = AT(plan_retry_budget, percent)},
    {.name = "interval", .type = FIELD_DURATION, .offset = AT(plan_retry_budget, interval)},
    {.name = "atLeast", .type = FIELD_INT, .offset = AT(plan_retry_budget, at_least_n)},
    {.name = "atLeastInterval", .type = FIELD_DURATION, .offset = AT(plan_retry_budget, at_least_interval)},
};
static const struct schema retry_budget = SCHEMA(plan_retry_budget, retry_budget_fields, NULL);
static const char *const proxy_versions[] = {"v1", "v2", NULL};
static const struct field backend_fields[] = {
    {.name = "key", .type = FIELD_STR, .offset = AT(plan_backend, piece.key)},
    {.name = "namespace", .type = FIELD_STR, .offset = AT(plan_backend, ns)},
    {.name = "name", .type = FIELD_STR, .offset = AT(plan_backend, name)},
    {.name = "port", .type = FIELD_INT, .offset = AT(plan_backend, port)},
    {.name = "protocol",
     .type = FIELD_ENUM,
     .offset = AT(plan_backend, protocol),
     .values = backend_protocols},
    {.name = "proxyProtocol",
     .type = FIELD_ENUM,
     .offset = AT(plan_backend, proxy_protocol),
     .values = proxy_versions},
    {.name = "tls", .type = FIELD_OPT_STRUCT, .offset = AT(plan_backend, tls), .of = &backend_tls},
    {.name = "retryBudget",
     .type = FIELD_OPT_STRUCT,
     .offset = AT(plan_backend, retry_budget),
     .of = &retry_budget},
    {.name = "external", .type = FIELD_STR, .offset = AT(plan_backend, external)},
    {.name = "refused", .type = FIELD_STR, .offset = AT(plan_backend, refused)},
};
static const struct field endpoint_fields[] = {
    {.name = "address", .type = FIELD_STR, .offset = AT(plan_endpoint, address)},
    {.name = "port", .type = FIELD_INT, .offset = AT(plan_endpoint, port)},
};
static const struct schema endpoint = SCHEMA(plan_endpoint, endpoint_fields, NULL);
static const struct field endpoints_fields[] = {
    {.name = "key", .type = FIELD_STR, .offset = AT(plan_endpoints, piece.key)},
    {.name = "endpoints",
     .type = FIELD_LIST,
     .offset = AT(plan_endpoints, endpoints),
     .of = &endpoint,
     .max = PLAN_ENDPOINTS_MAX},
};
static const struct field certificate_fields[] = {
    {.name = "key", .type = FIELD_STR, .offset = AT(plan_certificate, piece.key)},
    {.name = "chainPem", .type = FIELD_STR, .offset = AT(plan_certificate, chain_pem)},
    {.name = "keyPem", .type = FIELD_STR, .offset = AT(plan_certificate, key_pem), .flags = FIELD_SECRET},
    {.name = "names", .type = FIELD_STR_LIST, .offset = AT(plan_certificate, names)},
    {.name = "keyKind", .type = FIELD_ENUM, .offset = AT(plan_certificate, key_kind), .values = key_kinds},
    {.name = "ocsp", .type = FIELD_BYTES, .offset = AT(plan_certificate, ocsp)},
    {.name = "notAfter", .type = FIELD_TIME, .offset = AT(plan_certificate, not_after_s)},
};

const struct schema *plan_schema(enum plan_kind kind) {
    static const struct schema schemas[PLAN_KIND_COUNT] = {
        [PLAN_LISTENER] = SCHEMA(plan_listener, listener_fields, NULL),
        [PLAN_ROUTE] = SCHEMA(plan_route, route_fields, NULL),
        [PLAN_BACKEND] = SCHEMA(plan_backend, backend_fields, NULL),
        [PLAN_ENDPOINTS] = SCHEMA(plan_endpoints, endpoints_fields, NULL),
        [PLAN_CERTIFICATE] = SCHEMA(plan_certificate, certificate_fields, NULL),
    };
    assert(kind < PLAN_KIND_COUNT);
    return &schemas[kind];
}
