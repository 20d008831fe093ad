/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http_route.h"

#include "decode.h"

static str with_spec(struct arena *a, const char *spec) {
    return arena_printf(a,
                        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, "
                        "namespace: nn}\nspec: {%s}\n",
                        spec);
}

static void fills_defaults(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct object *o = decode_good(with_spec(a, ""));
    const struct http_route *r = (const struct http_route *)o;
    assert_true(r->spec.rules.n == 1 && r->spec.rules.p[0].matches.n == 1 &&
                r->spec.rules.p[0].backend_refs.n == 0);
    const struct http_route_match *m = r->spec.rules.p[0].matches.p;
    assert_true(m->path.type == PATH_PREFIX && decode_is(m->path.value, "/") && m->method == 0);
    api_free(o);
    o = decode_good(
        with_spec(a, "parentRefs: [{name: g}], rules: [{matches: [{headers: [{name: a, value: b}]}, {path: "
                     "{type: Exact}}, "
                     "{path: {value: /x}}], backendRefs: [{name: s, port: 80}], retry: {}, timeouts: {}, "
                     "sessionPersistence: {cookie: {}}, filters: [{type: RequestMirror, requestMirror: "
                     "{backendRef: {name: t, port: 1}, fraction: {numerator: 5}}}, {type: CORS, cors: {}}]}, "
                     "{filters: [{type: RequestRedirect, requestRedirect: {}}]}]"));
    r = (const struct http_route *)o;
    const struct http_route_rule *rule = r->spec.rules.p;
    assert_true(decode_is(r->spec.parent_refs.p[0].group, "gateway.networking.k8s.io") &&
                decode_is(r->spec.parent_refs.p[0].kind, "Gateway") && !r->spec.parent_refs.p[0].ns.p);
    assert_true(rule->matches.p[0].path.type == PATH_PREFIX &&
                rule->matches.p[0].headers.p[0].type == VALUE_EXACT);
    assert_true(rule->matches.p[1].path.type == PATH_EXACT && decode_is(rule->matches.p[1].path.value, "/"));
    assert_true(rule->matches.p[2].path.type == PATH_PREFIX &&
                decode_is(rule->matches.p[2].path.value, "/x"));
    assert_true(rule->backend_refs.p[0].weight == 1 &&
                decode_is(rule->backend_refs.p[0].ref.kind, "Service") &&
                rule->backend_refs.p[0].ref.group.p && !rule->backend_refs.p[0].ref.group.n);
    assert_true(rule->retry->attempts.v == 1 && !rule->retry->backoff.set && !rule->timeouts->request.set);
    assert_true(rule->session_persistence->type == SESSION_COOKIE &&
                rule->session_persistence->cookie->lifetime_type == LIFETIME_SESSION &&
                decode_is(rule->session_persistence->cookie->path, "/"));
    assert_true(rule->filters.p[0].request_mirror->fraction->denominator == 100 &&
                rule->filters.p[1].cors->max_age == 5);
    assert_true(r->spec.rules.p[1].filters.p[0].request_redirect->status_code == 302);
    decode_round_trip(o);
    api_free(o);
}

static const char every_field[] =
    "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
    "  parentRefs:\n  - {group: gateway.networking.k8s.io, kind: Gateway, namespace: nn, name: g, "
    "sectionName: a, port: 80}\n"
    "  - {name: g, namespace: nn, sectionName: b, port: 81}\n  useDefaultGateways: None\n"
    "  hostnames: [a.example.com, '*.example.org']\n  rules:\n"
    "  - name: first\n    matches:\n    - path: {type: RegularExpression, value: '^/a(b|c)$'}\n      method: "
    "PATCH\n"
    "      headers: [{type: RegularExpression, name: X-A, value: 'a b'}]\n"
    "      queryParams: [{type: Exact, name: q, value: ' any ü'}]\n"
    "    timeouts: {request: 10s, backendRequest: 1s500ms}\n"
    "    retry: {codes: [500, 503], attempts: 3, backoff: 100ms}\n"
    "    sessionPersistence: {type: Cookie, absoluteTimeout: 1h, cookie: {name: c, path: /x, lifetimeType: "
    "Permanent}}\n"
    "    backendRefs:\n    - {group: '', kind: Service, namespace: m, name: s, port: 80, weight: 0}\n"
    "    - {group: gateway.networking.x-k8s.io, kind: XBackend, name: x, weight: 1000000}\n"
    "    - name: t\n      port: 8080\n      filters:\n"
    "      - {type: ExtensionRef, extensionRef: {group: e.com, kind: K, name: nn}}\n"
    "      - {type: ExtensionRef, extensionRef: {group: e.com, kind: K, name: m}}\n"
    "    filters:\n"
    "    - type: RequestHeaderModifier\n      requestHeaderModifier:\n"
    "        set: [{name: a, value: b}]\n        add: [{name: a, value: c}, {name: A, value: c}]\n        "
    "remove: [x, w]\n"
    "    - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [z]}}\n"
    "    - {type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, percent: 0}}\n"
    "    - {type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, fraction: {numerator: 0, "
    "denominator: 7}}}\n"
    "    - {type: URLRewrite, urlRewrite: {hostname: h, path: {type: ReplaceFullPath, replaceFullPath: "
    "''}}}\n"
    "    - type: CORS\n      cors: {allowOrigins: ['https://*.a.com:8443', 'http://b'], allowCredentials: "
    "false, allowMethods: [GET, PUT],\n"
    "             allowHeaders: ['*'], exposeHeaders: [a, '*'], maxAge: 60}\n"
    "    - type: ExternalAuth\n      externalAuth: {protocol: GRPC, grpc: {allowedHeaders: [a]}, backendRef: "
    "{name: s, port: 1}}\n"
    "  - matches: [{path: {value: /old/}}]\n    filters:\n    - type: RequestRedirect\n"
    "      requestRedirect: {scheme: https, hostname: h.com, port: 444, statusCode: 308,\n"
    "                        path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}\n"
    "  - sessionPersistence: {type: Header, header: {name: X-S}}\n";

