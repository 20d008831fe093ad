/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/page_server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/link.h"
#include "io/clock.h"
#include "io/sock.h"
#include "proto/h1.h"

enum {
    LISTENERS_MAX = 4,
    ACCEPTS_A_TURN = 16,
    IN_BYTES_MAX = 16384,
    PIECES = 8,
    SLICE_BYTES = 65536, /* of a body, given to the codec at once */
    LINGER_US =
        1000000, /* after a refusal: what the client still sends is read, so that no reset eats the answer */
};
enum conn_state { CONN_READS, CONN_ASKED, CONN_SENDS, CONN_LINGERS };

struct page_conn {
    struct link on; /* page_server.conns */
    struct page_server *server;
    struct loop_fd watch;
    struct timer deadline;
    struct codec *codec;
    enum conn_state state;
    bool driving; /* page_conn's own loop runs: answers given meanwhile leave the rest to it */
    bool readable, broken, complete, wants_continue;
    struct page_request *request; /* being read */
    uint32_t stream;
    char *body; /* of the answer, what the codec has not been given yet: from body_at */
    size_t body_at, body_n;
    size_t in_n;
    char in[IN_BYTES_MAX];
};
struct page_listener {
    struct loop_fd watch;
    struct page_server *server;
};
struct page_server {
    struct loop *loop;
    struct page_server_config config;
    struct codec_limits limits;
    struct page_listener listeners[LISTENERS_MAX];
    uint32_t listeners_n, conns_n;
    struct link conns;
};

static void request_free(struct page_request *r) {
    if (!r) return;
    arena_free(r->arena);
    free(r);
}

static void conn_close(struct page_conn *c) {
    if (c->state == CONN_ASKED) {
        c->request->conn = NULL; /* its asker still has it */
    } else {
        request_free(c->request);
    }
    timer_forget(&c->server->loop->timers, &c->deadline);
    int fd = c->watch.fd;
    loop_remove(c->server->loop, &c->watch);
    if (fd >= 0) close(fd);
    if (c->codec) c->codec->ops->free(c->codec);
    free(c->body);
    link_remove(&c->on);
    c->server->conns_n--;
    free(c);
}

/* The sink: the codec's events. */

static struct arena *on_begin(void *arg, uint32_t stream) {
    struct page_conn *c = arg;
    if (c->request) return NULL; /* one at a time */
    c->request = base_zalloc(sizeof *c->request);
    c->request->arena = arena_new();
    c->request->conn = c;
    c->stream = stream;
    return c->request->arena;
}

static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct page_conn *c = arg;
    (void)stream;
    c->request->head = m;
    c->complete = end;
    c->wants_continue = m->expect_continue && !end;
}

static void on_body(void *arg, uint32_t stream, str bytes) {
    struct page_conn *c = arg;
    c->request->body_bytes += bytes.n;
    c->codec->ops->consume(c->codec, stream, bytes.n);
}

static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct page_conn *c = arg;
    (void)stream, (void)trailers;
    c->complete = true;
}

static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    struct page_conn *c = arg;
    (void)stream, (void)why;
    if (c->state == CONN_READS) {
        request_free(TAKE(c->request));
        c->complete = false;
    }
}

static const struct codec_sink page_sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};

/* Bytes out. true: everything went. */
static bool flush(struct page_conn *c) {
    while (!c->broken && c->codec->ops->pending(c->codec)) {
        str out[PIECES];
        struct iovec io[PIECES];
        size_t n = c->codec->ops->write(c->codec, out, PIECES);
        if (!n) return true;
        for (size_t i = 0; i < n; i++) io[i] = (struct iovec){(void *)(uintptr_t)out[i].p, out[i].n};
        struct msghdr m = {.msg_iov = io, .msg_iovlen = n};
        ssize_t sent = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return false;
        if (sent < 0) {
            c->broken = true;
            return false;
        }
        c->codec->ops->wrote(c->codec, (size_t)sent);
    }
    return !c->broken;
}

static void linger(struct page_conn *c) {
    shutdown(c->watch.fd, SHUT_WR);
    c->state = CONN_LINGERS;
    timer_set(&c->server->loop->timers, &c->deadline, clock_monotonic_us() + LINGER_US);
}

