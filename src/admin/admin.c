/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "admin/page_server.h"
#include "base/num.h"
#include "io/clock.h"
#include "io/sock.h"
#include "io/unix_sock.h"
#include "proto/h1.h"

enum {
    CONNS_MAX = 64,
    HEAD_BYTES_MAX = 8192,
    DEADLINE_US = 10000000,
    BODY_BYTES_MAX = 65536, /* of a request, which is dropped */
    BACKLOG = 64,
};

const char admin_default_address[] = "127.0.0.1:9901";

static const struct {
    str path;
    const char *help;
} admin_pages[] = {
    {S("/healthz"), "200 while this process turns"},
    {S("/readyz"), "200 from when every worker serves by a first table until it drains"},
    {S("/metrics"), "counters, for Prometheus"},
    {S("/status"), "objects and their conditions, JSON"},
    {S("/plan"), "what the objects mean, JSON"},
    {S("/table"), "what workers look requests up in, text"},
    {S("/crash"), "how often the serving process has died, and what the last one told"},
    {S("/explain"), "?method=GET&url=http://host/path: what would become of a request"},
};

struct admin {
    struct admin_config config;
    struct page_server *server;
    char *socket_path;
};
struct admin_request {
    struct page_request *page;
};

static void answer(struct page_request *r, uint16_t status, str body, const struct http_field *f,
                   uint32_t n) {
    page_server_answer(r, &(struct page_answer){status, S("text/plain; charset=utf-8"), body, f, n});
}

static void answer_contents(struct page_request *r, uint16_t status, str first) {
    struct buf b;
    buf_init(&b, 4096);
    buf_add(&b, first);
    for (size_t i = 0; i < COUNT_OF(admin_pages); i++) {
        buf_printf(&b, "%-10.*s %s\n", STR_ARG(admin_pages[i].path), admin_pages[i].help);
    }
    answer(r, status, buf_str(&b), NULL, 0);
    buf_fini(&b);
}

static void on_page(void *arg, struct page_request *r) {
    struct admin *a = arg;
    const struct http_msg *m = r->head;
    if (m->method_id != HTTP_GET && m->method_id != HTTP_HEAD) {
        struct http_field allow = {.name = S("Allow"), .value = S("GET, HEAD")};
        answer(r, 405, S("only GET and HEAD\n"), &allow, 1);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(admin_pages); i++) {
        if (!str_eq(admin_pages[i].path, m->path)) continue;
        struct admin_request *q = base_zalloc(sizeof *q);
        q->page = r;
        a->config.ask(a->config.arg, q, m->path, str_from(m->query, 1));
        return;
    }
    bool root = str_eq(m->path, S("/"));
    answer_contents(r, root ? 200 : 404, root ? S("postern, pages:\n") : S("no such page; there are:\n"));
}

str admin_accept(const struct admin_request *q) {
    return http_msg_joined(q->page->head, q->page->arena, S("Accept"));
}

void admin_answer(struct admin_request *q, uint16_t status, str content_type, str body) {
    struct page_request *r = q->page;
    free(q);
    page_server_answer(r,
                       &(struct page_answer){.status = status, .content_type = content_type, .body = body});
}

/* Closes without losing the reason. */
static err add_listener(struct admin *a, err opened, int fd) {
    TRY(opened);
    err e = page_server_listen(a->server, fd);
    int why = errno;
    if (e != OK) close(fd);
    errno = why;
    return e;
}

