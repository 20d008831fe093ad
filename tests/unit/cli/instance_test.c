/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/instance.h"

#include "../unit.h"
#include "cli/cli.h"

static const struct cli_option options[] = {{"admin", 0, "ADDRESS", instance_admin_help}};
static const struct cli_command command = {
    .name = "test", .args = "", .summary = "", .options = options, .options_n = COUNT_OF(options)};

static err socket_of(const char *admin, const char *env, char ret[108]) {
    char *argv[] = {(char *)"test", (char *)"--admin", (char *)(uintptr_t)admin, NULL};
    struct cli_options o;
    assert_ok(options_parse(&command, admin ? 3 : 1, argv, &o));
    if (env)
        setenv("POSTERN_ADMIN", env, 1);
    else
        unsetenv("POSTERN_ADMIN");
    err e = instance_socket(&o, ret);
    options_fini(&o);
    return e;
}

static void who_is_asked(void **state) {
    (void)state;
    char path[108];
    setenv("XDG_RUNTIME_DIR", "/r", 1);
    assert_ok(socket_of(NULL, NULL, path));
    assert_string_equal(path, "/r/postern-127.0.0.1-9901.sock");
    assert_ok(socket_of(NULL, "", path));
    assert_string_equal(path, "/r/postern-127.0.0.1-9901.sock");
    assert_ok(socket_of(NULL, ":77", path));
    assert_string_equal(path, "/r/postern-all-77.sock");
    assert_ok(socket_of("127.0.0.2:78", ":77", path));
    assert_string_equal(path, "/r/postern-127.0.0.2-78.sock");
}

/* An instance without an admin address has no socket to ask on. */
static void what_is_no_address_is_refused(void **state) {
    (void)state;
    char path[108];
    assert_int_equal(socket_of("0", NULL, path), ERR_PROTO);
    assert_int_equal(socket_of("nowhere", ":77", path), ERR_PROTO);
    assert_int_equal(socket_of(NULL, "nowhere", path), ERR_PROTO);
}

static void a_service_has_a_folder_of_its_own(void **state) {
    (void)state;
    char path[108], long_path[160];
    assert_ok(instance_service_socket("/run/user/0/postern-all-77.sock.upgrade", path));
    assert_string_equal(path, "/run/postern/postern-all-77.sock.upgrade");
    memset(long_path, 'a', sizeof long_path);
    long_path[0] = '/', long_path[sizeof long_path - 1] = 0;
    assert_int_equal(instance_service_socket(long_path, path), ERR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_asked),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_service_has_a_folder_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
