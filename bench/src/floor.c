/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: a proxy that moves bytes and understands nothing. One thread, epoll. What it costs, no gateway can avoid on this machine.
 *   floor pipe    PORT BADDR BPORT               one origin connection for each client's
 *   floor splice  PORT BADDR BPORT               the same by splice(2)
 *   floor once    PORT BADDR BPORT LEN           an answer of LEN bytes, then the client is closed and the origin connection kept
 *   floor tls     PORT BADDR BPORT CERT KEY      pipe with TLS 1.3 in front
 *   floor oncetls PORT BADDR BPORT LEN CERT KEY  once with TLS 1.3 in front */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 65536, PIPE = 1 << 20, EVENTS = 256, IDLE_MAX = 65536, ACCEPTS_MAX = 64 };
struct end {
    int fd, pipe[2];
    uint32_t events;
    bool client, shaken;
    struct end *peer;
    SSL *ssl;
    long answer_left;
    size_t queued, queue_off;
    char *queue;
};
struct floor {
    int epoll;
    bool once, splice;
    long answer_n;
    SSL_CTX *tls;
    struct sockaddr_in to;
    char *block;
    unsigned idle_n, dead_n;
    struct end *idle[IDLE_MAX], *dead[EVENTS * 4 + ACCEPTS_MAX];
};

static void end_watch(struct floor *f, struct end *e, uint32_t events) {
    if (e->events == events) return;
    e->events = events;
    struct epoll_event v = {.events = events, .data.ptr = e};
    epoll_ctl(f->epoll, EPOLL_CTL_MOD, e->fd, &v);
}

static struct end *end_new(struct floor *f, int fd) {
    struct end *e = calloc(1, sizeof *e);
    if (!e) abort();
    int one = 1;
    *e = (struct end){.fd = fd, .events = EPOLLIN, .pipe = {-1, -1}};
    struct epoll_event v = {.events = EPOLLIN, .data.ptr = e};
    epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &v);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (f->splice) {
        if (pipe2(e->pipe, O_NONBLOCK)) abort();
        fcntl(e->pipe[1], F_SETPIPE_SZ, PIPE);
    }
    return e;
}

/* Events of this turn may still name it: freed when the turn ends. */
static void end_bury(struct floor *f, struct end *e) {
    if (e->ssl) {
        SSL_set_quiet_shutdown(e->ssl, 1);
        SSL_shutdown(e->ssl);
        SSL_free(e->ssl);
    }
    close(e->fd);
    if (e->pipe[0] >= 0) {
        close(e->pipe[0]);
        close(e->pipe[1]);
    }
    free(e->queue);
    e->fd = -1;
    f->dead[f->dead_n++] = e;
}

static void pair_bury(struct floor *f, struct end *e) {
    struct end *peer = e->peer;
    end_bury(f, e);
    if (peer) end_bury(f, peer);
}

static struct end *origin_take(struct floor *f) {
    if (f->idle_n) return f->idle[--f->idle_n];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, (struct sockaddr *)&f->to, sizeof f->to) && errno != EINPROGRESS) abort();
    return end_new(f, fd);
}

static int end_send(struct end *e, const char *p, size_t n) {
    return e->ssl ? SSL_write(e->ssl, p, (int)n) : (int)send(e->fd, p, n, MSG_NOSIGNAL);
}

static bool end_must_wait(const struct end *e, int r) {
    if (!e->ssl) return r < 0 && (errno == EAGAIN || errno == ENOTCONN);
    int x = SSL_get_error(e->ssl, r);
    return x == SSL_ERROR_WANT_READ || x == SSL_ERROR_WANT_WRITE;
}

