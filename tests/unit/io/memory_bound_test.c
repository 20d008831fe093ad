/* SPDX-License-Identifier: Apache-2.0 */
#include "io/memory.h"

#include "../unit.h"

#include <sys/stat.h>
#include <unistd.h>

static void quantities(void **state) {
    (void)state;
    static const struct {
        str text;
        uint64_t bytes;
    } good[] = {{S("0"), 0},
                {S("67108864"), 67108864},
                {S("64Mi"), 67108864},
                {S("64M"), 64000000},
                {S("5k"), 5000},
                {S("3Ki"), 3072},
                {S("2Gi"), UINT64_C(2) << 30},
                {S("1T"), UINT64_C(1000000000000)}};
    uint64_t v;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_ok(memory_parse(good[i].text, &v));
        assert_int_equal(v, good[i].bytes);
    }
    static const str bad[] = {S(""),      S("Mi"),   S("64 Mi"), S("-1"),
                              S("64MiB"), S("64mi"), S("1.5G"),  S("64KiMi")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(memory_parse(bad[i], &v), ERR_PROTO);
    assert_int_equal(memory_parse(S("99999999999Ti"), &v), ERR_LIMIT);
}

static void what_is_resident(void **state) {
    (void)state;
    enum { BYTES = 32 << 20 };
    int fd = memory_open();
    uint64_t before = memory_resident(fd);
    assert_true(before > 0);
    char *p = base_alloc(BYTES);
    memset(p, 1, BYTES);
    assert_true(memory_resident(fd) >= before + BYTES / 2);
    free(p);
    close(fd);
    assert_int_equal(memory_resident(-1), 0);
}

/* ---- control groups, as they would be under a folder ---- */

static void write_under(const char *root, const char *path, const char *text) {
    char file[256];
    snprintf(file, sizeof file, "%s%s", root, path);
    for (char *p = file + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(file, 0700);
        *p = '/';
    }
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void what_control_groups_allow(void **state) {
    (void)state;
    static const struct {
        uint64_t limit;
        const char *groups;
        const char *files[3][2]; /* path, text */
    } cases[] = {
        {0, NULL, {{NULL}}},
        {0, "0::/\n", {{NULL}}},
        {0, "0::/a\n", {{"/sys/fs/cgroup/a/memory.max", "max\n"}}},
        {67108864, "0::/a\n", {{"/sys/fs/cgroup/a/memory.max", "67108864\n"}}},
        /* as in a container, which sees its own group as the root */
        {67108864, "0::/\n", {{"/sys/fs/cgroup/memory.max", "67108864\n"}}},
        /* the least up to the root counts, wherever it is */
        {1000,
         "0::/a/b/c\n",
         {{"/sys/fs/cgroup/a/memory.max", "3000\n"},
          {"/sys/fs/cgroup/a/b/memory.max", "1000\n"},
          {"/sys/fs/cgroup/a/b/c/memory.max", "2000\n"}}},
        {1000,
         "0::/a/b\n",
         {{"/sys/fs/cgroup/a/memory.max", "1000\n"}, {"/sys/fs/cgroup/a/b/memory.max", "max\n"}}},
        /* another group's is not ours */
        {0,
         "0::/a\n",
         {{"/sys/fs/cgroup/b/memory.max", "1000\n"}, {"/sys/fs/cgroup/ab/memory.max", "1000\n"}}},
        /* version 1, whose "none" is a large number; alone and beside version 2 */
        {2000,
         "12:cpu,cpuacct:/x\n5:memory:/docker/d\n0::/\n",
         {{"/sys/fs/cgroup/memory/docker/d/memory.limit_in_bytes", "2000\n"},
          {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
          {"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "7\n"}}},
        {1500,
         "5:hugetlb,memory:/d\n0::/e\n",
         {{"/sys/fs/cgroup/memory/d/memory.limit_in_bytes", "2000\n"},
          {"/sys/fs/cgroup/e/memory.max", "1500\n"}}},
        /* what can not be read is no bound */
        {0, "0::/a\n", {{"/sys/fs/cgroup/a/memory.max", ""}}},
        {0, "garbage\n::::\n0:\n\n0::\n", {{"/sys/fs/cgroup/memory.max", "many\n"}}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char root[] = "/tmp/memory_bound.XXXXXX", command[64];
        assert_non_null(mkdtemp(root));
        if (cases[i].groups) write_under(root, "/proc/self/cgroup", cases[i].groups);
        for (size_t f = 0; f < COUNT_OF(cases[i].files) && cases[i].files[f][0]; f++)
            write_under(root, cases[i].files[f][0], cases[i].files[f][1]);
        uint64_t got = memory_limit(root);
        snprintf(command, sizeof command, "rm -rf %s", root);
        assert_int_equal(system(command), 0);
        if (got != cases[i].limit)
            fail_msg("case %zu: got %llu, wanted %llu", i, (unsigned long long)got,
                     (unsigned long long)cases[i].limit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantities), cmocka_unit_test(what_is_resident),
                                       cmocka_unit_test(what_control_groups_allow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
