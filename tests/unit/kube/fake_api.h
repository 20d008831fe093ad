/* SPDX-License-Identifier: Apache-2.0 */
/* An API server by script: HTTP/1.1 over loopback, in the loop of the test. What is asked goes to `on_request`, which answers at once or
 * keeps the connection and answers later. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "base/link.h"
#include "base/num.h"
#include "io/clock.h"
#include "io/sock.h"
#include "kube/kube_client.h"

struct fake;
struct fake_conn {
    struct link link;
    struct loop_fd fd;
    struct fake *f;
    struct buf in;
    char path[2048]; /* of the last request, with its query */
    char method[16];
};
struct fake {
    struct loop *loop;
    struct loop_fd listener;
    struct link conns;
    char server[64], config[64]; /* address; path of a kubeconfig */
    unsigned requests;
    char head[8192]; /* of the last request */
    void (*on_request)(struct fake *f, struct fake_conn *c, str body);
    void *arg;
};

static inline void fake_close(struct fake_conn *c) {
    loop_close(c->f->loop, &c->fd);
    link_remove(&c->link);
    buf_fini(&c->in);
    free(c);
}

static inline void fake_send(struct fake_conn *c, str s) {
    while (s.n) {
        ssize_t n = send(c->fd.fd, s.p, s.n, MSG_NOSIGNAL);
        if (n > 0) s = str_from(s, (size_t)n);
        if (n < 0 && errno != EAGAIN) return;
        if (n < 0) poll(&(struct pollfd){.fd = c->fd.fd, .events = POLLOUT}, 1, 1000);
    }
}

/* extra: header lines, each with its end. */
static inline void fake_answer(struct fake_conn *c, unsigned status, const char *extra, const char *body) {
    char head[512];
    snprintf(head, sizeof head,
             "HTTP/1.1 %u X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n", status,
             strlen(body), extra);
    fake_send(c, str_of(head));
    fake_send(c, str_of(body));
}

static inline void fake_stream(struct fake_conn *c) {
    fake_send(c, S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

static inline void fake_chunk(struct fake_conn *c, const char *text) {
    char size[32];
    snprintf(size, sizeof size, "%zx\r\n", strlen(text));
    fake_send(c, str_of(size));
    fake_send(c, str_of(text));
    fake_send(c, S("\r\n"));
}

static inline void fake_end(struct fake_conn *c) { fake_send(c, S("0\r\n\r\n")); }

static inline size_t fake_length(str head) {
    const char *at = strcasestr(head.p, "\r\ncontent-length:");
    return at && at < head.p + head.n ? strtoul(at + 17, NULL, 10) : 0;
}

/* false: no whole request is there. */
static inline bool fake_take(struct fake_conn *c) {
    buf_add_char(&c->in, 0);
    c->in.n--;
    char *end = c->in.n ? strstr(c->in.p, "\r\n\r\n") : NULL;
    if (!end) return false;
    str head = {c->in.p, (size_t)(end + 2 - c->in.p)};
    size_t body = fake_length(head), whole = head.n + 2 + body;
    if (c->in.n < whole) return false;
    str line = head;
    str method = str_cut(&line, ' '), path = str_cut(&line, ' ');
    snprintf(c->method, sizeof c->method, STR_FMT, STR_ARG(method));
    snprintf(c->path, sizeof c->path, STR_FMT, STR_ARG(path));
    snprintf(c->f->head, sizeof c->f->head, STR_FMT, STR_ARG(head));
    char *copy = str_dup((str){c->in.p + head.n + 2, body});
    buf_consume(&c->in, whole);
    c->f->requests++;
    c->f->on_request(c->f, c, str_of(copy));
    free(copy);
    return true;
}

static inline void fake_on_ready(struct loop_fd *f, uint32_t events) {
    struct fake_conn *c = container_of(f, struct fake_conn, fd);
    char chunk[4096];
    (void)events;
    ssize_t n = read(f->fd, chunk, sizeof chunk);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        fake_close(c);
        return;
    }
    if (n < 0) return;
    buf_add(&c->in, (str){chunk, (size_t)n});
    int fd = f->fd; /* a handler may close the connection */
    struct fake *all = c->f;
    for (bool alive = true; alive;) {
        alive = fake_take(c);
        bool there = false;
        list_each (struct fake_conn, x, &all->conns, link) there |= x == c && x->fd.fd == fd;
        alive = alive && there;
    }
}

static inline void fake_on_accept(struct loop_fd *f, uint32_t events) {
    struct fake *all = container_of(f, struct fake, listener);
    struct ip peer;
    uint16_t port;
    int fd;
    (void)events;
    if (sock_accept(f->fd, &fd, &peer, &port) != OK) return;
    struct fake_conn *c = base_zalloc(sizeof *c);
    c->f = all;
    c->fd = (struct loop_fd){.fd = -1, .on_ready = fake_on_ready};
    buf_init(&c->in, 8 << 20);
    link_append(&all->conns, &c->link);
    assert_ok(loop_add_level(all->loop, &c->fd, fd));
}

/* user: lines of the kubeconfig's user, each indented by four spaces. */
static inline void fake_init(struct fake *f, struct loop *l, const char *user,
                             void (*on_request)(struct fake *f, struct fake_conn *c, str body), void *arg) {
    struct ip loopback;
    int fd;
    *f = (struct fake){.loop = l, .on_request = on_request, .arg = arg};
    f->listener = (struct loop_fd){.fd = -1, .on_ready = fake_on_accept};
    link_init(&f->conns);
    assert_ok(ip_parse(S("127.0.0.1"), &loopback));
    assert_ok(sock_listen(&loopback, 0, 64, &fd));
    assert_ok(loop_add_level(l, &f->listener, fd));
    snprintf(f->server, sizeof f->server, "http://127.0.0.1:%u", sock_port(fd));
    snprintf(f->config, sizeof f->config, "/tmp/kube_test.XXXXXX");
    int file = mkstemp(f->config);
    assert_true(file >= 0);
    dprintf(file,
            "current-context: c\ncontexts:\n- {name: c, context: {cluster: k, user: u}}\n"
            "clusters:\n- {name: k, cluster: {server: \"%s\"}}\nusers:\n- name: u\n  user:\n%s",
            f->server, *user ? user : "    {}\n");
    close(file);
}

static inline void fake_fini(struct fake *f) {
    while (!link_empty(&f->conns)) fake_close(container_of(f->conns.next, struct fake_conn, link));
    loop_close(f->loop, &f->listener);
    unlink(f->config);
}

static inline struct kube_client *fake_client(struct fake *f) {
    struct kube_config *config = NULL;
    struct kube_client *client = NULL;
    struct buf why;
    buf_init(&why, 4096);
    setenv("no_proxy", "*", 1);
    struct kube_config_options o = {.kubeconfig = f->config};
    if (kube_config_load(&o, &config, &why) != OK || kube_client_new(f->loop, config, &client, &why) != OK)
        fail_msg(STR_FMT, STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return client;
}

/* Turns until *done; a test that waits for half a minute waits for what will not come. */
static inline void fake_run(struct loop *l, const bool *done) {
    uint64_t end = clock_monotonic_us() + 30000000;
    while (!*done) {
        if (clock_monotonic_us() > end) fail_msg("it does not come");
        if (timer_next(&l->timers) == UINT64_MAX)
            poll(&(struct pollfd){.fd = l->epoll, .events = POLLIN}, 1, 1000);
        loop_turn(l, timer_next(&l->timers) != UINT64_MAX);
    }
}
