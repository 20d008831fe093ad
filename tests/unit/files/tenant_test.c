/* SPDX-License-Identifier: Apache-2.0 */
#include "files/tenant.h"

#include "api/core.h"
#include "files_case.h"

static struct ip *own(size_t *ret_n) {
    struct ip *list = base_zalloc(sizeof *list);
    assert_int_equal(ip_parse(S("192.0.2.7"), list), OK);
    *ret_n = 1;
    return list;
}
static struct ip *other_own(size_t *ret_n) {
    struct ip *list = own(ret_n);
    assert_int_equal(ip_parse(S("192.0.2.8"), list), OK);
    return list;
}
static struct ip *(*asked)(size_t *ret_n);
static struct ip *ask(size_t *ret_n) { return asked(ret_n); }

/* The operator has "infra", tenant a has "a", tenant b has "b"; a may have endpoints in 127.9.0.0/16. */
static void begin(struct files_case *c) {
    static const char *const names[] = {"infra", "a", "b"};
    struct files_root roots[3];
    for (unsigned i = 0; i < 3; i++) {
        const char *path = case_path(c, names[i]);
        roots[i] = (struct files_root){path, i ? names[i] : NULL};
        if (mkdir(path, 0700) != 0) assert_int_equal(access(path, F_OK), 0);
    }
    struct ip_net net;
    assert_int_equal(ip_parse_net(S("127.9.0.0/16"), &net), OK);
    asked = own;
    case_begin(
        c, &(struct files_config){
               .roots = roots, .roots_n = 3, .tenant_endpoints = &net, .tenant_endpoints_n = 1, .own = ask});
}

static const struct object *get(const struct files_case *c, enum api_kind kind, const char *ns,
                                const char *name) {
    return store_get(c->store, c->a, kind, str_of(ns), str_of(name));
}

#define SERVICE(meta) "apiVersion: v1\nkind: Service\nmetadata: {" meta "}\nspec: {ports: [{port: 80}]}\n"

static void make_folders(struct files_case *c) {
    assert_int_equal(mkdir(case_path(c, "infra"), 0700), 0);
    assert_int_equal(mkdir(case_path(c, "a"), 0700), 0);
    assert_int_equal(mkdir(case_path(c, "b"), 0700), 0);
}

static void test_the_namespace_is_filled_in(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/x.yaml",
             SERVICE("name: x") "---\n" SERVICE("name: w, namespace: ''") "---\n" SERVICE(
                 "name: z, namespace: a"));
    begin(c);
    if (c->found.n) fail_msg("%s", case_finding(c));
    assert_non_null(get(c, KIND_SERVICE, "a", "x"));
    assert_non_null(get(c, KIND_SERVICE, "a", "w"));
    assert_non_null(get(c, KIND_SERVICE, "a", "z"));
    assert_int_equal(store_count(c->store, KIND_SERVICE), 3);
}

static void test_another_namespace_is_refused(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "b/secret.yaml", SERVICE("name: treasure"));
    case_put(c, "a/x.yaml", SERVICE("name: treasure, namespace: b, annotations: {evil: yes-it-is}"));
    begin(c);
    const char *says = case_finding(c);
    assert_says(says, "a/x.yaml:3:");
    assert_says(says, "Service a/treasure: metadata.namespace: this folder is the namespace \"a\" alone, not "
                      "\"b\"; write \"a\", or leave it out");
    assert_int_equal(c->found.first->class, FINDING_MEANING);
    assert_silent(says, "secret.yaml");
    assert_int_equal(get(c, KIND_SERVICE, "b", "treasure")->meta.annotations.n, 0);
    assert_int_equal(store_count(c->store, KIND_SERVICE), 1);
}

static void test_kinds_of_the_operator_are_refused(void **state) {
    struct files_case *c = *state;
    static const char *const kinds[][2] = {{"gateway.networking.k8s.io/v1", "Gateway"},
                                           {"gateway.networking.k8s.io/v1", "GatewayClass"},
                                           {"v1", "Namespace"},
                                           {"gateway.networking.x-k8s.io/v1alpha1", "XMesh"},
                                           {"gateway.networking.x-k8s.io/v1alpha1", "XBackend"}};
    make_folders(c);
    begin(c);
    for (unsigned i = 0; i < COUNT_OF(kinds); i++) {
        case_put(
            c, "a/x.yaml",
            arena_printf(c->a, "apiVersion: %s\nkind: %s\nmetadata: {name: a}\n", kinds[i][0], kinds[i][1])
                .p);
        case_follow(c);
        const char *says = case_finding(c);
        assert_says(says, arena_printf(c->a, "kind: a tenant's folder may not define a %s; ask the operator",
                                       kinds[i][1])
                              .p);
        assert_int_equal(c->found.first->class, FINDING_MEANING);
        assert_int_equal(c->work.objects_changed, 0);
    }
}

