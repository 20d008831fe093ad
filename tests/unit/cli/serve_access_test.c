/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "cli/serve_access.h"

static const struct cli_option options[] = {{"access-log", 0, "FORM", ""}, {"access-log-to", 0, "WHERE", ""}};
static const struct cli_command command = {
    .name = "serve", .args = "", .summary = "", .options = options, .options_n = COUNT_OF(options)};

static err read_as(const char *form, const char *to, struct serve_access *s) {
    char *argv[] = {
        (char *)"serve", (char *)"--access-log", (char *)form, (char *)"--access-log-to", (char *)to, NULL};
    struct cli_options o;
    assert_int_equal(options_parse(&command, to ? 5 : 3, argv, &o), OK);
    err e = serve_access_read(&o, s);
    options_fini(&o);
    return e;
}

static void forms_and_places_are_read(void **state) {
    (void)state;
    struct serve_access s;
    assert_int_equal(read_as("json", NULL, &s), OK);
    assert_int_equal(s.form, ACCESS_JSON);
    assert_string_equal(s.to, "-");
    serve_access_fini(&s);
    assert_int_equal(read_as("%{status}", "/var/log/x", &s), OK);
    assert_true(s.form == ACCESS_OWN && s.program.n == 3);
    assert_string_equal(s.to, "/var/log/x");
    serve_access_fini(&s);
}

static void a_template_may_be_in_a_file(void **state) {
    (void)state;
    char path[] = "/tmp/serve_access_XXXXXX", form[64];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a %{status}\n", 12), 12);
    snprintf(form, sizeof form, "@%s", path);
    struct serve_access s;
    assert_int_equal(read_as(form, NULL, &s), OK);
    assert_true(s.form == ACCESS_OWN && s.program.n == 8);
    serve_access_fini(&s);
    assert_int_equal(write(fd, "x", 1), 1); /* two lines */
    assert_int_equal(read_as(form, NULL, &s), ERR_PROTO);
    serve_access_fini(&s);
    close(fd);
    unlink(path);
    assert_int_equal(read_as(form, NULL, &s), ERR_PROTO);
    serve_access_fini(&s);
}

static void what_is_wrong_is_refused(void **state) {
    (void)state;
    struct serve_access s;
    static const char *const wrong[][2] = {
        {"jsno", NULL}, {"%{statsu}", NULL}, {"", NULL}, {"json", ""}, {"json", "unix:"}};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(read_as(wrong[i][0], wrong[i][1], &s), ERR_PROTO);
        serve_access_fini(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_and_places_are_read),
        cmocka_unit_test(a_template_may_be_in_a_file),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
