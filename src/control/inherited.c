/* SPDX-License-Identifier: Apache-2.0 */
#include "control/inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "io/log.h"

enum { SOCKETS_MAX = 1024 };

static bool is_listening_tcp(int fd) {
    int type = 0, accepts = 0;
    socklen_t n = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM) return false;
    n = sizeof accepts;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &n) == 0 && accepts;
}

static bool read_address(int fd, struct inherited_socket *ret) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, &a.any, &n) < 0) return false;
    struct ip ip = {0};
    if (a.any.sa_family == AF_INET) {
        ip.family = 4;
        memcpy(ip.bytes, &a.v4.sin_addr, 4);
        ret->port = ntohs(a.v4.sin_port);
    } else if (a.any.sa_family == AF_INET6) {
        ip.family = 6;
        memcpy(ip.bytes, &a.v6.sin6_addr, 16);
        ret->port = ntohs(a.v6.sin6_port);
    } else {
        return false;
    }
    ret->ip = ip_is_unspecified(&ip) ? (struct ip){0} : ip;
    return true;
}

static bool read_number(const char *name, uint64_t *ret) {
    const char *text = getenv(name);
    return text && num_parse(str_of(text), UINT32_MAX, ret) == OK;
}

static void add(struct inherited *h, int fd) {
    struct inherited_socket *s = &h->v[h->n];
    *s = (struct inherited_socket){.fd = fd};
    if (!is_listening_tcp(fd) || !read_address(fd, s)) {
        log_warn(
            "socket activation fd=%d err=\"no listening TCP socket\" remedy=\"ListenStream= with a port\"",
            fd);
        close(fd);
        return;
    }
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    h->n++;
    log_info("socket activation fd=%d port=%u", fd, s->port);
}

void inherited_take(struct inherited *ret) {
    *ret = (struct inherited){0};
    uint64_t pid, n = 0;
    bool ours = read_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid() && read_number("LISTEN_FDS", &n);
    unsetenv("LISTEN_PID"), unsetenv("LISTEN_FDS"), unsetenv("LISTEN_FDNAMES");
    if (!ours || n > SOCKETS_MAX) return;
    ret->v = base_zalloc((n + 1) * sizeof *ret->v);
    for (uint32_t i = 0; i < n; i++) add(ret, INHERITED_FIRST + (int)i);
}

void inherited_fini(struct inherited *h) {
    for (uint32_t i = 0; i < h->n; i++) close(h->v[i].fd);
    free(h->v);
    *h = (struct inherited){0};
}

int inherited_find(const struct inherited *h, const struct ip *ip, uint16_t port) {
    for (uint32_t i = 0; i < h->n; i++)
        if (h->v[i].port == port && ip_eq(&h->v[i].ip, ip)) return h->v[i].fd;
    return -1;
}
