/* SPDX-License-Identifier: Apache-2.0 */
#include "io/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"

enum { FILE_BYTES_MAX = 16 << 10, ROOT_BYTES_MAX = 256 };
static const uint64_t bytes_max = UINT64_C(1) << 60; /* version 1 says "none" by a number above it */

/* The beginning of a file, into text. */
static str read_file(const char *path, char text[FILE_BYTES_MAX]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, FILE_BYTES_MAX);
    if (fd >= 0) close(fd);
    return n > 0 ? (str){text, (size_t)n} : (str){0};
}

static uint64_t read_bound(const char *folder, str path, const char *name) {
    char file[4096], text[FILE_BYTES_MAX];
    uint64_t v;
    snprintf(file, sizeof file, "%s" STR_FMT "/%s", folder, STR_ARG(path), name);
    str rest = read_file(file, text), line = str_cut(&rest, '\n');
    if (num_parse(line, UINT64_MAX, &v) != OK || v >= bytes_max) return 0;
    return v;
}

/* The least from a group up to the root: any of them may bound it. */
static uint64_t least_bound(const char *folder, str path, const char *name) {
    uint64_t least = 0;
    for (;;) {
        uint64_t v = read_bound(folder, path, name);
        if (v && (!least || v < least)) least = v;
        if (path.n <= 1) return least;
        size_t slash = str_rfind(path, '/');
        path = str_upto(path, slash < path.n ? slash : 0);
    }
}

/* Is memory among the controllers, "cpu,memory"? */
static bool names_memory(str controllers) {
    while (controllers.n)
        if (str_eq(str_cut(&controllers, ','), S("memory"))) return true;
    return false;
}

uint64_t memory_limit(const char *root) {
    char text[FILE_BYTES_MAX], file[ROOT_BYTES_MAX + 64], v2[ROOT_BYTES_MAX + 64], v1[ROOT_BYTES_MAX + 64];
    uint64_t least = 0;
    assert(strlen(root) < ROOT_BYTES_MAX);
    snprintf(file, sizeof file, "%s/proc/self/cgroup", root);
    snprintf(v2, sizeof v2, "%s/sys/fs/cgroup", root);
    snprintf(v1, sizeof v1, "%s/sys/fs/cgroup/memory", root);
    for (str rest = read_file(file, text); rest.n;) { /* "5:memory:/a/b", "0::/a/b" */
        str line = str_cut(&rest, '\n'), number = str_cut(&line, ':'), controllers = str_cut(&line, ':');
        uint64_t v = 0;
        if (str_eq(number, S("0")) && !controllers.n)
            v = least_bound(v2, line, "memory.max");
        else if (names_memory(controllers))
            v = least_bound(v1, line, "memory.limit_in_bytes");
        if (v && (!least || v < least)) least = v;
    }
    return least;
}

int memory_open(void) { return open("/proc/self/statm", O_RDONLY | O_CLOEXEC); }

uint64_t memory_resident(int fd) {
    char text[128];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text, 0);
    str rest = {text, n > 0 ? (size_t)n : 0};
    uint64_t pages;
    str_cut(&rest, ' ');
    if (num_parse(str_cut(&rest, ' '), UINT32_MAX, &pages) != OK) return 0; /* [proc(5) statm] */
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

err memory_parse(str s, uint64_t *ret) {
    static const struct {
        str suffix;
        uint64_t times;
    } units[] = {{S("Ki"), UINT64_C(1) << 10},
                 {S("Mi"), UINT64_C(1) << 20},
                 {S("Gi"), UINT64_C(1) << 30},
                 {S("Ti"), UINT64_C(1) << 40},
                 {S("k"), 1000},
                 {S("M"), 1000000},
                 {S("G"), 1000000000},
                 {S("T"), UINT64_C(1000000000000)}};
    uint64_t times = 1, v;
    for (size_t i = 0; i < COUNT_OF(units) && times == 1; i++) {
        if (!str_ends(s, units[i].suffix)) continue;
        times = units[i].times;
        s = str_upto(s, s.n - units[i].suffix.n);
    }
    TRY(num_parse(s, bytes_max / times, &v));
    *ret = v * times;
    return OK;
}
