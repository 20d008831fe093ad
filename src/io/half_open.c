/* SPDX-License-Identifier: Apache-2.0 */
#include "io/half_open.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 16 << 10 };

static err ask(int fd, int family, uint16_t port) {
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } q = {.head = {.nlmsg_len = sizeof q,
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
           .body = {.sdiag_family = (uint8_t)family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = 1U << TCP_SYN_RECV,
                    .id.idiag_sport = htons(port)}};
    return send(fd, &q, sizeof q, 0) == (ssize_t)sizeof q ? OK : ERR_IO;
}

/* The answer may be several messages. */
static err count(int fd, uint16_t port, uint32_t *n) {
    union {
        struct nlmsghdr head;
        char bytes[BYTES];
    } a;
    for (;;) {
        ssize_t got = recv(fd, &a, sizeof a, 0);
        if (got <= 0) return ERR_IO;
        unsigned left = (unsigned)got;
        for (const struct nlmsghdr *m = &a.head; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type == NLMSG_DONE) return OK;
            if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY) return ERR_IO;
            const struct inet_diag_msg *d = NLMSG_DATA(m);
            if (d->id.idiag_sport == htons(port) && d->idiag_state == TCP_SYN_RECV) ++*n;
        }
    }
}

err half_open_count(uint16_t port, uint32_t *ret) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) return ERR_IO;
    uint32_t n = 0;
    static const int families[] = {AF_INET, AF_INET6};
    err e = OK;
    for (size_t i = 0; i < COUNT_OF(families) && e == OK; i++) {
        e = ask(fd, families[i], port);
        if (e == OK) e = count(fd, port, &n);
    }
    close(fd);
    if (e == OK) *ret = n;
    return e;
}
