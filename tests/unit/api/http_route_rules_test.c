/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

static void refuse_in_spec(const char *spec, const char *path, const char *message) {
    OWNED(arena) a = arena_new();
    str text = arena_printf(a,
                            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, "
                            "namespace: nn}\nspec: {%s}\n",
                            spec);
    decode_refused(text, arena_printf(a, "spec.%s", path).p, message);
}
static void accept_in_spec(const char *spec) {
    OWNED(arena) a = arena_new();
    api_free(decode_good(arena_printf(a,
                                      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: "
                                      "{name: r, namespace: nn}\nspec: {%s}\n",
                                      spec)));
}
static void refuse(const char *rule, const char *path, const char *message) {
    OWNED(arena) a = arena_new();
    refuse_in_spec(arena_printf(a, "rules: [{%s}]", rule).p, arena_printf(a, "rules[0].%s", path).p, message);
}
static void accept(const char *rule) {
    OWNED(arena) a = arena_new();
    accept_in_spec(arena_printf(a, "rules: [{%s}]", rule).p);
}

static void paths(void **state) {
    (void)state;
    static const struct {
        const char *value, *message;
    } cases[] = {{"a", "\"a\" must begin with /"},
                 {"/a//b", "must not contain //"},
                 {"/a/./b", "must not contain /./"},
                 {"/a/../b", "must not contain /../"},
                 {"/a%2fb", "must not contain %2f"},
                 {"/a%2Fb", "must not contain %2F"},
                 {"/a#b", "must not contain #"},
                 {"/a/..", "must not end with /. or /.."},
                 {"/a/.", "must not end with /. or /.."},
                 {"/a b", "invalid value \"/a b\": must be letters, digits, -/._~!$&'()*+,;=:@ and %XX"}};
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int exact = 0; exact < 2; exact++)
            refuse(arena_printf(a, "matches: [{path: {type: %s, value: \"%s\"}}]",
                                exact ? "Exact" : "PathPrefix", cases[i].value)
                       .p,
                   "matches[0].path.value", cases[i].message);
    accept("matches: [{path: {type: RegularExpression, value: 'a//b#/..'}}]");
    accept("matches: [{path: {value: \"/...%20/.a/-._~!$&'()*+,;=:@\"}}]");
}

static void filters_have_the_member_of_their_type(void **state) {
    (void)state;
    static const struct {
        const char *type, *member, *value;
    } all[] = {
        {"RequestHeaderModifier", "requestHeaderModifier", "{}"},
        {"ResponseHeaderModifier", "responseHeaderModifier", "{}"},
        {"RequestMirror", "requestMirror", "{backendRef: {name: s, port: 1}}"},
        {"RequestRedirect", "requestRedirect", "{}"},
        {"URLRewrite", "urlRewrite", "{}"},
        {"ExtensionRef", "extensionRef", "{group: a, kind: b, name: c}"},
        {"CORS", "cors", "{}"},
        {"ExternalAuth", "externalAuth", "{protocol: GRPC, grpc: {}, backendRef: {name: s, port: 1}}"}};
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        refuse(arena_printf(a, "filters: [{type: %s}]", all[i].type).p,
               arena_printf(a, "filters[0].%s", all[i].member).p,
               arena_printf(a, "is required when type is %s", all[i].type).p);
        size_t k = (i + 1) % COUNT_OF(all);
        refuse(arena_printf(a, "filters: [{type: %s, %s: %s, %s: %s}]", all[i].type, all[i].member,
                            all[i].value, all[k].member, all[k].value)
                   .p,
               arena_printf(a, "filters[0].%s", all[k].member).p,
               arena_printf(a, "is only for type %s", all[k].type).p);
        accept(arena_printf(a, "filters: [{type: %s, %s: %s}]", all[i].type, all[i].member, all[i].value).p);
    }
}