static void test_what_means_nothing_means_nothing_here(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/x.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n");
    begin(c);
    assert_int_equal(c->found.n, 0);
}

static void test_age_is_the_operators_to_tell(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/x.yaml", SERVICE("name: x, creationTimestamp: '2001-01-01T00:00:00Z', generation: 77"));
    case_put(c, "infra/x.yaml",
             SERVICE("name: x, namespace: i, creationTimestamp: '2001-01-01T00:00:00Z', generation: 77"));
    begin(c);
    assert_int_equal(get(c, KIND_SERVICE, "a", "x")->meta.created_s, 0);
    assert_int_equal(get(c, KIND_SERVICE, "i", "x")->meta.created_s, 978307200);
    assert_int_equal(get(c, KIND_SERVICE, "i", "x")->meta.generation, 1);
    case_put(c, "infra/x.yaml",
             "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: i, generation: 77, "
             "managedFields: [{manager: z}]}\n"
             "spec: {ports: [{port: 81}]}\nstatus: {loadBalancer: {}}\n");
    case_follow(c);
    assert_int_equal(get(c, KIND_SERVICE, "i", "x")->meta.generation, 2);
}

static void test_what_exists_elsewhere_is_not_overwritten(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/x.yaml", SERVICE("name: x, annotations: {from: tenant}"));
    begin(c);
    assert_int_equal(c->found.n, 0);
    case_put(c, "infra/z.yaml", SERVICE("name: x, namespace: a, annotations: {from: operator}"));
    case_follow(c);
    const struct object *o = get(c, KIND_SERVICE, "a", "x");
    assert_true(str_eq(schema_map_get(&o->meta.annotations, S("from")), S("operator")));
    const char *says = case_finding(c);
    assert_says(says, "a/x.yaml:1:1: Service a/x: metadata.name: exists already from outside this folder");
    assert_silent(says, "infra");
    assert_int_equal(unlink(case_path(c, "infra/z.yaml")), 0);
    case_follow(c);
    o = get(c, KIND_SERVICE, "a", "x");
    assert_true(str_eq(schema_map_get(&o->meta.annotations, S("from")), S("tenant")));
    assert_int_equal(c->found.n, 0);
}

#define SLICE(meta, type, addresses)                                                                         \
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {" meta "}\naddressType: " type         \
    "\nports: [{port: 80}]\nendpoints:\n" addresses

static void test_endpoints_stay_among_the_tenants_own(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/s.yaml",
             SLICE("name: s", "IPv4",
                   "- addresses: [127.0.0.1]\n- addresses: [10.1.2.3, 169.254.169.254]\n- addresses: "
                   "[127.9.0.1]\n"));
    case_put(c, "infra/s.yaml", SLICE("name: t, namespace: a", "IPv4", "- addresses: [127.0.0.1]\n"));
    begin(c);
    const struct endpoint_slice *s = (const void *)get(c, KIND_ENDPOINT_SLICE, "a", "s");
    assert_int_equal(s->endpoints.n, 2);
    assert_true(str_eq(s->endpoints.p[0].addresses.p[0], S("10.1.2.3")));
    assert_int_equal(s->endpoints.p[0].addresses.n, 1);
    assert_true(str_eq(s->endpoints.p[1].addresses.p[0], S("127.9.0.1")));
    assert_int_equal(c->found.n, 2);
    struct buf b;
    buf_init(&b, 4096);
    finding_print(&b, c->found.first);
    str says = arena_str(c->a, buf_str(&b));
    buf_fini(&b);
    assert_says(says.p, "a/s.yaml:7:15: EndpointSlice a/s: endpoints[0].addresses[0]: 127.0.0.1 is a "
                        "loopback address, which no tenant may reach: it is not used");
    assert_says(says.p, "--tenant-endpoints");
    const struct endpoint_slice *t = (const void *)get(c, KIND_ENDPOINT_SLICE, "a", "t");
    assert_int_equal(t->endpoints.n, 1);
}

static void test_addresses_of_this_machine_are_judged_anew(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/s.yaml", SLICE("name: s", "IPv4", "- addresses: [192.0.2.7]\n- addresses: [192.0.2.8]\n"));
    begin(c);
    const struct endpoint_slice *s = (const void *)get(c, KIND_ENDPOINT_SLICE, "a", "s");
    assert_says(case_finding(c), "192.0.2.7 is the gateway's own address");
    assert_true(s->endpoints.n == 1 && str_eq(s->endpoints.p[0].addresses.p[0], S("192.0.2.8")));
    asked = other_own;
    case_put(c, "infra/x.yaml", SERVICE("name: x"));
    case_follow(c);
    s = (const void *)get(c, KIND_ENDPOINT_SLICE, "a", "s");
    assert_says(case_finding(c), "192.0.2.8 is the gateway's own address");
    assert_true(s->endpoints.n == 1 && str_eq(s->endpoints.p[0].addresses.p[0], S("192.0.2.7")));
}

