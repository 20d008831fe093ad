/* SPDX-License-Identifier: Apache-2.0 */
#include "io/descriptors.h"

#include <sys/resource.h>

#include "base/num.h"

enum { ENOUGH = 1 << 20 }; /* container engines give a billion, and tables are made as large */

void descriptors_raise(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return;
    rlim_t wanted = r.rlim_max < ENOUGH ? r.rlim_max : ENOUGH;
    if (r.rlim_cur >= wanted) return;
    r.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &r);
}

uint64_t descriptors_max(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return 1024; /* what POSIX systems usually begin with */
    return num_min(r.rlim_cur, ENOUGH);
}
