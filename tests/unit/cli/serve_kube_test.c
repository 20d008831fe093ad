/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "cli/serve_kube.h"

static const struct cli_option options[] = {
    {"kube", 0, NULL, ""},
    {"kubeconfig", 0, "FILE", ""},
    {"context", 0, "NAME", ""},
    {"namespace", 0, "NAME", ""},
    {"file", 'f', "PATH", ""},
    {"map-port", 0, "FROM:TO", ""},
    {"gateway-service", 0, "TYPE", ""},
    {"lease", 0, "NAME", ""},
};
static const struct cli_command command = {.name = "serve",
                                           .args = "",
                                           .summary = "",
                                           .options = options,
                                           .options_n = COUNT_OF(options),
                                           .args_max = 9};

/* Words end with NULL. */
static err read_words(const char *const *words, struct serve_kube *k, bool *given) {
    char *argv[16] = {(char *)(uintptr_t) "serve"};
    int n = 1;
    for (; words[n - 1]; n++) argv[n] = (char *)(uintptr_t)words[n - 1];
    struct cli_options o;
    assert_int_equal(options_parse(&command, n, argv, &o), OK);
    err e = serve_kube_read(&o, k, given);
    options_fini(&o);
    return e;
}
#define READ(k, given, ...) read_words((const char *const[]){__VA_ARGS__, NULL}, k, given)

static void clear_environment(void) {
    static const char *const names[] = {"POD_NAME", "POD_NAMESPACE", "POD_SERVICE", "POD_IP",
                                        "POD_IPS",  "HOST_IP",       "HOST_IPS"};
    for (size_t i = 0; i < COUNT_OF(names); i++) unsetenv(names[i]);
}

static void test_what_does_not_go_together(void **state) {
    (void)state;
    struct serve_kube k;
    bool given;
    assert_int_equal(READ(&k, &given, "-f", "x"), OK);
    assert_false(given);
    assert_int_equal(READ(&k, &given, "--kube", "-f", "x"), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--kube", "--map-port", "80:8080"), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--kube", "x"), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--context", "x"), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--gateway-service", "NodePort"), ERR_PROTO);
}

static void test_words_that_are_wrong(void **state) {
    (void)state;
    struct serve_kube k;
    bool given;
    clear_environment();
    assert_int_equal(READ(&k, &given, "--kube", "--gateway-service", "Nowhere"), ERR_PROTO);
    serve_kube_fini(&k);
    assert_int_equal(READ(&k, &given, "--lease", "edge"), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--kube", "--lease", "No_Name"), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--kube", "--lease", ""), ERR_PROTO);
    assert_int_equal(READ(&k, &given, "--kube", "--namespace", "Not_One"), ERR_PROTO);
    serve_kube_fini(&k);
    setenv("HOST_IPS", "10.0.0.1,node", 1);
    assert_int_equal(READ(&k, &given, "--kube"), ERR_PROTO);
    serve_kube_fini(&k);
    clear_environment();
}

static void test_a_pod(void **state) {
    (void)state;
    struct serve_kube k;
    bool given;
    clear_environment();
    setenv("POD_NAME", "postern-x", 1);
    setenv("POD_NAMESPACE", "postern-system", 1);
    setenv("POD_IPS", "10.0.0.7,fd00::7", 1);
    setenv("HOST_IP", "192.0.2.7", 1);
    assert_int_equal(
        READ(&k, &given, "--kube", "--namespace", "a", "--namespace", "b", "--gateway-service", "HostPort"),
        OK);
    assert_true(given);
    const struct cluster_config *c = &k.config;
    assert_string_equal(c->identity, "postern-x");
    assert_str(c->pod_namespace, "postern-system");
    assert_str(c->pod_service, "postern");
    assert_int_equal(c->pod_ips_n, 2);
    assert_str(c->pod_ips[1], "fd00::7");
    assert_int_equal(c->host_ips_n, 1);
    assert_int_equal(c->namespaces_n, 2);
    assert_str(c->namespaces[1], "b");
    assert_int_equal(c->type, ADDRESS_HOST_PORT);
    serve_kube_fini(&k);
    clear_environment();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_does_not_go_together),
                                       cmocka_unit_test(test_words_that_are_wrong),
                                       cmocka_unit_test(test_a_pod)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