/* What the codec refused is answered by hand, as far as the socket takes it at once. */
static void refuse(struct page_conn *c, enum http_reason why) {
    struct buf b;
    buf_init(&b, 1024);
    uint16_t status = http_reason_status(why) ? http_reason_status(why) : 400;
    str words = http_reason_words(why);
    buf_printf(&b,
               "HTTP/1.1 %u " STR_FMT "\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n" STR_FMT "\n",
               status, STR_ARG(http_status_reason(status)), words.n + 1, STR_ARG(words));
    if (send(c->watch.fd, b.p, b.n, MSG_NOSIGNAL) < 0) c->broken = true;
    buf_fini(&b);
    request_free(TAKE(c->request));
    linger(c);
}

/* false: no more bytes now, or the connection is over (then broken is set). */
static bool receive(struct page_conn *c) {
    if (!c->readable || c->in_n == IN_BYTES_MAX) return c->in_n;
    ssize_t n;
    do {
        n = recv(c->watch.fd, c->in + c->in_n, IN_BYTES_MAX - c->in_n, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        c->in_n += (size_t)n;
        return true;
    }
    if (n == 0 || errno != EAGAIN) {
        c->broken = true;
    } else {
        c->readable = false;
    }
    return false;
}

/* Feeds the codec. false: nothing more to be done until an event. */
static bool read_some(struct page_conn *c) {
    if (!c->in_n && !receive(c)) return false;
    size_t used = 0;
    enum http_reason why = REASON_NONE;
    err e = c->codec->ops->read(c->codec, (str){c->in, c->in_n}, c->server->loop->now_us, &used, &why);
    c->in_n -= used;
    memmove(c->in, c->in + used, c->in_n);
    if (c->complete) return true;
    switch (e) {
    case OK: return used || receive(c);
    case ERR_AGAIN: return receive(c) && c->in_n < IN_BYTES_MAX;
    case ERR_PROTO:
    case ERR_LIMIT: refuse(c, why); return true;
    case ERR_END:
    case ERR_IO:
    case ERR_ABSENT:
    case ERR_REFUSED: break;
    }
    c->broken = true;
    return false;
}

/* Swallows what the client still sends. */
static bool drain(struct page_conn *c) {
    c->in_n = 0;
    return receive(c);
}

/* The next slice of the body; after the last one, the next request. All that was given before is written. */
static bool send_some(struct page_conn *c) {
    size_t n = c->body_n - c->body_at < SLICE_BYTES ? c->body_n - c->body_at : SLICE_BYTES;
    if (n) {
        str slice = {c->body + c->body_at, n};
        c->body_at += n;
        if (c->codec->ops->submit_body(c->codec, c->stream, slice, c->body_at == c->body_n) != OK)
            c->broken = true;
        return !c->broken;
    }
    free(TAKE(c->body));
    c->state = CONN_READS;
    timer_set(&c->server->loop->timers, &c->deadline, clock_monotonic_us() + c->server->config.deadline_us);
    if (!c->codec->ops->reusable(c->codec)) linger(c);
    return true;
}

static bool step(struct page_conn *c) {
    if (!flush(c)) return false;
    if (c->wants_continue && c->state == CONN_READS && !c->complete) {
        struct http_msg m;
        c->wants_continue = false;
        http_msg_init(&m, c->request->arena, false);
        m.status = 100;
        if (c->codec->ops->submit(c->codec, &c->stream, &m, false) != OK) c->broken = true;
        return !c->broken;
    }
    switch (c->state) {
    case CONN_READS:
        if (!c->complete) return read_some(c);
        c->complete = false;
        c->state = CONN_ASKED;
        timer_set(&c->server->loop->timers, &c->deadline,
                  clock_monotonic_us() + c->server->config.deadline_us);
        c->server->config.ask(c->server->config.arg, c->request);
        return true;
    case CONN_ASKED: return false;
    case CONN_SENDS: return send_some(c);
    case CONN_LINGERS: return drain(c);
    }
    return false;
}

/* Everything that can be done now. The connection may be gone afterwards. */
static void drive(struct page_conn *c) {
    c->driving = true;
    while (!c->broken && step(c)) {}
    c->driving = false;
    if (c->broken) conn_close(c);
}

static void on_ready(struct loop_fd *f, uint32_t events) {
    struct page_conn *c = container_of(f, struct page_conn, watch);
    if (events & (LOOP_IN | LOOP_RDHUP | LOOP_HUP | LOOP_ERR)) c->readable = true;
    if (events & LOOP_ERR) c->broken = true;
    drive(c);
}

static void on_deadline(struct timer *t, uint64_t now_us) {
    (void)now_us;
    conn_close(container_of(t, struct page_conn, deadline));
}

static void conn_new(struct page_server *s, int fd) {
    struct page_conn *c = base_zalloc(sizeof *c);
    c->server = s;
    c->watch.on_ready = on_ready;
    timer_init(&c->deadline, on_deadline);
    link_append(&s->conns, &c->on);
    s->conns_n++;
    c->codec = h1_server(&page_sink, c, &s->limits);
    c->watch.fd = -1;
    if (s->conns_n > s->config.conns_max || loop_add(s->loop, &c->watch, fd) != OK) {
        close(fd);
        conn_close(c);
        return;
    }
    timer_set(&s->loop->timers, &c->deadline, clock_monotonic_us() + s->config.deadline_us);
}

static void on_accept(struct loop_fd *f, uint32_t events) {
    struct page_listener *pl = container_of(f, struct page_listener, watch);
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd;
        struct ip peer;
        uint16_t port;
        if (sock_accept(f->fd, &fd, &peer, &port) != OK) return;
        conn_new(pl->server, fd);
    }
}

