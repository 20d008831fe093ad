/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "cli/node_print.h"
#include "cli/status_page.h"
#include "cli/status_tree.h"
#include "cli/story.h"

static const char page_text[] =
    "{\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"GatewayClass\",\"metadata\":{\"name\":\"c\","
    "\"generation\":1},\"spec\":{},"
    "\"status\":{\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\",\"reason\":\"Accepted\"}]}},\n"
    "{\"apiVersion\":\"v1\",\"kind\":\"Gateway\",\"metadata\":{\"name\":\"g\",\"namespace\":\"n\","
    "\"generation\":1},"
    "\"spec\":{\"gatewayClassName\":\"c\",\"listeners\":[{\"name\":\"http\",\"port\":80,\"protocol\":"
    "\"HTTP\"}]},"
    "\"status\":{\"addresses\":[{\"value\":\"10.0.0.1\"}],\"conditions\":[{\"type\":\"Programmed\","
    "\"status\":\"True\"}],"
    "\"listeners\":[{\"name\":\"http\",\"attachedRoutes\":2,\"conditions\":[{\"type\":\"Conflicted\","
    "\"status\":\"False\"}]}]}},\n"
    "{\"apiVersion\":\"v1\",\"kind\":\"HTTPRoute\",\"metadata\":{\"name\":\"a\",\"namespace\":\"m\","
    "\"generation\":1},"
    "\"spec\":{\"hostnames\":[\"x.example\",\"y.example\"]},\"status\":{\"parents\":[{\"parentRef\":{"
    "\"name\":\"g\","
    "\"namespace\":\"n\",\"sectionName\":\"http\"},\"conditions\":[{\"type\":\"Accepted\",\"status\":"
    "\"True\"},"
    "{\"type\":\"ResolvedRefs\",\"status\":\"False\",\"reason\":\"BackendNotFound\",\"message\":\"no "
    "\\\"b\\\"\"}]}]}},\n"
    "{\"apiVersion\":\"v1\",\"kind\":\"HTTPRoute\",\"metadata\":{\"name\":\"b\",\"namespace\":\"n\","
    "\"generation\":1},"
    "\"spec\":{},\"status\":{\"parents\":[{\"parentRef\":{\"name\":\"g\"},\"conditions\":[{\"type\":"
    "\"Accepted\","
    "\"status\":\"Unknown\",\"reason\":\"Pending\"}]}]}}],\n"
    "\"findings\":[{\"file\":\"f.yaml\",\"line\":3,\"column\":1,\"kind\":\"\",\"namespace\":\"\",\"name\":"
    "\"\",\"path\":\"\","
    "\"message\":\"no YAML\",\"remedy\":\"close it\"}],\n"
    "\"warnings\":[{\"file\":\"g.yaml\",\"line\":7,\"column\":1,\"kind\":\"HTTPRoute\",\"namespace\":\"m\","
    "\"name\":\"a\","
    "\"path\":\"spec.rules[1]\",\"message\":\"takes nothing\",\"remedy\":\"remove "
    "it\"}],\n\"findingsTotal\":1,"
    "\"warningsTotal\":1}\n";

static struct status_page read_page(struct arena *a) {
    struct status_page p;
    assert_ok(status_page_read(a, str_of(page_text), &p));
    assert_int_equal(p.n, 4);
    return p;
}

static void the_tree_begins_with_problems(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p = read_page(a);
    struct buf b;
    buf_init(&b, 1 << 16);
    status_tree(&b, &p, &(struct status_view){0});
    assert_str(buf_str(&b), "Problems\n"
                            "  HTTPRoute m/a (parent g/http): ResolvedRefs=False BackendNotFound: no \"b\"\n"
                            "  f.yaml:3:1: no YAML; close it\n"
                            "\n"
                            "Warnings\n"
                            "  g.yaml:7:1: HTTPRoute m/a: spec.rules[1]: takes nothing; remove it\n"
                            "\n"
                            "✓ GatewayClass c\n"
                            "  ✓ Gateway n/g  10.0.0.1\n"
                            "    ✓ listener http  HTTP:80 *  routes: 2\n"
                            "      ✗ HTTPRoute m/a  x.example,y.example\n"
                            "          ResolvedRefs=False BackendNotFound: no \"b\"\n"
                            "    … HTTPRoute n/b\n"
                            "        Accepted=Unknown Pending\n");
    buf_fini(&b);
}