static void test_each_sort_of_address(void **state) {
    (void)state;
    static const struct {
        const char *address, *what;
    } v[] = {{"127.0.0.1", "a loopback"},
             {"127.255.0.9", "a loopback"},
             {"::1", "a loopback"},
             {"::ffff:127.0.0.1", "a loopback"},
             {"::ffff:a00:1", NULL},
             {"::127.0.0.1", "a loopback"},
             {"169.254.169.254", "a link-local"},
             {"::ffff:169.254.169.254", "a link-local"},
             {"fe80::1", "a link-local"},
             {"0.0.0.0", "an unspecified"},
             {"0.1.2.3", "an unspecified"},
             {"::", "an unspecified"},
             {"224.0.0.1", "a multicast"},
             {"ff02::1", "a multicast"},
             {"192.0.2.7", "the gateway's own"},
             {"::ffff:192.0.2.7", "the gateway's own"},
             {"2001:db8::7", "the gateway's own"},
             {"10.0.0.1", NULL},
             {"2001:db8::8", NULL},
             {"127.9.1.1", NULL},
             {"::ffff:127.9.1.1", NULL},
             {"example.com", NULL}};
    struct ip mine[2];
    struct ip_net net;
    assert_int_equal(ip_parse(S("192.0.2.7"), &mine[0]), OK);
    assert_int_equal(ip_parse(S("2001:db8::7"), &mine[1]), OK);
    assert_int_equal(ip_parse_net(S("127.9.0.0/16"), &net), OK);
    struct tenant t = {.allowed = &net, .allowed_n = 1, .own = mine, .own_n = 2};
    for (unsigned i = 0; i < COUNT_OF(v); i++) {
        const char *what = tenant_address_refused(&t, str_of(v[i].address));
        if (!v[i].what && !what) continue;
        if (!v[i].what || !what) fail_msg("%s: %s", v[i].address, what ? what : "not refused");
        assert_string_equal(what, v[i].what);
    }
}

static void test_links_do_not_lead_out(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "b/mine.yaml", SERVICE("name: treasure"));
    assert_int_equal(symlink("../b/mine.yaml", case_path(c, "a/stolen.yaml")), 0);
    assert_int_equal(mkdir(case_path(c, "a/in"), 0700), 0);
    case_put(c, "a/in/x.yaml", SERVICE("name: x"));
    assert_int_equal(symlink("in", case_path(c, "a/inner")), 0);
    begin(c);
    assert_null(get(c, KIND_SERVICE, "a", "treasure"));
    assert_non_null(get(c, KIND_SERVICE, "b", "treasure"));
    assert_non_null(get(c, KIND_SERVICE, "a", "x"));
    assert_int_equal(unlink(case_path(c, "a/inner")), 0);
    case_follow(c);
    assert_says(case_finding(c), "a/stolen.yaml: can not be read: it lies outside the folder");
    assert_int_equal(unlink(case_path(c, "a/stolen.yaml")), 0);
    assert_int_equal(symlink("../b", case_path(c, "a/folder")), 0);
    case_follow(c);
    assert_says(case_finding(c), "a/folder: can not be read: the link leads out of the folder");
    assert_null(get(c, KIND_SERVICE, "a", "treasure"));
}

static void test_an_operators_link_makes_no_operator(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/x.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n");
    assert_int_equal(symlink("../a", case_path(c, "infra/a")), 0);
    begin(c);
    assert_null(get(c, KIND_NAMESPACE, "", "x"));
    assert_says(case_finding(c), "may not define a Namespace");
}

static void test_a_list_is_of_its_tenant(void **state) {
    struct files_case *c = *state;
    make_folders(c);
    case_put(c, "a/l.yaml",
             "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: x}, "
             "spec: {ports: [{port: 80}]}}\n"
             "- {apiVersion: v1, kind: Service, metadata: {name: w, namespace: b}, spec: {ports: [{port: "
             "80}]}}\n");
    begin(c);
    assert_says(case_finding(c), "a/l.yaml:5:");
    assert_non_null(get(c, KIND_SERVICE, "a", "x"));
    assert_null(get(c, KIND_SERVICE, "b", "w"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_the_namespace_is_filled_in),
        CASE(test_another_namespace_is_refused),
        CASE(test_kinds_of_the_operator_are_refused),
        CASE(test_what_means_nothing_means_nothing_here),
        CASE(test_age_is_the_operators_to_tell),
        CASE(test_what_exists_elsewhere_is_not_overwritten),
        CASE(test_endpoints_stay_among_the_tenants_own),
        CASE(test_addresses_of_this_machine_are_judged_anew),
        CASE(test_each_sort_of_address),
        CASE(test_links_do_not_lead_out),
        CASE(test_an_operators_link_makes_no_operator),
        CASE(test_a_list_is_of_its_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
