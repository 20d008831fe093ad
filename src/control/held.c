/* SPDX-License-Identifier: Apache-2.0 */
#include "control/held.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/log.h"
#include "io/sock.h"

enum { BACKLOG = 4096 /* the system cuts it to net.core.somaxconn */ };

/* SO_REUSEPORT lets another process of the same user bind the same port and take a share of its connections unnoticed, so the first of our
 * sockets is tried without. errno tells why not. */
static bool is_free(const struct ip *ip, uint16_t port) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    int one = 1, off = ip->family == 6, family = ip->family == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0 && ip->family == 0) fd = socket(family = AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) return false;
    socklen_t n = family == AF_INET ? sizeof a.v4 : sizeof a.v6;
    if (family == AF_INET) {
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&a.v4.sin_addr, ip->bytes, 4);
    } else {
        a.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&a.v6.sin6_addr, ip->bytes, 16);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* what is in TIME_WAIT is no obstacle */
    int failed = bind(fd, &a.any, n), why = errno;
    close(fd);
    errno = why;
    return failed == 0;
}

static void held_free(struct held *h) {
    for (uint32_t i = 0; i < h->n; i++) close(h->fds[i]);
    free(h);
}

static struct held **find(struct held_all *a, const struct words_ask *w) {
    struct held **at = &a->first;
    while (*at && ((*at)->port != w->port || !ip_eq(&(*at)->ip, &w->ip))) at = &(*at)->next;
    return at;
}

/* One queue, of a socket that is not ours to open: each of the n is another descriptor of it. */
static err open_one(int given, const struct words_ask *w, int *ret_fd) {
    if (given < 0) return sock_listen(&w->ip, w->port, BACKLOG, ret_fd);
    *ret_fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
    return *ret_fd < 0 ? ERR_IO : OK;
}

static struct held *held_new(const struct words_ask *w, int given) {
    if (given < 0 && !is_free(&w->ip, w->port)) return NULL;
    struct held *h = base_zalloc(sizeof *h);
    h->ip = w->ip, h->port = w->port, h->use = w->use, h->given = given >= 0;
    return h;
}

/* Returns how many stay as they are: they are kept for their queues, with others beside them. */
static uint32_t unhush(struct held *h) {
    uint32_t deaf = 0;
    for (uint32_t i = 0; h->hushed && i < h->n; i++) deaf += sock_unhush(h->fds[i]) != OK;
    h->hushed = false;
    return deaf;
}

const struct held *held_open(struct held_all *a, const struct words_ask *w, uint32_t asked_by) {
    struct held **at = find(a, w), *h = *at;
    int given = inherited_find(&a->inherited, &w->ip, w->port);
    errno = EADDRINUSE;
    if (h ? h->use != w->use : !(h = held_new(w, given))) return NULL;
    if (*at == h) *at = h->next;
    uint32_t before = h->n, wanted = w->n + unhush(h);
    if (h->n < wanted) h = base_realloc(h, sizeof *h + wanted * sizeof h->fds[0]);
    int why = 0;
    for (; h->n < wanted && !why; h->n++)
        if (open_one(given, w, &h->fds[h->n]) != OK) why = errno ? errno : EIO, h->n--;
    if (why && !before) {
        held_free(h);
        errno = why;
        return NULL;
    }
    h->asked_by = asked_by;
    h->next = a->first;
    return a->first = h;
}

void held_hush(struct held_all *a, const struct words_ask *w, uint32_t asked_by) {
    struct held *h = *find(a, w);
    if (!h || h->given || h->asked_by > asked_by) return;
    err e = OK;
    for (uint32_t i = 0; i < h->n; i++)
        if (sock_hush(h->fds[i]) != OK) e = ERR_IO;
    if (e != OK)
        log_warn("listener port=%u err=\"%s\" effect=\"connections that begin while it closes may be reset\"",
                 h->port, strerror(errno));
    h->hushed = true;
}

void held_close(struct held_all *a, const struct words_ask *w, uint32_t asked_by) {
    struct held **at = find(a, w), *h = *at;
    if (!h || h->asked_by > asked_by) return;
    *at = h->next;
    held_free(h);
}

void held_close_unasked(struct held_all *a, uint32_t since) {
    for (struct held **at = &a->first, *h; (h = *at);) {
        if (h->asked_by >= since) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        held_free(h);
    }
}

void held_fini(struct held_all *a) {
    while (a->first) {
        struct held *h = a->first;
        a->first = h->next;
        held_free(h);
    }
    inherited_fini(&a->inherited);
}