static void only_what_concerns_the_namespace_is_told(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    static const char text[] =
        "{\"items\":[],\n\"backends\":[],\n\"findings\":[{\"file\":\"f.yaml\",\"line\":3,"
        "\"column\":1,\"message\":\"no YAML\"}],\n\"warnings\":["
        "{\"file\":\"\",\"line\":0,\"column\":0,\"kind\":\"Secret\",\"namespace\":\"n\","
        "\"name\":\"s\",\"message\":\"ends soon\"},"
        "{\"file\":\"\",\"line\":0,\"column\":0,\"kind\":\"Secret\",\"namespace\":\"m\","
        "\"name\":\"t\",\"message\":\"ends soon\"}],\"findingsTotal\":1}\n";
    struct status_page p;
    assert_ok(status_page_read(a, str_of(text), &p));
    struct buf b;
    buf_init(&b, 1 << 16);
    status_tree(&b, &p, &(struct status_view){.ns = S("n")});
    assert_str(buf_str(&b), "Problems\n"
                            "  f.yaml:3:1: no YAML\n"
                            "\n"
                            "Warnings\n"
                            "  Secret n/s: ends soon\n"
                            "\n"
                            "No GatewayClass, Gateway or Route of ours.\n");
    buf_fini(&b);
}

static void one_object_shows_all_conditions(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p = read_page(a);
    struct buf b;
    buf_init(&b, 1 << 16);
    story_tell(&b, &p, &p.items[2], &(struct status_view){.colour = true});
    assert_str(buf_str(&b),
               "\033[1mHTTPRoute m/a\n\033[0m"
               "\033[1masks\033[0m     for the hostnames x.example, y.example\n"
               "\033[1mgot\033[0m      Gateway n/g listener http: Accepted\n"
               "\033[1mwhy not\033[0m  Gateway n/g listener http: \033[31mResolvedRefs\033[0m=False "
               "BackendNotFound: no "
               "\"b\"\n"
               "\033[1mwarned\033[0m   spec.rules[1]: takes nothing; remove it\n"
               "\033[1mdo\033[0m       create the backend, or correct its name, namespace and port\n");
    buf_fini(&b);
    assert_true(status_page_names_parent(&p.items[2], &p.items[1]));
    assert_false(status_page_names_parent(&p.items[2], &p.items[0]));
    assert_false(status_page_names_parent(&p.items[1], &p.items[1]));
}

static const char more_text[] =
    "{\"items\":[{\"kind\":\"Gateway\",\"metadata\":{\"name\":\"g\",\"namespace\":\"n\"},\"spec\":{"
    "\"gatewayClassName\":"
    "\"c\",\"listeners\":[{\"name\":\"s\",\"port\":443,\"protocol\":\"HTTPS\",\"hostname\":\"x.example\","
    "\"tls\":{"
    "\"certificateRefs\":[{\"name\":\"cert\"}]}}]},\"status\":{\"addresses\":[{\"value\":\"10.0.0.1\"}],"
    "\"conditions\":[{"
    "\"type\":\"Accepted\",\"status\":\"True\"},{\"type\":\"Programmed\",\"status\":\"False\",\"reason\":"
    "\"Pending\"}],"
    "\"listeners\":[{\"name\":\"s\",\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\"}]}]}},\n"
    "{\"kind\":\"HTTPRoute\",\"metadata\":{\"name\":\"r\",\"namespace\":\"n\"},\"spec\":{\"parentRefs\":[{"
    "\"name\":\"g\"}],"
    "\"rules\":[{\"matches\":[{\"path\":{\"type\":\"Exact\",\"value\":\"/"
    "a\"},\"method\":\"GET\"},{\"headers\":[{\"name\":"
    "\"x\",\"value\":\"1\"}]}],\"filters\":[{\"type\":\"URLRewrite\"}],\"backendRefs\":[{\"name\":\"s\","
    "\"port\":80,\"weight\":3},"
    "{\"name\":\"t\",\"namespace\":\"o\",\"port\":80}]},{\"backendRefs\":[{\"name\":\"s\",\"port\":80},{"
    "\"name\":\"u\","
    "\"port\":80}]}]},\"status\":{\"parents\":[{\"parentRef\":{\"name\":\"g\"},\"conditions\":[{\"type\":"
    "\"Accepted\",\"status\":"
    "\"True\"}]}]}},\n"
    "{\"kind\":\"BackendTLSPolicy\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"},\"spec\":{"
    "\"validation\":{\"hostname\":"
    "\"h\"}},\"status\":{\"ancestors\":[{\"ancestorRef\":{\"kind\":\"Gateway\",\"name\":\"g\"},"
    "\"conditions\":[{\"type\":"
    "\"Accepted\",\"status\":\"False\",\"reason\":\"Conflicted\"}]}]}}],\n"
    "\"backends\":[{\"backend\":\"n/s:80\",\"endpoints\":2},\n{\"backend\":\"o/t:80\",\"endpoints\":0}],\n"
    "\"findings\":[],\n\"findingsTotal\":0}\n";