static void reads_every_field(void **state) {
    (void)state;
    struct object *o = decode_good(str_of(every_field));
    const struct http_route *r = (const struct http_route *)o;
    const struct http_route_rule *rule = r->spec.rules.p;
    assert_true(r->spec.use_default_gateways == 2 /* None */ && r->spec.rules.n == 3);
    assert_string_equal(http_route_methods[rule->matches.p[0].method - 1], "PATCH");
    assert_true(rule->timeouts->backend_request.v == 1500000 && rule->retry->backoff.v == 100000);
    assert_true(rule->session_persistence->absolute_timeout.v == 3600000000);
    assert_true(rule->backend_refs.p[0].weight == 0 && rule->backend_refs.p[1].weight == 1000000);
    assert_int_equal(rule->backend_refs.p[2].filters.p[1].type, FILTER_EXTENSION_REF);
    assert_true(rule->filters.n == 7 && rule->filters.p[6].type == FILTER_EXTERNAL_AUTH);
    assert_true(rule->filters.p[4].url_rewrite->path->replace_full_path.p &&
                !rule->filters.p[4].url_rewrite->path->replace_prefix_match.p);
    assert_true(rule->filters.p[5].cors->allow_credentials.set &&
                !rule->filters.p[5].cors->allow_credentials.v);
    assert_int_equal(r->spec.rules.p[1].filters.p[0].request_redirect->scheme, 2);
    decode_round_trip(o);
    api_free(o);
}

static void refuses_what_a_table_alone_can_tell(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    decode_refused(with_spec(a, "rules: []"), "spec.rules", "must not be empty");
    decode_refused(
        with_spec(a, "rules: [{matches: [{headers: [{name: a, value: b}, {name: a, value: c}]}]}]"),
        "spec.rules[0].matches[0].headers[1]", "the same name as in [0]; items must differ in it");
    decode_refused(
        with_spec(a, "rules: [{matches: [{queryParams: [{name: a, value: b}, {name: a, value: c}]}]}]"),
        "spec.rules[0].matches[0].queryParams[1]", "the same name as in [0]; items must differ in it");
    decode_refused(with_spec(a, "rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: "
                                "{set: [{name: a, value: b}, {name: a, value: b}]}}]}]"),
                   "spec.rules[0].filters[0].requestHeaderModifier.set[1]",
                   "the same name as in [0]; items must differ in it");
    decode_refused(
        with_spec(a, "rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: "
                     "{add: [{name: a, value: ' b'}]}}]}]"),
        "spec.rules[0].filters[0].requestHeaderModifier.add[0].value",
        "invalid value \" b\": must be printable ASCII, without spaces at the ends or two in a row");
    decode_refused(with_spec(a, "rules: [{retry: {attempts: -1}}]"), "spec.rules[0].retry.attempts",
                   "-1 is out of range: must be from 0 to 9223372036854775807");
    decode_refused(with_spec(a, "rules: [{timeouts: {request: 1.5s}}]"), "spec.rules[0].timeouts.request",
                   "invalid duration \"1.5s\": up to four whole numbers with h, m, s or ms, as 1m30s");
    decode_refused(with_spec(a, "rules: [{filters: [{type: CORS, cors: {allowOrigins: ['https://a/']}}]}]"),
                   "spec.rules[0].filters[0].cors.allowOrigins[0]",
                   "invalid value \"https://a/\": must be * or a scheme and a host without a path, as "
                   "https://*.example.com:8443");
    decode_refused(with_spec(a, "rules: [{filters: [{type: CORS, cors: {maxAge: 0}}]}]"),
                   "spec.rules[0].filters[0].cors.maxAge", "0 is out of range: must be from 1 to 2147483647");
    decode_refused(with_spec(a, "rules: [{backendRefs: [{port: 80}]}]"), "spec.rules[0].backendRefs[0].name",
                   "is required");
    decode_refused(with_spec(a, "rules: [{filters: [{type: Teleport}]}]"), "spec.rules[0].filters[0].type",
                   "unsupported value \"Teleport\"; supported: RequestHeaderModifier, "
                   "ResponseHeaderModifier, RequestMirror, "
                   "ExtensionRef, RequestRedirect, URLRewrite, CORS, ExternalAuth");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fills_defaults), cmocka_unit_test(reads_every_field),
                                       cmocka_unit_test(refuses_what_a_table_alone_can_tell)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