err admin_new(struct loop *l, const struct admin_config *c, struct admin **ret) {
    struct admin *a = base_zalloc(sizeof *a);
    a->config = *c;
    a->server = page_server_new(l, &(struct page_server_config){.conns_max = CONNS_MAX,
                                                                .head_bytes_max = HEAD_BYTES_MAX,
                                                                .deadline_us = DEADLINE_US,
                                                                .body_bytes_max = BODY_BYTES_MAX,
                                                                .ask = on_page,
                                                                .arg = a});
    err e = OK;
    int fd = -1;
    if (c->tcp_fd) {
        e = add_listener(a, OK, c->tcp_fd);
    } else if (c->port) {
        err opened = sock_listen(&c->ip, c->port, BACKLOG, &fd);
        e = add_listener(a, opened, fd);
    }
    if (e == OK && c->socket_path) {
        err opened = (c->takes_over ? unix_sock_replace : unix_sock_listen)(c->socket_path, &fd);
        if (opened == OK) a->socket_path = str_dup(str_of(c->socket_path));
        e = add_listener(a, opened, fd);
    }
    if (e != OK) {
        int why = errno;
        admin_free(a);
        errno = why;
        return e;
    }
    *ret = a;
    return OK;
}

void admin_free(struct admin *a) {
    if (!a) return;
    page_server_free(a->server);
    if (a->socket_path) unlink(a->socket_path);
    free(a->socket_path);
    free(a);
}

err admin_parse_address(str s, struct ip *ret_ip, uint16_t *ret_port) {
    struct ip ip = {0};
    uint16_t port = 0;
    size_t colon = str_rfind(s, ':');
    if (str_eq(s, S("0"))) {
        *ret_ip = ip, *ret_port = 0;
        return OK;
    }
    if (colon < s.n && colon > 0) {
        str host = str_upto(s, colon);
        bool brackets = str_starts(host, S("[")) && str_ends(host, S("]")) && host.n > 2;
        if (brackets) host = (str){host.p + 1, host.n - 2};
        TRY(ip_parse(host, &ip));
        if (brackets != (ip.family == 6)) return ERR_PROTO;
    }
    TRY(num_parse_port(colon < s.n ? str_from(s, colon + 1) : s, &port));
    *ret_ip = ip, *ret_port = port;
    return OK;
}

void admin_socket_path(const struct ip *ip, uint16_t port, char p[108]) {
    enum { PATH_MAX_BYTES = 108 };
    struct buf b;
    buf_init(&b, 64);
    if (ip->family) {
        ip_print(&b, ip);
    } else {
        buf_add(&b, S("all"));
    }
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int n = PATH_MAX_BYTES;
    if (runtime && runtime[0] == '/') {
        n = snprintf(p, PATH_MAX_BYTES, "%s/postern-%.*s-%u.sock", runtime, STR_ARG(buf_str(&b)), port);
    }
    if (n >= PATH_MAX_BYTES && geteuid() == 0) {
        n = snprintf(p, PATH_MAX_BYTES, "/run/postern-%.*s-%u.sock", STR_ARG(buf_str(&b)), port);
    } else if (n >= PATH_MAX_BYTES) {
        n = snprintf(p, PATH_MAX_BYTES, "/tmp/postern-%u-%.*s-%u.sock", geteuid(), STR_ARG(buf_str(&b)),
                     port);
    }
    assert(n < PATH_MAX_BYTES);
    buf_fini(&b);
}

/* The client. */

struct client {
    struct arena *arena;
    struct codec *codec;
    struct buf *body;
    uint16_t status;
    bool done, failed;
};

static struct arena *on_begin(void *arg, uint32_t stream) {
    (void)stream;
    return ((struct client *)arg)->arena;
}

static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct client *c = arg;
    (void)stream;
    if (m->status < 200) return;
    c->status = m->status;
    c->done = end;
}

static void on_body(void *arg, uint32_t stream, str bytes) {
    struct client *c = arg;
    buf_add(c->body, bytes);
    c->codec->ops->consume(c->codec, stream, bytes.n);
}

static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream, (void)trailers;
    ((struct client *)arg)->done = true;
}

static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)stream, (void)why;
    ((struct client *)arg)->failed = true;
}

static const struct codec_sink client_sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};