static void the_tree_ends_in_backends_and_policies(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p;
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_ok(status_page_read(a, str_of(more_text), &p));
    status_tree(&b, &p, &(struct status_view){0});
    assert_str(buf_str(&b), "Problems\n"
                            "  HTTPRoute n/r (parent g): backend o/t:80 has no ready endpoint: 503\n"
                            "  BackendTLSPolicy n/p (of Gateway g): Accepted=False Conflicted\n"
                            "\n"
                            "… Gateway n/g  10.0.0.1\n"
                            "    Programmed=False Pending\n"
                            "  ✓ listener s  HTTPS:443 x.example  routes: 0\n"
                            "  ✓ HTTPRoute n/r\n"
                            "    ✓ backend n/s:80  endpoints: 2\n"
                            "    ✗ backend o/t:80  endpoints: 0\n"
                            "    … backend n/u:80  not routed to\n"
                            "✗ BackendTLSPolicy n/p  of Gateway g\n"
                            "    Accepted=False Conflicted\n");
    buf_fini(&b);
}

static void stories_tell_what_is_asked_got_and_amiss(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p;
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_ok(status_page_read(a, str_of(more_text), &p));
    for (size_t i = 0; i < p.n; i++) story_tell(&b, &p, &p.items[i], &(struct status_view){0});
    assert_str(buf_str(&b),
               "Gateway n/g\n"
               "asks     to be served by GatewayClass c\n"
               "         listener s: HTTPS on port 443, hostname x.example, certificate cert\n"
               "got      addresses 10.0.0.1\n"
               "         Accepted; not yet Programmed\n"
               "         listener s: Accepted\n"
               "         listener s has attached routes: 0\n"
               "why not  Programmed=False Pending\n"
               "do       wait: it is on its way; if it stays so, see the log of the instance\n"
               "HTTPRoute n/r\n"
               "asks     to be attached to Gateway n/g\n"
               "         rule 0: path exact /a, method GET; or path prefix /, header x: 1  filters "
               "URLRewrite  -> n/s:80 "
               "weight 3, o/t:80\n"
               "         rule 1: everything  -> n/s:80, n/u:80\n"
               "got      Gateway n/g: Accepted\n"
               "         backend n/s:80: endpoints: 2\n"
               "         backend o/t:80: endpoints: 0\n"
               "why not  backend o/t:80 has no ready endpoint: 503\n"
               "do       let an EndpointSlice of the Service name a ready endpoint: are its pods ready, and "
               "its port right?\n"
               "BackendTLSPolicy n/p\n"
               "asks     validation:\n"
               "           hostname: h\n"
               "got      Gateway n/g: nothing\n"
               "why not  Gateway n/g: Accepted=False Conflicted\n"
               "do       leave out one of the objects that ask for the same; the older one is served\n");
    buf_fini(&b);
}

static void a_cut_page_is_no_page(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p;
    str all = str_of(page_text);
    for (size_t n = 0; n < all.n - 2; n += 7)
        assert_int_equal(status_page_read(a, str_upto(all, n), &p), ERR_PROTO);
    assert_ok(status_page_read(a, S("{\"items\":[],\n\"findings\":[],\n\"findingsTotal\":0}\n"), &p));
    assert_int_equal(p.n, 0);
}

