/* SPDX-License-Identifier: Apache-2.0 */
#include "io/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/num.h"

enum { CAPABILITIES_MAX = 64 };
/* What a user is to become. */
struct who {
    const char *name; /* of the user database; NULL: it has no such number */
    uid_t uid;
    gid_t gid;
};

static bool holds(unsigned capability) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &head, data) < 0) return false;
    return data[capability / 32].permitted >> capability % 32 & 1;
}

/* The inheritable set becomes this one, and, when `only` is set, the others too. [capabilities(7)] */
static err set(uint64_t capabilities, bool only) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &head, data) < 0) return ERR_IO;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].inheritable = (uint32_t)(capabilities >> 32 * i);
        data[i].effective = only ? data[i].inheritable : data[i].permitted;
        if (only) data[i].permitted = data[i].inheritable;
    }
    return syscall(SYS_capset, &head, data) < 0 ? ERR_IO : OK;
}

/* Without CAP_SETPCAP the bounding set stays as it is: no_new_privs sees to it that it gives nothing. */
static void empty_bounding_set(void) {
    for (unsigned c = 0; c < CAPABILITIES_MAX; c++)
        if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1) prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
}

static err keep(uint64_t capabilities) {
    err e = set(capabilities, false); /* inherited, and passed on, only while the bounding set has it */
    empty_bounding_set();
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (e == OK) e = set(capabilities, true);
    int why = errno;
    for (unsigned c = 0; c < CAPABILITIES_MAX; c++)
        if (capabilities >> c & 1) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return ERR_IO;
    errno = why;
    return e;
}

err privileges_keep_ports(void) {
    return keep(holds(CAP_NET_BIND_SERVICE) ? (uint64_t)1 << CAP_NET_BIND_SERVICE : 0);
}

err privileges_drop(void) { return keep(0); }

void privileges_hide_memory(void) { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

static bool is_number(str s, uint64_t *ret) { return num_parse(s, UINT32_MAX - 1, ret) == OK; }

static err find_user(str user, struct who *w, struct buf *why) {
    uint64_t number;
    char *name = str_dup(user);
    bool by_number = is_number(user, &number);
    const struct passwd *p = by_number ? getpwuid((uid_t)number) : getpwnam(name);
    free(name);
    if (!p && !by_number) {
        buf_printf(why, "there is no user \"" STR_FMT "\"", STR_ARG(user));
        return ERR_ABSENT;
    }
    *w = (struct who){p ? p->pw_name : NULL, p ? p->pw_uid : (uid_t)number, p ? p->pw_gid : (gid_t)number};
    return OK;
}

static err find_group(str group, struct who *w, struct buf *why) {
    uint64_t number;
    if (is_number(group, &number)) {
        w->gid = (gid_t)number;
        return OK;
    }
    char *name = str_dup(group);
    const struct group *g = getgrnam(name);
    free(name);
    if (!g) {
        buf_printf(why, "there is no group \"" STR_FMT "\"", STR_ARG(group));
        return ERR_ABSENT;
    }
    w->gid = g->gr_gid;
    return OK;
}

err privileges_become(const char *user, struct buf *why) {
    str group = str_of(user), name = str_cut(&group, ':');
    struct who w;
    TRY(find_user(name, &w, why));
    if (group.p) TRY(find_group(group, &w, why));
    if (w.uid == geteuid() && w.gid == getegid()) return OK;
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    bool done = (w.name ? initgroups(w.name, w.gid) : setgroups(1, &w.gid)) == 0 &&
                setresgid(w.gid, w.gid, w.gid) == 0 && setresuid(w.uid, w.uid, w.uid) == 0;
    int failed = errno;
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (done) return OK;
    buf_printf(why, "it can not become user %u, group %u: %s", w.uid, w.gid, strerror(failed));
    return ERR_IO;
}