static void filters_repeat_or_not(void **state) {
    (void)state;
    static const char *const once[] = {
        "RequestHeaderModifier, requestHeaderModifier", "ResponseHeaderModifier, responseHeaderModifier",
        "RequestRedirect, requestRedirect", "URLRewrite, urlRewrite", "CORS, cors"};
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(once); i++) {
        str rest = str_of(once[i]), type = str_cut(&rest, ',');
        str both = arena_printf(a, "filters: [{type: %s: {}}, {type: %s: {}}]", once[i], once[i]);
        str message =
            arena_printf(a, STR_FMT " cannot be repeated; filters[0] is one already", STR_ARG(type));
        refuse(both.p, "filters[1]", message.p);
        refuse(arena_printf(a, "backendRefs: [{name: s, port: 1, %s}]", both.p).p,
               "backendRefs[0].filters[1]", message.p);
    }
    refuse("filters: [{type: URLRewrite, urlRewrite: {}}, {type: RequestRedirect, requestRedirect: {}}]",
           "filters[1]", "RequestRedirect and URLRewrite exclude each other");
    refuse("backendRefs: [{name: s, port: 1, filters: [{type: URLRewrite, urlRewrite: {}}, {type: "
           "RequestRedirect, requestRedirect: {}}]}]",
           "backendRefs[0].filters[1]", "RequestRedirect and URLRewrite exclude each other");
    refuse("filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: s, port: 1}]",
           "filters[0].requestRedirect", "must not be used together with backendRefs");
}

#define PREFIX "{type: ReplacePrefixMatch, replacePrefixMatch: /}"
static void prefixes_are_replaced_where_there_is_one(void **state) {
    (void)state;
    static const char words[] = "ReplacePrefixMatch needs exactly one match, of type PathPrefix";
    refuse("matches: [{path: {type: Exact}}], filters: [{type: URLRewrite, urlRewrite: {path: " PREFIX "}}]",
           "filters[0].urlRewrite.path", words);
    refuse("matches: [{}, {method: GET}], filters: [{type: RequestRedirect, requestRedirect: {path: " PREFIX
           "}}]",
           "filters[0].requestRedirect.path", words);
    refuse("matches: [{path: {type: Exact}}], backendRefs: [{name: s, port: 1, filters: [{type: URLRewrite, "
           "urlRewrite: {path: " PREFIX "}}]}]",
           "backendRefs[0].filters[0].urlRewrite.path", words);
    refuse("matches: [{path: {type: Exact}}], backendRefs: [{name: s, port: 1, filters: [{type: "
           "RequestRedirect, requestRedirect: {path: " PREFIX "}}]}]",
           "backendRefs[0].filters[0].requestRedirect.path", words);
    accept("filters: [{type: URLRewrite, urlRewrite: {path: " PREFIX "}}]");
    accept("matches: [{}, {}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, "
           "replaceFullPath: /}}}]");
}

static void modifiers_fractions_and_mirrors(void **state) {
    (void)state;
    refuse("filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}}]",
           "filters[0].urlRewrite.path.replaceFullPath", "is required when type is ReplaceFullPath");
    refuse("filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch}}}]",
           "filters[0].urlRewrite.path.replacePrefixMatch", "is required when type is ReplacePrefixMatch");
    refuse("filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /, "
           "replacePrefixMatch: /}}}]",
           "filters[0].urlRewrite.path.replacePrefixMatch", "is only for type ReplacePrefixMatch");
    refuse("filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, "
           "replaceFullPath: /, replacePrefixMatch: /}}}]",
           "filters[0].requestRedirect.path.replaceFullPath", "is only for type ReplaceFullPath");
    refuse("filters: [{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, fraction: "
           "{numerator: 101}}}]",
           "filters[0].requestMirror.fraction.numerator", "must not be greater than the denominator (100)");
    refuse("filters: [{type: RequestMirror, requestMirror: {backendRef: {name: s, port: 1}, percent: 0, "
           "fraction: {numerator: 1}}}]",
           "filters[0].requestMirror.fraction", "percent and fraction exclude each other");
    refuse("filters: [{type: RequestMirror, requestMirror: {backendRef: {name: s}}}]",
           "filters[0].requestMirror.backendRef.port", "is required for a Service");
    refuse("backendRefs: [{name: s}]", "backendRefs[0].port", "is required for a Service");
    refuse("backendRefs: [{name: s, group: gateway.networking.x-k8s.io, kind: XBackend, port: 1}]",
           "backendRefs[0].port", "must not be given for an XBackend: it has its own");
    accept("backendRefs: [{name: s, group: example.com, kind: Own}]");
}