struct page_server *page_server_new(struct loop *l, const struct page_server_config *c) {
    struct page_server *s = base_zalloc(sizeof *s);
    s->loop = l;
    s->config = *c;
    s->limits = (struct codec_limits){.head_bytes_max = c->head_bytes_max,
                                      .line_bytes_max = c->head_bytes_max,
                                      .fields_max = 64,
                                      .trailer_bytes_max = 1024,
                                      .body_bytes_max = c->body_bytes_max};
    link_init(&s->conns);
    return s;
}

void page_server_free(struct page_server *s) {
    if (!s) return;
    list_each (struct page_conn, c, &s->conns, on) conn_close(c);
    for (uint32_t i = 0; i < s->listeners_n; i++) {
        int fd = s->listeners[i].watch.fd;
        loop_remove(s->loop, &s->listeners[i].watch);
        close(fd);
    }
    free(s);
}

err page_server_listen(struct page_server *s, int fd) {
    if (s->listeners_n == LISTENERS_MAX) return ERR_LIMIT;
    struct page_listener *pl = &s->listeners[s->listeners_n];
    *pl = (struct page_listener){.watch = {.fd = -1, .on_ready = on_accept}, .server = s};
    TRY(loop_add_level(s->loop, &pl->watch, fd));
    s->listeners_n++;
    return OK;
}

void page_server_close_doors(struct page_server *s) {
    for (uint32_t i = 0; i < s->listeners_n; i++) {
        int fd = s->listeners[i].watch.fd;
        on_accept(&s->listeners[i].watch, 0);
        loop_remove(s->loop, &s->listeners[i].watch);
        close(fd);
    }
    s->listeners_n = 0;
}

uint32_t page_server_conns(const struct page_server *s) { return s->conns_n; }

/* [RFC 9110 5.6.7] [RFC 9110 6.6.1] */
static str date(struct arena *a) {
    time_t now = (time_t)clock_wall_s();
    struct tm tm;
    char text[32];
    size_t n = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    return arena_str(a, (str){text, n});
}

static err submit_head(struct page_conn *c, struct page_request *r, const struct page_answer *a, bool end) {
    struct http_msg m;
    http_msg_init(&m, r->arena, false);
    m.status = a->status;
    m.body = HTTP_BODY_LENGTH;
    m.content_length = a->body.n;
    http_msg_add(&m, S("Date"), date(r->arena));
    http_msg_add(&m, S("Content-Type"), a->content_type);
    http_msg_add(&m, S("Cache-Control"), S("no-store"));
    for (uint32_t i = 0; i < a->fields_n; i++) http_msg_add(&m, a->fields[i].name, a->fields[i].value);
    return c->codec->ops->submit(c->codec, &c->stream, &m, end);
}

void page_server_answer(struct page_request *r, const struct page_answer *a) {
    struct page_conn *c = r->conn;
    if (!c) {
        request_free(r);
        return;
    }
    assert(c->state == CONN_ASKED && c->request == r);
    bool bodiless = r->head->method_id == HTTP_HEAD || !a->body.n;
    if (submit_head(c, r, a, bodiless) != OK) c->broken = true;
    c->body_at = 0;
    c->body_n = bodiless ? 0 : a->body.n;
    c->body = c->body_n ? base_alloc(c->body_n) : NULL;
    if (c->body) memcpy(c->body, a->body.p, c->body_n);
    c->request = NULL;
    c->state = CONN_SENDS;
    request_free(r);
    if (!c->driving) drive(c);
}
