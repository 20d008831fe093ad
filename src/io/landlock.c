/* SPDX-License-Identifier: Apache-2.0 */
#include "io/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset /* the same numbers everywhere */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

/* The kernel's interface up to version 6, which the headers of a system may not know in full. [include/uapi/linux/landlock.h] */
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_REG = 1 << 8,
    MAKE_SOCK = 1 << 9,
    BITS_OF_VERSION_1 = (1 << 13) - 1,
    REFER = 1 << 13,     /* version 2 */
    TRUNCATE = 1 << 14,  /* version 3 */
    IOCTL_DEV = 1 << 15, /* version 5 */
    ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE |
               IOCTL_DEV,    /* what makes sense for one that is no folder */
    BIND_TCP = 1 << 0,       /* version 4 */
    SCOPE_ABSTRACT = 1 << 0, /* version 6 */
    SCOPE_SIGNAL = 1 << 1,   /* version 6 */
};
struct ruleset {
    uint64_t files, net, scoped;
};
struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));
struct net_port {
    uint64_t allowed, port;
};

struct landlock {
    int fd;
    uint64_t files; /* that this kernel can forbid */
    bool ports;
};

int landlock_version(void) {
    long v = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    return v > 0 ? (int)v : 0;
}

err landlock_new(bool scope_abstract, struct landlock **ret) {
    int version = landlock_version();
    struct ruleset r = {.files = BITS_OF_VERSION_1};
    if (version >= 2) r.files |= REFER;
    if (version >= 3) r.files |= TRUNCATE;
    if (version >= 4) r.net = BIND_TCP;
    if (version >= 5) r.files |= IOCTL_DEV;
    if (version >= 6) r.scoped = (uint64_t)SCOPE_SIGNAL | (scope_abstract ? SCOPE_ABSTRACT : 0);
    size_t bytes = version >= 6   ? sizeof r
                   : version >= 4 ? offsetof(struct ruleset, scoped)
                                  : offsetof(struct ruleset, net);
    long fd = syscall(SYS_landlock_create_ruleset, &r, bytes, 0);
    if (fd < 0) return ERR_IO;
    struct landlock *l = base_zalloc(sizeof *l);
    *l = (struct landlock){.fd = (int)fd, .files = r.files, .ports = r.net};
    *ret = l;
    return OK;
}

void landlock_free(struct landlock *l) {
    if (!l) return;
    close(l->fd);
    free(l);
}

static uint64_t rights(enum landlock_use use) {
    static const uint64_t of[] = {
        [LANDLOCK_READS] = READ_FILE | READ_DIR,
        [LANDLOCK_APPENDS] = WRITE_FILE | MAKE_REG,
        [LANDLOCK_LISTENS] = MAKE_SOCK | REMOVE_FILE,
    };
    return of[use];
}

err landlock_allow(struct landlock *l, const char *path, enum landlock_use use) {
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0) close(fd);
        return OK;
    }
    struct path_beneath p = {.allowed = rights(use) & l->files, .parent = fd};
    if (!S_ISDIR(st.st_mode)) p.allowed &= ON_FILES;
    long failed = p.allowed ? syscall(SYS_landlock_add_rule, l->fd, RULE_PATH_BENEATH, &p, 0) : 0;
    int why = errno;
    close(fd);
    errno = why;
    return failed < 0 && why != EBADFD ? ERR_IO : OK;
}

err landlock_allow_port(struct landlock *l, uint16_t port) {
    struct net_port p = {BIND_TCP, port};
    if (!l->ports || !port) return OK;
    return syscall(SYS_landlock_add_rule, l->fd, RULE_NET_PORT, &p, 0) < 0 ? ERR_IO : OK;
}

err landlock_begin(struct landlock *l) {
    return syscall(SYS_landlock_restrict_self, l->fd, 0) < 0 ? ERR_IO : OK;
}
