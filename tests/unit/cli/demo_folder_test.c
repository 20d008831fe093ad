/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/demo_folder.h"
#include "cli/problems.h"

/* The quickstart example, with its certificate, has nothing wrong and nothing missing. */
static void the_example_is_whole_in_its_copy(void **state) {
    (void)state;
    struct demo_folder f;
    struct stat st;
    const uint16_t ports[DEMO_BACKENDS] = {1001, 1002, 1003};
    assert_ok(demo_folder_make(&f, "examples/quickstart", ports));
    struct offline o;
    const char *missing, *path = f.manifests;
    assert_ok(offline_init(&o, &path, 1, &(struct offline_settings){0}, &missing));
    size_t n;
    struct problem *p = problems_list(&o, o.arena, &n);
    if (n) fail_msg(STR_FMT ": " STR_FMT, STR_ARG(p->where), STR_ARG(p->message));
    struct buf b;
    buf_init(&b, 1 << 20);
    table_dump(o.pipeline.table, &b);
    char *dump = str_dup(buf_str(&b));
    assert_non_null(strstr(dump, "127.0.0.1:1001"));
    assert_non_null(strstr(dump, "127.0.0.1:1003"));
    assert_null(strstr(dump, "900"));
    free(dump);
    buf_fini(&b);
    offline_fini(&o);
    char *folder = str_dup(str_of(f.path));
    assert_int_equal(stat(f.ca, &st), 0);
    demo_folder_remove(&f);
    assert_int_equal(access(folder, F_OK), -1);
    free(folder);
}

static void nothing_is_left_of_what_could_not_be_made(void **state) {
    (void)state;
    struct demo_folder f;
    const uint16_t ports[DEMO_BACKENDS] = {1, 2, 3};
    assert_int_equal(demo_folder_make(&f, "/nonexistent", ports), ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_null(f.path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_whole_in_its_copy),
        cmocka_unit_test(nothing_is_left_of_what_could_not_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