static void cors_stars_stand_alone(void **state) {
    (void)state;
    static const char *const fields[] = {"allowOrigins: ['*', 'http://a']", "allowMethods: ['*', GET]",
                                         "allowHeaders: ['*', a]"};
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        str rest = str_of(fields[i]), name = str_cut(&rest, ':');
        refuse(arena_printf(a, "filters: [{type: CORS, cors: {%s}}]", fields[i]).p,
               arena_printf(a, "filters[0].cors." STR_FMT "[0]", STR_ARG(name)).p,
               "* must not stand beside other values");
    }
    accept("filters: [{type: CORS, cors: {allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], "
           "exposeHeaders: ['*', a]}}]");
}

static void timeouts_and_sessions(void **state) {
    (void)state;
    refuse("timeouts: {request: 1s, backendRequest: 1001ms}", "timeouts.backendRequest",
           "must not be longer than request");
    accept("timeouts: {request: 0s, backendRequest: 1s}");
    accept("timeouts: {request: 1s, backendRequest: 1000ms}");
    refuse("sessionPersistence: {cookie: {lifetimeType: Permanent}}", "sessionPersistence.absoluteTimeout",
           "is required when the cookie's lifetimeType is Permanent");
    refuse("sessionPersistence: {}", "sessionPersistence.cookie", "is required when type is Cookie");
    refuse("sessionPersistence: {type: Header}", "sessionPersistence.header",
           "is required when type is Header");
    refuse("sessionPersistence: {type: Header, header: {name: a}, cookie: {}}", "sessionPersistence.cookie",
           "is only for type Cookie");
    refuse("sessionPersistence: {cookie: {}, header: {name: a}}", "sessionPersistence.header",
           "is only for type Header");
}

static void parents_differ(void **state) {
    (void)state;
    refuse_in_spec("parentRefs: [{name: g}, {name: g}]", "parentRefs[1]",
                   "the same parent as in parentRefs[0]");
    refuse_in_spec("parentRefs: [{name: g, sectionName: a}, {name: h}, {name: g}]", "parentRefs[2]",
                   "the same parent as in parentRefs[0], and only one of them has a sectionName or port");
    refuse_in_spec("parentRefs: [{name: g, port: 1}, {name: g, sectionName: a}]", "parentRefs[1]",
                   "the same parent as in parentRefs[0], and only one of them has a sectionName or port");
    refuse_in_spec("parentRefs: [{name: g, port: 1, sectionName: a}, {name: g, port: 1, sectionName: a}]",
                   "parentRefs[1]", "the same parent as in parentRefs[0]");
    accept_in_spec("parentRefs: [{name: g}, {name: g, namespace: m}, {name: g, kind: Service, group: ''}]");
    accept_in_spec("parentRefs: [{name: g, port: 1, sectionName: a}, {name: g, port: 2, sectionName: a}]");
}

static void rules_are_counted_and_named(void **state) {
    (void)state;
    refuse_in_spec("rules: [{name: a}, {}, {}, {name: a}]", "rules[3].name",
                   "the same as of rules[0]; names must be unique");
    struct buf b;
    buf_init(&b, 1 << 14);
    buf_add(&b, S("rules: ["));
    for (int i = 0; i < 3; i++) {
        buf_add(&b, S("{matches: ["));
        for (int k = 0; k < 43; k++) buf_printf(&b, "{path: {value: /%d}},", k);
        buf_add(&b, S("]},"));
    }
    buf_add(&b, S("]"));
    buf_add_char(&b, '\0');
    refuse_in_spec(b.p, "rules", "129 matches in all rules; at most 128 are allowed");
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths),
                                       cmocka_unit_test(filters_have_the_member_of_their_type),
                                       cmocka_unit_test(filters_repeat_or_not),
                                       cmocka_unit_test(prefixes_are_replaced_where_there_is_one),
                                       cmocka_unit_test(modifiers_fractions_and_mirrors),
                                       cmocka_unit_test(cors_stars_stand_alone),
                                       cmocka_unit_test(timeouts_and_sessions),
                                       cmocka_unit_test(parents_differ),
                                       cmocka_unit_test(rules_are_counted_and_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
