/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct cli_option options[] = {{"file", 'f', "PATH...", ""},
                                            {"infra", 0, "DIR", ""},
                                            {"tenant", 0, "NAMESPACE=DIR", ""},
                                            {"tenant-endpoints", 0, "CIDR", ""},
                                            {"tls", 0, "NAMESPACE/NAME=CERT,KEY", ""}};
static const struct cli_command command = {.name = "serve",
                                           .args = "",
                                           .summary = "",
                                           .options = options,
                                           .options_n = COUNT_OF(options),
                                           .args_max = UINT32_MAX};

/* The words after the command, ended by NULL; r is to be finished by done(). */
struct given {
    struct cli_options o;
    struct serve_files f;
    char *argv[16];
};
static err give(struct given *g, ...) {
    va_list args;
    int n = 0;
    g->argv[n++] = (char *)(uintptr_t) "serve";
    va_start(args, g);
    while ((g->argv[n] = va_arg(args, char *))) n++;
    va_end(args);
    assert_int_equal(options_parse(&command, n, g->argv, &g->o), OK);
    return serve_files_read(&g->o, &g->f);
}
static void done(struct given *g) {
    serve_files_fini(&g->f);
    options_fini(&g->o);
}

static void all_of_it(void **state) {
    (void)state;
    struct given g;
    assert_int_equal(give(&g, "--infra", "/none/infra", "-f", "/none/one", "/none/two", "--tenant",
                          "shop=/none/shop", "--tenant", "shop=/none/shop2", "--tenant-endpoints",
                          "127.0.0.0/8", "--tls", "infra/site.example=a=b.crt,k,1.key", NULL),
                     OK);
    const struct files_config *c = &g.f.config;
    assert_int_equal(c->roots_n, 5);
    assert_true(!c->roots[0].tenant && strcmp(c->roots[0].path, "/none/infra") == 0);
    assert_true(!c->roots[2].tenant && strcmp(c->roots[2].path, "/none/two") == 0);
    assert_string_equal(c->roots[3].tenant, "shop");
    assert_string_equal(c->roots[3].path, "/none/shop");
    assert_int_equal(c->tenant_endpoints_n, 1);
    assert_int_equal(c->pairs_n, 1);
    assert_string_equal(c->pairs[0].ns, "infra");
    assert_string_equal(c->pairs[0].name, "site.example");
    assert_string_equal(c->pairs[0].cert, "a=b.crt");
    assert_string_equal(c->pairs[0].key, "k,1.key");
    done(&g);
}

static void what_is_wrong(void **state) {
    (void)state;
    static const char *const wrong[][4] = {
        {"--tls", "a/b=c,d"}, /* and nothing to read */
        {"-f", ""},
        {"-f", "-"},
        {"--tenant", "shop"},
        {"--tenant", "shop="},
        {"--tenant", "=dir"},
        {"--tenant", "Shop=dir"},
        {"--tenant", "a23456789012345678901234567890123456789012345678901234567890abcd=dir"},
        {"--tenant", "a=dir", "--tenant-endpoints", "10.0.0.0/33"},
        {"-f", "x", "--tenant-endpoints", "10.0.0.0/8"},
        {"-f", "x", "--tls", "site=c,d"},
        {"-f", "x", "--tls", "a/site=c"},
        {"-f", "x", "--tls", "a/site=,d"},
        {"-f", "x", "--tls", "a/si te=c,d"},
        {"-f", "x", "--tls", "/site=c,d"},
        {"-f", "x", "--tls", "a/=c,d"},
    };
    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        struct given g;
        assert_int_equal(give(&g, wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], NULL), ERR_PROTO);
        done(&g);
    }
    struct given g;
    assert_int_equal(give(&g, "-f", "x", "--tls", "a/s=c,d", "--tls", "a/s=e,f", NULL), ERR_PROTO);
    done(&g);
    assert_int_equal(give(&g, "--tenant", "a=x", "y", NULL), ERR_PROTO);
    done(&g);
}

static void folders_are_apart(void **state) {
    (void)state;
    char dir[] = "/tmp/serve_files.XXXXXX", sub[64], link[64], tenant[80], other[80], alike[80];
    assert_non_null(mkdtemp(dir));
    snprintf(sub, sizeof sub, "%s/sub", dir);
    snprintf(link, sizeof link, "%s.link", dir);
    snprintf(tenant, sizeof tenant, "a=%s", sub);
    snprintf(other, sizeof other, "b=%s/", link);
    snprintf(alike, sizeof alike, "b=%s2", sub);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(symlink(sub, link), 0);
    struct given g;
    assert_int_equal(give(&g, "-f", dir, "--tenant", tenant, NULL), ERR_PROTO);
    done(&g);
    assert_int_equal(give(&g, "--tenant", tenant, "--infra", link, NULL), ERR_PROTO);
    done(&g);
    assert_int_equal(give(&g, "--tenant", tenant, "--tenant", other, NULL), ERR_PROTO);
    done(&g);
    assert_int_equal(give(&g, "--tenant", tenant, "--tenant", alike, "-f", "/none", NULL), OK);
    done(&g);
    unlink(link);
    rmdir(sub);
    rmdir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it),
        cmocka_unit_test(what_is_wrong),
        cmocka_unit_test(folders_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