static void pipe_empty(struct end *e) {
    while (e->queued) {
        ssize_t r = splice(e->pipe[0], NULL, e->fd, NULL, e->queued, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (r <= 0) return;
        e->queued -= (size_t)r;
    }
}

/* What could not be sent before. false: dead */
static bool end_flush(struct floor *f, struct end *e) {
    if (f->splice) pipe_empty(e);
    while (!f->splice && e->queued) {
        int r = end_send(e, e->queue + e->queue_off, e->queued);
        if (r <= 0) return end_must_wait(e, r);
        e->queued -= (size_t)r;
        e->queue_off += (size_t)r;
    }
    if (e->queued) return true;
    end_watch(f, e, EPOLLIN);
    if (e->peer) end_watch(f, e->peer, EPOLLIN);
    return true;
}

static void wait_to_send(struct floor *f, struct end *from, struct end *to) {
    end_watch(f, to, EPOLLOUT);
    end_watch(f, from, 0);
}

static void end_splice(struct floor *f, struct end *e) {
    struct end *to = e->peer;
    ssize_t r = splice(e->fd, NULL, to->pipe[1], NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (r < 0 && errno == EAGAIN) return;
    if (r <= 0) {
        pair_bury(f, e);
        return;
    }
    to->queued += (size_t)r;
    pipe_empty(to);
    if (to->queued) wait_to_send(f, e, to);
}

/* false: stop reading */
static bool end_relay(struct floor *f, struct end *e, size_t n) {
    struct end *to = e->peer;
    size_t sent = 0;
    while (sent < n) {
        int w = end_send(to, f->block + sent, n - sent);
        if (w <= 0 && !end_must_wait(to, w)) {
            pair_bury(f, e);
            return false;
        }
        if (w <= 0) break;
        sent += (size_t)w;
    }
    if (f->once && !e->client && (to->answer_left -= (long)n) <= 0) {
        if (f->idle_n == IDLE_MAX) abort();
        f->idle[f->idle_n++] = e;
        e->peer = to->peer = NULL;
        end_bury(f, to);
        return false;
    }
    if (sent == n) return e->ssl != NULL; /* a TLS record may be waiting inside; a socket says so itself */
    free(to->queue);
    to->queue = malloc(n - sent);
    if (!to->queue) abort();
    memcpy(to->queue, f->block + sent, n - sent);
    to->queue_off = 0;
    to->queued = n - sent;
    wait_to_send(f, e, to);
    return false;
}

static void end_read(struct floor *f, struct end *e) {
    for (;;) {
        int r = e->ssl ? SSL_read(e->ssl, f->block, BLOCK) : (int)recv(e->fd, f->block, BLOCK, 0);
        if (r <= 0) {
            if (!end_must_wait(e, r)) pair_bury(f, e);
            return;
        }
        if (!end_relay(f, e, (size_t)r)) return;
    }
}

static void idle_gone(struct floor *f, struct end *e) {
    end_bury(f, e);
    for (unsigned i = 0; i < f->idle_n; i++)
        if (f->idle[i] == e) f->idle[i] = f->idle[--f->idle_n];
}

static void end_event(struct floor *f, struct end *e, uint32_t events) {
    if (e->fd < 0) return;
    bool over = events & (EPOLLHUP | EPOLLERR);
    if (e->ssl && !e->shaken) {
        int r = SSL_do_handshake(e->ssl);
        if (r != 1) {
            if (!end_must_wait(e, r)) pair_bury(f, e);
            return;
        }
        e->shaken = true;
    }
    if ((over && e->events != EPOLLIN) || ((events & EPOLLOUT) && !end_flush(f, e))) {
        pair_bury(f, e);
        return;
    }
    if (!(events & EPOLLIN) && !over) return;
    if (e->events != EPOLLIN) return; /* held back until the other side has taken what is queued */
    if (!e->peer && !e->client) {
        idle_gone(f, e);
        return;
    }
    if (!e->peer) {
        e->peer = origin_take(f);
        e->peer->peer = e;
        e->answer_left = f->answer_n;
    }
    if (f->splice)
        end_splice(f, e);
    else
        end_read(f, e);
}

static void floor_accept(struct floor *f, int listener) {
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        struct end *e = end_new(f, fd);
        e->client = true;
        if (!f->tls) continue;
        e->ssl = SSL_new(f->tls);
        SSL_set_fd(e->ssl, fd);
        SSL_set_accept_state(e->ssl);
    }
}

static SSL_CTX *tls_make(const char *cert, const char *key) {
    SSL_CTX *x = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(x, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(x, key, SSL_FILETYPE_PEM) != 1)
        return NULL;
    SSL_CTX_set_num_tickets(x, 1);
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return x;
}

static int listener_open(const char *port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 8192)) {
        perror("floor: bind");
        return -1;
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    struct floor *f = calloc(1, sizeof *f);
    if (!f || !(f->block = malloc(BLOCK))) return 1;
    f->once = strncmp(argv[1], "once", 4) == 0;
    f->splice = strcmp(argv[1], "splice") == 0;
    bool tls = strstr(argv[1], "tls") != NULL;
    if (argc != 5 + f->once + 2 * tls) return 2;
    if (f->once) f->answer_n = strtol(argv[5], NULL, 10);
    if (tls && !(f->tls = tls_make(argv[argc - 2], argv[argc - 1]))) return 1;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    f->to =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10))};
    inet_pton(AF_INET, argv[3], &f->to.sin_addr);
    int listener = listener_open(argv[2]);
    if (listener < 0) return 1;
    f->epoll = epoll_create1(0);
    struct epoll_event v = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(f->epoll, EPOLL_CTL_ADD, listener, &v);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(f->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                end_event(f, events[i].data.ptr, events[i].events);
            else
                floor_accept(f, listener);
        }
        while (f->dead_n) free(f->dead[--f->dead_n]);
    }
}