static void kinds_have_their_names(void **state) {
    (void)state;
    static const char *const words[] = {"httproute", "HTTPRoutes", "route"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        assert_true(status_page_is_kind(S("HTTPRoute"), str_of(words[i])));
    assert_true(status_page_is_kind(S("GatewayClass"), S("gatewayclasses")));
    assert_true(status_page_is_kind(S("GatewayClass"), S("gatewayclass")));
    assert_true(status_page_is_kind(S("GatewayClass"), S("gc")));
    assert_true(status_page_is_kind(S("BackendTLSPolicy"), S("backendtlspolicies")));
    assert_true(status_page_is_kind(S("Gateway"), S("gtw")));
    assert_false(status_page_is_kind(S("Gateway"), S("gc")));
    assert_false(status_page_is_kind(S("Gateway"), S("gatewayclass")));
}

static void nodes_print_as_they_were(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p = read_page(a);
    struct buf b;
    buf_init(&b, 1 << 16);
    node_print_json(&b, p.items[0].doc, 0);
    assert_str(
        buf_str(&b),
        "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"GatewayClass\",\n  \"metadata\": {\n    \"name\": "
        "\"c\",\n"
        "    \"generation\": 1\n  },\n  \"spec\": {},\n  \"status\": {\n    \"conditions\": [\n      {\n"
        "        \"type\": \"Accepted\",\n        \"status\": \"True\",\n        \"reason\": \"Accepted\"\n"
        "      }\n    ]\n  }\n}");
    buf_clear(&b);
    node_print_yaml(&b, p.items[0].doc, 0);
    assert_str(
        buf_str(&b),
        "apiVersion: v1\nkind: GatewayClass\nmetadata:\n  name: c\n  generation: 1\nspec: {}\nstatus:\n"
        "  conditions:\n  - type: Accepted\n    status: \"True\"\n    reason: Accepted\n");
    buf_fini(&b);
}

/* What nobody here answers for has a story, too. */
static void who_has_no_status_is_told_why(void **state) {
    (void)state;
    static const char text[] = "{\"items\":[{\"kind\":\"Gateway\",\"metadata\":{\"name\":\"g\",\"namespace\":"
                               "\"n\"},\"spec\":{},\"status\":{}},\n"
                               "{\"kind\":\"TCPRoute\",\"metadata\":{\"name\":\"r\",\"namespace\":\"n\"},"
                               "\"spec\":{\"parentRefs\":[{\"name\":\"g\"},"
                               "{\"name\":\"lost\",\"namespace\":\"m\"}]}},\n"
                               "{\"kind\":\"Gateway\",\"metadata\":{\"name\":\"x\",\"namespace\":\"n\"},"
                               "\"spec\":{\"gatewayClassName\":\"c\"}},\n"
                               "{\"kind\":\"BackendTLSPolicy\",\"metadata\":{\"name\":\"p\",\"namespace\":"
                               "\"n\"},\"spec\":{\"targetRefs\":[{\"kind\":"
                               "\"Service\",\"name\":\"s\"}]}}],\n\"findings\":[],\n\"findingsTotal\":0}\n";
    static const char *const wanted[] = {
        "why not  Gateway m/lost is not here, or another controller's\n",
        "why not  GatewayClass c is not here, or another controller's\n",
        "why not  Service n/s is used by no route of a Gateway here\n",
    };
    OWNED(arena) a = arena_new();
    struct status_page p;
    assert_ok(status_page_read(a, str_of(text), &p));
    p.all = p.items, p.all_n = p.n;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct buf b;
        buf_init(&b, 1 << 16);
        story_tell(&b, &p, &p.items[i + 1], &(struct status_view){0});
        if (!memmem(b.p, b.n, wanted[i], strlen(wanted[i])) || !memmem(b.p, b.n, "\ndo ", 4))
            fail_msg(STR_FMT, STR_ARG(buf_str(&b)));
        buf_fini(&b);
    }
}

static void deaths_are_told(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct status_page p;
    const char *page = "{\"items\":[],\n\"backends\":[],\n\"findings\":[],\n\"warnings\":[],\n"
                       "\"deaths\":{\"count\":%u,\"lastSignal\":\"SIGSEGV\",\"lastTime\":\"then\"},"
                       "\"findingsTotal\":0,\"warningsTotal\":0}\n";
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_int_equal(status_page_read(a, arena_printf(a, page, 2U), &p), OK);
    status_tree(&b, &p, &(struct status_view){0});
    assert_str(buf_str(&b), "No GatewayClass, Gateway or Route of ours.\n"
                            "\nDeaths: the serving process died 2 times, the last time of SIGSEGV at then; "
                            "the page /crash has what it told\n");
    buf_clear(&b);
    assert_int_equal(status_page_read(a, arena_printf(a, page, 0U), &p), OK);
    status_tree(&b, &p, &(struct status_view){0});
    assert_str(buf_str(&b), "No GatewayClass, Gateway or Route of ours.\n");
    buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deaths_are_told),
        cmocka_unit_test(who_has_no_status_is_told_why),
        cmocka_unit_test(the_tree_begins_with_problems),
        cmocka_unit_test(only_what_concerns_the_namespace_is_told),
        cmocka_unit_test(one_object_shows_all_conditions),
        cmocka_unit_test(a_cut_page_is_no_page),
        cmocka_unit_test(kinds_have_their_names),
        cmocka_unit_test(nodes_print_as_they_were),
        cmocka_unit_test(the_tree_ends_in_backends_and_policies),
        cmocka_unit_test(stories_tell_what_is_asked_got_and_amiss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
