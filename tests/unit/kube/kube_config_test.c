/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"

static char folder[] = "/tmp/kube_config.XXXXXX";

static const char *write_file(const char *name, const char *text) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#define HEAD    "current-context: c\ncontexts:\n- {name: c, context: {cluster: k, user: u, namespace: mine}}\n"
#define CLUSTER "clusters:\n- {name: k, cluster: {server: https://h:6443/}}\n"

static void reads(void **state) {
    (void)state;
    struct kube_config *c = NULL;
    struct buf why;
    buf_init(&why, 4096);
    struct kube_config_options o = {
        .kubeconfig = write_file("one", HEAD CLUSTER "users:\n- {name: u, user: {token: t}}\n")};
    if (kube_config_load(&o, &c, &why) != OK) fail_msg(STR_FMT, STR_ARG(buf_str(&why)));
    assert_str(kube_config_server(c), "https://h:6443");
    assert_str(kube_config_namespace(c), "mine");
    assert_int_equal(why.n, 0);
    kube_config_free(c);
    buf_fini(&why);
}

/* Of two files the first that says a thing wins, and each name is found wherever it stands. */
static void merges_files(void **state) {
    (void)state;
    struct kube_config *c = NULL;
    struct buf why;
    char paths[600];
    buf_init(&why, 4096);
    write_file("first", "contexts:\n- {name: c, context: {cluster: k}}\nclusters:\n- {name: other, cluster: "
                        "{server: https://other}}\n");
    write_file("second", "current-context: c\ncontexts:\n- {name: c, context: {cluster: none}}\nclusters:\n- "
                         "{name: k, cluster: {server: http://two}}\n");
    snprintf(paths, sizeof paths, "%s/absent:%s/first:%s/second", folder, folder, folder);
    struct kube_config_options o = {.kubeconfig = paths};
    if (kube_config_load(&o, &c, &why) != OK) fail_msg(STR_FMT, STR_ARG(buf_str(&why)));
    assert_str(kube_config_server(c), "http://two");
    kube_config_free(c);
    buf_fini(&why);
}

static void says_where_and_what(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
        err wanted;
    } cases[] = {
        {"a: [", ":2:1: ", ERR_PROTO},
        {"- x\n", ":1:1: is no kubeconfig: expected an object", ERR_PROTO},
        {"contexts:\n- {name: a}\n- {name: b}\n", ": current-context is not set; contexts: a, b", ERR_PROTO},
        {"current-context: x\n", ": there is no context \"x\"; contexts: none", ERR_PROTO},
        {HEAD, ":3:32: contexts[].context.cluster: there is no cluster \"k\"", ERR_PROTO},
        {HEAD CLUSTER, ": contexts[].context.user: there is no user \"u\"", ERR_PROTO},
        {HEAD "clusters:\n- {name: k, cluster: {server: h}}\n",
         "clusters[].cluster.server: \"h\" is no https:// address", ERR_PROTO},
        {HEAD "clusters:\n- name: k\n  cluster:\n    server: https://h\n    certificate-authority-data: x!\n",
         ":8:33: clusters[].cluster.certificate-authority-data: is no base64", ERR_PROTO},
        {HEAD "clusters:\n- name: k\n  cluster: {server: https://h, certificate-authority: ca.pem}\n",
         "/ca.pem can not be read: No such file or directory", ERR_PROTO},
        {HEAD CLUSTER "users:\n- {name: u, user: {exec: {apiVersion: v0, command: x}}}\n",
         "users[].user.exec.apiVersion: \"v0\" is not known", ERR_PROTO},
        {HEAD CLUSTER "users:\n- {name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1}}}\n",
         "users[].user.exec.command: is required", ERR_PROTO},
        {HEAD CLUSTER "users:\n- {name: u, user: {auth-provider: {name: gcp}}}\n",
         "users[].user.auth-provider: is not served by Kubernetes any more; use exec", ERR_PROTO},
        {HEAD CLUSTER "users:\n- {name: u, user: {client-key-data: LS0tLS1CRUdJTiBY}}\n",
         "client-certificate and client-key must be given together", ERR_PROTO},
        {HEAD "clusters:\n- {name: k, cluster: {server: https://h, insecure-skip-tls-verify: "
              "true}}\nusers:\n- {name: u, user: {}}\n",
         "the API server's certificate is not verified", OK},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct kube_config *c = NULL;
        struct buf why;
        buf_init(&why, 4096);
        struct kube_config_options o = {.kubeconfig = write_file("case", cases[i].text)};
        err e = kube_config_load(&o, &c, &why);
        buf_add_char(&why, 0);
        if (e != cases[i].wanted || !strstr(why.p, cases[i].why)) fail_msg("case %zu: %s", i, why.p);
        kube_config_free(c);
        buf_fini(&why);
    }
}

static void an_absent_file_is_said(void **state) {
    (void)state;
    struct kube_config *c = NULL;
    struct buf why;
    buf_init(&why, 4096);
    struct kube_config_options o = {.kubeconfig = "/nonexistent/config"};
    assert_int_equal(kube_config_load(&o, &c, &why), ERR_IO);
    assert_str(buf_str(&why), "/nonexistent/config: can not be read: No such file or directory");
    buf_fini(&why);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(merges_files),
        cmocka_unit_test(says_where_and_what),
        cmocka_unit_test(an_absent_file_is_said),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
