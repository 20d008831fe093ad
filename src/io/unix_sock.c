/* SPDX-License-Identifier: Apache-2.0 */
#include "io/unix_sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static err fill(const char *path, struct sockaddr_un *a) {
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof a->sun_path) {
        errno = ENAMETOOLONG;
        return ERR_LIMIT;
    }
    memcpy(a->sun_path, path, n);
    return OK;
}

err unix_sock_connect(const char *path, int *ret_fd) {
    struct sockaddr_un a;
    TRY(fill(path, &a));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return ERR_IO;
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return ERR_IO;
    }
    *ret_fd = fd;
    return OK;
}

err unix_sock_replace(const char *path, int *ret_fd) {
    struct sockaddr_un a;
    TRY(fill(path, &a));
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return ERR_IO;
    mode_t before = umask(0177); /* only for us, from its first moment */
    int failed = bind(fd, (const struct sockaddr *)&a, sizeof a);
    umask(before);
    if (failed < 0 || listen(fd, 64) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return ERR_IO;
    }
    *ret_fd = fd;
    return OK;
}

err unix_sock_listen(const char *path, int *ret_fd) {
    int other;
    if (unix_sock_connect(path, &other) == OK) {
        close(other);
        errno = EADDRINUSE;
        return ERR_IO;
    }
    return unix_sock_replace(path, ret_fd);
}

enum { FDS_MAX = 64 };
union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

err unix_sock_send(int sock, const void *bytes, size_t n, const int *fds, size_t fds_n) {
    assert(fds_n <= FDS_MAX && n > 0);
    union control control = {0};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fds_n) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(fds_n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fds_n * sizeof(int));
    }
    ssize_t sent;
    do sent = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)n ? OK : ERR_IO;
}

err unix_sock_recv(int sock, void *bytes, size_t n_max, size_t *ret_n, int *fds, size_t fds_max,
                   size_t *ret_fds_n) {
    union control control = {0};
    struct iovec piece = {.iov_base = bytes, .iov_len = n_max};
    struct msghdr m = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    ssize_t got;
    do got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
    if (got == 0) return ERR_END;
    size_t have = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (have < fds_max)
                fds[have++] = fd;
            else
                close(fd);
        }
    }
    *ret_n = (size_t)got;
    *ret_fds_n = have;
    return OK;
}
