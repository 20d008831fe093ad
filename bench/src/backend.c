/* SPDX-License-Identifier: Apache-2.0 */
/* The origin: HTTP/1.1, one thread, epoll, as little work as an answer takes.
 *   backend ADDR PORT NAME [keep]     NAME: its Server field; keep: never close, whatever the request says (for the floor)
 * GET /s/<bytes> is answered with that many bytes; any other path with 1024. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BODY = 1 << 20, ACCEPTS_MAX = 64 };
struct origin {
    int epoll, listener;
    bool keep;
    const char *name;
    char *body;
};
struct conn {
    int fd;
    bool last, writing;
    size_t body_left, head_n, head_sent, got;
    char head[256], request[8192];
};
enum progress { WAIT, DONE, GONE };

static enum progress conn_flush(struct conn *c, char *body) {
    while (c->head_sent < c->head_n || c->body_left) {
        struct iovec v[2];
        int n = 0;
        size_t head = c->head_n - c->head_sent;
        if (head) v[n++] = (struct iovec){c->head + c->head_sent, head};
        if (c->body_left) v[n++] = (struct iovec){body, c->body_left < BODY ? c->body_left : BODY};
        ssize_t r = writev(c->fd, v, n);
        if (r < 0) return errno == EAGAIN ? WAIT : GONE;
        if ((size_t)r < head) head = (size_t)r;
        c->head_sent += head;
        c->body_left -= (size_t)r - head;
    }
    return DONE;
}

static void conn_watch(const struct origin *o, struct conn *c, bool writing) {
    if (c->writing == writing) return;
    c->writing = writing;
    struct epoll_event e = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(o->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void conn_answer(const struct origin *o, struct conn *c, size_t request_n) {
    c->body_left = memcmp(c->request, "GET /s/", 7) == 0 ? strtoull(c->request + 7, NULL, 10) : 1024;
    c->last = !o->keep && memmem(c->request, request_n, "onnection: close", 16) != NULL;
    c->head_n = (size_t)snprintf(c->head, sizeof c->head,
                                 "HTTP/1.1 200 OK\r\nServer: %s\r\nDate: Mon, 23 Nov 2026 01:00:00 GMT\r\n"
                                 "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n%s\r\n",
                                 o->name, c->body_left, c->last ? "Connection: close\r\n" : "");
    memmove(c->request, c->request + request_n, c->got - request_n);
    c->got -= request_n;
}

/* Answers what has arrived. */
static enum progress conn_step(const struct origin *o, struct conn *c) {
    for (;;) {
        enum progress p = conn_flush(c, o->body);
        if (p == WAIT) conn_watch(o, c, true);
        if (p != DONE) return p;
        if (c->head_n && c->last) return GONE;
        c->head_n = c->head_sent = 0;
        char *end = memmem(c->request, c->got, "\r\n\r\n", 4);
        if (!end) {
            conn_watch(o, c, false);
            return c->got == sizeof c->request ? GONE : WAIT;
        }
        conn_answer(o, c, (size_t)(end + 4 - c->request));
    }
}

static void conn_event(const struct origin *o, struct conn *c) {
    enum progress p = WAIT;
    if (!c->writing) {
        ssize_t r = read(c->fd, c->request + c->got, sizeof c->request - c->got);
        if (r > 0)
            c->got += (size_t)r;
        else if (r == 0 || errno != EAGAIN)
            p = GONE;
    }
    if (p != GONE) p = conn_step(o, c);
    if (p != GONE) return;
    close(c->fd);
    free(c);
}

static void origin_accept(const struct origin *o) {
    int one = 1;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(o->listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c) abort();
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(o->epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    struct origin o = {.name = argv[3], .keep = argc > 4, .body = malloc(BODY), .epoll = epoll_create1(0)};
    if (!o.body || o.epoll < 0) return 1;
    memset(o.body, 'x', BODY);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
    inet_pton(AF_INET, argv[1], &a.sin_addr);
    o.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(o.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(o.listener, (struct sockaddr *)&a, sizeof a) || listen(o.listener, 8192)) {
        perror("backend: bind");
        return 1;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(o.epoll, EPOLL_CTL_ADD, o.listener, &e);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(o.epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                conn_event(&o, events[i].data.ptr);
            else
                origin_accept(&o);
        }
    }
}
