/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sock.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/tcp.h> /* whose tcp_info is whole, unlike the C library's */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_system(const struct ip *ip, uint16_t port, union address *a) {
    *a = (union address){0};
    if (ip->family == 4) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        memcpy(&a->v4.sin_addr, ip->bytes, 4);
        return sizeof a->v4;
    }
    a->v6.sin6_family = AF_INET6; /* family 0: all zero, "::" */
    a->v6.sin6_port = htons(port);
    memcpy(&a->v6.sin6_addr, ip->bytes, 16);
    return sizeof a->v6;
}

static void from_system(const union address *a, struct ip *ip, uint16_t *port) {
    *ip = (struct ip){0};
    if (a->any.sa_family == AF_INET) {
        ip->family = 4;
        memcpy(ip->bytes, &a->v4.sin_addr, 4);
        *port = ntohs(a->v4.sin_port);
    } else if (a->any.sa_family == AF_INET6) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
        ip->family = mapped ? 4 : 6;
        memcpy(ip->bytes, (const uint8_t *)&a->v6.sin6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
        *port = ntohs(a->v6.sin6_port);
    }
}

/* Closes without losing the reason. */
static err give_up(int fd) {
    int why = errno;
    close(fd);
    errno = why;
    return ERR_IO;
}

static int open_tcp(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

/* A datagram socket's connect() asks the kernel alone. */
bool sock_has_way(const struct ip *ip) {
    enum { ANY_PORT = 9 };
    union address a;
    socklen_t n = to_system(ip, ANY_PORT, &a);
    int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno != EAFNOSUPPORT;
    bool has = connect(fd, &a.any, n) == 0 ||
               (errno != ENETUNREACH && errno != EHOSTUNREACH && errno != EADDRNOTAVAIL);
    close(fd);
    return has;
}

err sock_listen(const struct ip *ip, uint16_t port, int backlog, int *ret_fd) {
    struct ip any4 = {.family = 4};
    int one = 1, zero = 0, fd = open_tcp(ip->family == 4 ? AF_INET : AF_INET6);
    if (fd < 0 && ip->family == 0 && errno == EAFNOSUPPORT) { /* a kernel without IPv6 */
        ip = &any4;
        fd = open_tcp(AF_INET);
    }
    if (fd < 0) return ERR_IO;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (ip->family != 4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, ip->family ? &one : &zero, sizeof one);
    union address a;
    socklen_t n = to_system(ip, port, &a);
    if (bind(fd, &a.any, n) < 0 || listen(fd, backlog) < 0) return give_up(fd);
    *ret_fd = fd;
    return OK;
}

err sock_accept(int listen_fd, int *ret_fd, struct ip *peer, uint16_t *peer_port) {
    union address a = {0};
    socklen_t n = sizeof a;
    int fd = accept4(listen_fd, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? ERR_AGAIN : ERR_IO;
    from_system(&a, peer, peer_port);
    *ret_fd = fd;
    return OK;
}

err sock_connect(const struct ip *ip, uint16_t port, int *ret_fd) {
    int one = 1, fd = open_tcp(ip->family == 4 ? AF_INET : AF_INET6);
    if (fd < 0) return ERR_IO;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    union address a;
    socklen_t n = to_system(ip, port, &a);
    if (connect(fd, &a.any, n) < 0 && errno != EINPROGRESS) return give_up(fd);
    *ret_fd = fd;
    return OK;
}

int sock_error(int fd) {
    int why = 0;
    socklen_t n = sizeof why;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) < 0 ? errno : why;
}

void sock_break(int fd) {
    struct linger none = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

err sock_acked(int fd, uint64_t *ret_bytes) {
    struct tcp_info info;
    socklen_t n = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0) return ERR_IO;
    if (n < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) return ERR_IO;
    *ret_bytes = info.tcpi_bytes_acked;
    return OK;
}

err sock_local(int fd, struct ip *ret_ip, uint16_t *ret_port) {
    union address a = {0};
    socklen_t n = sizeof a;
    if (getsockname(fd, &a.any, &n) < 0) return ERR_IO;
    from_system(&a, ret_ip, ret_port);
    return OK;
}

uint16_t sock_port(int fd) {
    struct ip ip;
    uint16_t port = 0;
    return sock_local(fd, &ip, &port) == OK ? port : 0;
}

/* A filter of a TCP socket sees packets from the TCP header on. [Linux Documentation/networking/filter.rst] [RFC 9293 3.1] */
static err filter_first_packets(int listen_fd) {
    enum { FLAGS_AT = 13, SYN = 0x02, ACK = 0x10 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),   BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = COUNT_OF(code), .filter = code};
    return setsockopt(listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? OK : ERR_IO;
}

/* An interface that there is not: no packet comes from there. Handshakes under way are with the one they came by. Who is not privileged may bind a
 * socket that is bound to none, and never change it. [socket(7) SO_BINDTODEVICE] [Linux net/core/sock.c, sock_bindtoindex()] */
enum { NOWHERE = INT32_MAX };

static err listen_nowhere(int listen_fd) {
    int nowhere = NOWHERE;
    return setsockopt(listen_fd, SOL_SOCKET, SO_BINDTOIFINDEX, &nowhere, sizeof nowhere) == 0 ? OK : ERR_IO;
}

err sock_hush(int listen_fd) {
    return filter_first_packets(listen_fd) == OK ? OK : listen_nowhere(listen_fd);
}

err sock_unhush(int listen_fd) {
    int none = 0, at = 0;
    socklen_t n = sizeof at;
    setsockopt(listen_fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none); /* when there is one */
    if (getsockopt(listen_fd, SOL_SOCKET, SO_BINDTOIFINDEX, &at, &n) < 0 || at != NOWHERE) return OK;
    return setsockopt(listen_fd, SOL_SOCKET, SO_BINDTOIFINDEX, &none, sizeof none) == 0 ? OK : ERR_IO;
}

/* [Linux net/ipv4/tcp.c, tcp_get_info()]: of a listening socket, the length of its queue. */
uint32_t sock_queued(int listen_fd) {
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    return getsockopt(listen_fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 ? info.tcpi_unacked : 0;
}