/* The path may lie in a folder that others write to: only our own or root's process is believed. */
static bool is_trusted(int fd) {
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) return false;
    return peer.uid == geteuid() || peer.uid == 0 || geteuid() == 0;
}

static err send_question(int fd, struct codec *codec) {
    str piece;
    while (codec->ops->write(codec, &piece, 1)) {
        ssize_t n = send(fd, piece.p, piece.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ERR_IO;
        codec->ops->wrote(codec, (size_t)n);
    }
    return OK;
}

static err receive_answer(int fd, struct client *c) {
    struct codec *codec = c->codec;
    uint64_t deadline_us = clock_monotonic_us() + DEADLINE_US;
    char in[16384];
    while (!c->done) {
        ssize_t n = recv(fd, in, sizeof in, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || clock_monotonic_us() > deadline_us) return ERR_IO;
        enum http_reason why;
        if (n == 0) return codec->ops->read_end(codec, &why) == ERR_END && c->done ? OK : ERR_PROTO;
        size_t used;
        err e = codec->ops->read(codec, (str){in, (size_t)n}, clock_monotonic_us(), &used, &why);
        if (c->failed || (e != OK && !(e == ERR_END && c->done))) return ERR_PROTO;
        if (c->body->overflow) return ERR_LIMIT;
    }
    return OK;
}

static err ask(int fd, str page, struct client *c) {
    struct codec_limits limits = {.head_bytes_max = HEAD_BYTES_MAX,
                                  .line_bytes_max = HEAD_BYTES_MAX,
                                  .fields_max = 64,
                                  .trailer_bytes_max = 1024};
    struct timeval patience = {.tv_sec = DEADLINE_US / 1000000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!is_trusted(fd)) return ERR_REFUSED;
    struct codec *codec = c->codec = h1_client(&client_sink, c, &limits);
    struct http_msg m;
    http_msg_init(&m, c->arena, true);
    m.method = S("GET"), m.method_id = HTTP_GET;
    size_t query = str_find(page, '?');
    m.authority = S("postern"), m.path = str_upto(page, query), m.query = str_from(page, query);
    uint32_t stream = 0;
    err e = codec->ops->submit(codec, &stream, &m, true);
    if (e == OK) e = send_question(fd, codec);
    if (e == OK) e = receive_answer(fd, c);
    codec->ops->free(codec);
    return e;
}

err admin_get(const char *socket_path, str page_and_query, uint16_t *ret_status, struct buf *ret_body) {
    int fd;
    if (unix_sock_connect(socket_path, &fd) != OK) return ERR_IO;
    OWNED(arena) arena = arena_new();
    struct client c = {.arena = arena, .body = ret_body};
    err e = ask(fd, page_and_query, &c);
    close(fd);
    if (e == OK) *ret_status = c.status;
    return e;
}

/* Queries [RFC 3986 2.1]. */

static str unescape(struct arena *a, str s) {
    char *p = arena_bytes(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int high = i + 2 < s.n && s.p[i] == '%' ? num_hex(s.p[i + 1]) : -1;
        int low = high >= 0 ? num_hex(s.p[i + 2]) : -1;
        p[n++] = low >= 0 ? (char)(high * 16 + low) : s.p[i];
        if (low >= 0) i += 2;
    }
    return (str){p, n};
}

bool admin_query_next(struct arena *a, str *query, str *ret_name, str *ret_value) {
    while (query->n) {
        str pair = str_cut(query, '&');
        if (!pair.n) continue;
        str name = str_cut(&pair, '=');
        *ret_name = unescape(a, name);
        *ret_value = unescape(a, pair);
        return true;
    }
    return false;
}

void admin_query_escape(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (plain) {
            buf_add_char(b, c);
        } else {
            buf_printf(b, "%%%02X", (unsigned char)c);
        }
    }
}

void admin_hand_over(struct admin *a) {
    if (!a) return;
    page_server_close_doors(a->server);
    free(a->socket_path); /* it is the other's */
    a->socket_path = NULL;
}
