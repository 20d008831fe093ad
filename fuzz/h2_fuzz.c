/* fuzz: proto, 250000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to the server and to the client codec: nothing crashes, no read takes more than it was given, every stream that began is told an end
 * once, and a request that the server accepted is, once HTTP/1.1's client wrote it anew, one request with the same meaning to HTTP/1.1's
 * server, and nothing behind it. Of tunnels of WebSocket all bytes come back, those too that came ahead of the answer. The first byte picks
 * the side, whether what follows is bytes of frames or the text below, and whether the peer of a client takes WebSocket, the second the seed
 * of the cuts.
 *   H1 (h1: not the end), then lines "name: value" up to an empty one: HEADERS of stream 1; D1text, d1text: DATA; R1: RST_STREAM; G: GOAWAY;
 *   P: PING; S: SETTINGS; W1: WINDOW_UPDATE; Xtext: these bytes. \1 \2 \3 (the bytes) are LF, CR and NUL. */
#include "proto/h2.h"

#include "../tests/unit/proto/h2_frames.h"
#include "base/num.h"
#include "base/rng.h"
#include "proto/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 64 };
static const struct codec_limits limits = {.head_bytes_max = 512,
                                           .line_bytes_max = 256,
                                           .fields_max = 12,
                                           .trailer_bytes_max = 128,
                                           .body_bytes_max = 1 << 16};
/* For what was written anew: framing and Host may have come on top. */
static const struct codec_limits wider = {
    .head_bytes_max = 4096, .line_bytes_max = 2048, .fields_max = 32, .trailer_bytes_max = 1024};

static void check(bool ok) {
    if (!ok) abort();
}

/* A stream as its owner sees it, and the request that it passes on. */
struct stream {
    uint32_t id;
    struct arena *arena;
    struct codec *next; /* HTTP/1.1 */
    uint32_t next_stream;
    struct buf meaning;
    bool head, over;
    bool asks, tunnel; /* for WebSocket, and agreed to */
};
struct side {
    struct codec *codec;
    bool server;
    struct stream streams[STREAMS];
    uint32_t n;
};

static struct stream *find(struct side *s, uint32_t id) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->streams[i].id == id) return &s->streams[i];
    return NULL;
}
/* Of what a message means: everything but how it is framed. */
static void tell(struct buf *b, const struct http_msg *m) {
    buf_printf(b, STR_FMT " " STR_FMT " " STR_FMT STR_FMT "\n", STR_ARG(m->method), STR_ARG(m->authority),
               STR_ARG(m->path), STR_ARG(m->query));
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || f->id == FIELD_HOST || f->id == FIELD_CONTENT_LENGTH || f->id == FIELD_TE ||
            f->id == FIELD_CONNECTION || f->id == FIELD_UPGRADE)
            continue;
        buf_printf(b, " " STR_FMT ": " STR_FMT "\n", STR_ARG(f->name), STR_ARG(f->value));
    }
}

/* ---- the other end of what is passed on ---- */

struct second {
    struct arena *arena;
    struct buf meaning;
    unsigned heads, ends;
};
static struct arena *second_begin(void *arg, uint32_t stream) {
    struct second *s = arg;
    check(stream == 1);
    return s->arena;
}
static void second_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct second *s = arg;
    (void)stream;
    s->heads++;
    s->ends += end;
    tell(&s->meaning, m);
}
static void second_body(void *arg, uint32_t stream, str bytes) {
    (void)stream;
    buf_add(&((struct second *)arg)->meaning, bytes);
}
static void second_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream, (void)trailers;
    ((struct second *)arg)->ends++;
}
static void second_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)arg, (void)stream, (void)why;
    abort();
}
static const struct codec_sink second_sink = {.begin = second_begin,
                                              .head = second_head,
                                              .body = second_body,
                                              .end = second_end,
                                              .reset = second_reset};

/* What HTTP/1.1's client wrote is read again: the same request, whole, and nothing else. */
static void compare(struct stream *x) {
    struct second s = {.arena = arena_new()};
    struct buf written;
    buf_init(&written, 1 << 24), buf_init(&s.meaning, 1 << 24);
    str pieces[8];
    for (size_t n; (n = x->next->ops->write(x->next, pieces, COUNT_OF(pieces)));) {
        size_t all = 0;
        for (size_t i = 0; i < n; i++) buf_add(&written, pieces[i]), all += pieces[i].n;
        x->next->ops->wrote(x->next, all);
    }
    struct codec *c = h1_server(&second_sink, &s, &wider);
    str in = buf_str(&written);
    size_t used;
    enum http_reason why;
    while (in.n) {
        err e = c->ops->read(c, in, 0, &used, &why);
        check(e == OK || e == ERR_AGAIN);
        check(used > 0);
        in = str_from(in, used);
        c->ops->consume(c, 1, SIZE_MAX);
    }
    check(s.heads == 1 && s.ends == 1 && str_eq(buf_str(&s.meaning), buf_str(&x->meaning)));
    c->ops->free(c);
    arena_free(s.arena);
    buf_fini(&written), buf_fini(&s.meaning);
}
static struct arena *no_begin(void *arg, uint32_t stream) {
    (void)arg, (void)stream;
    abort();
}
static const struct codec_sink no_answer = {.begin = no_begin};

static void pass_on(struct stream *x, const struct http_msg *m, bool end) {
    tell(&x->meaning, m);
    if (m->method_id == HTTP_CONNECT) return;
    x->next = h1_client(&no_answer, NULL, &wider);
    check(x->next->ops->submit(x->next, &x->next_stream, m, end) == OK);
    if (end) compare(x);
}

/* ---- the codec's owner ---- */

static struct arena *on_begin(void *arg, uint32_t id) {
    struct side *s = arg;
    struct stream *x = find(s, id);
    if (!x) {
        check(s->server);
        if (s->n == STREAMS) return NULL;
        x = &s->streams[s->n++];
        *x = (struct stream){.id = id};
        buf_init(&x->meaning, 1 << 24);
    }
    check(!x->arena);
    return x->arena = arena_new();
}
static void answer(struct side *s, struct stream *x, uint16_t status) {
    struct http_msg m;
    http_msg_init(&m, x->arena, false);
    m.status = status;
    m.body = HTTP_BODY_CHUNKED;
    check(s->codec->ops->submit(s->codec, &x->id, &m, false) == OK);
    check(s->codec->ops->submit_body(s->codec, x->id, S("ok"), true) == OK);
    x->over = true;
}
static void agree(struct side *s, struct stream *x) {
    struct http_msg m;
    http_msg_init(&m, x->arena, false);
    m.status = 101;
    m.upgrade = S("websocket");
    check(s->codec->ops->submit(s->codec, &x->id, &m, false) == OK);
    x->asks = false, x->tunnel = true;
    s->codec->ops->consume(s->codec, x->id, 0);
}
static void on_head(void *arg, uint32_t id, struct http_msg *m, bool end) {
    struct side *s = arg;
    struct stream *x = find(s, id);
    check(x && !x->over && !x->head && m->status < 600);
    x->head = m->status == 0 || m->status >= 200 || m->upgrade.n;
    if (!s->server) {
        x->over = end;
        return;
    }
    pass_on(x, m, end);
    check(!m->upgrade.n || (end && m->method_id == HTTP_GET));
    if (m->upgrade.n && id % 4 == 1)
        x->asks = true;
    else if (end)
        answer(s, x, m->upgrade.n ? 403 : 200);
}
static void on_body(void *arg, uint32_t id, str bytes) {
    struct side *s = arg;
    struct stream *x = find(s, id);
    check(x && !x->over && x->head && !x->asks && bytes.n);
    if (x->tunnel) {
        check(s->codec->ops->submit_body(s->codec, id, bytes, false) == OK);
        s->codec->ops->consume(s->codec, id, bytes.n);
        return;
    }
    buf_add(&x->meaning, bytes);
    if (x->next) check(x->next->ops->submit_body(x->next, x->next_stream, bytes, false) == OK);
    if (x->next) x->next->ops->keep(x->next);
    s->codec->ops->consume(s->codec, id, bytes.n);
}
static void on_end(void *arg, uint32_t id, struct http_msg *trailers) {
    struct side *s = arg;
    struct stream *x = find(s, id);
    check(x && !x->over && x->head && !x->asks);
    if (x->tunnel) {
        check(s->codec->ops->submit_end(s->codec, id, NULL) == OK);
        x->over = true;
        return;
    }
    if (x->next) {
        check(x->next->ops->submit_end(x->next, x->next_stream, trailers) == OK);
        compare(x);
    }
    x->over = true;
    if (s->server) answer(s, x, 200);
}
static void on_reset(void *arg, uint32_t id, enum http_reason why) {
    struct stream *x = find(arg, id);
    (void)why;
    check(x);
    x->over = true;
    x->asks = false;
}
static void on_refused(void *arg, uint32_t id, enum http_reason why) {
    struct side *s = arg;
    struct stream *x = find(s, id);
    check(x && !x->over && s->server);
    answer(s, x, http_reason_status(why));
}
static const struct codec_sink sink = {.begin = on_begin,
                                       .head = on_head,
                                       .body = on_body,
                                       .end = on_end,
                                       .reset = on_reset,
                                       .refused = on_refused};

static void ask(struct side *s, enum http_method method, str upgrade) {
    struct http_msg m;
    OWNED(arena) a = arena_new();
    http_msg_init(&m, a, true);
    m.method_id = (uint8_t)method;
    m.method = http_method_name(method), m.path = S("/"), m.authority = S("a");
    m.upgrade = upgrade;
    struct stream *x = &s->streams[s->n++];
    *x = (struct stream){0};
    buf_init(&x->meaning, 1 << 24);
    check(s->codec->ops->submit(s->codec, &x->id, &m, true) == OK);
}
static void write_all(struct side *s, struct rng *rng) {
    str pieces[4];
    for (size_t n; (n = s->codec->ops->write(s->codec, pieces, COUNT_OF(pieces)));) {
        size_t all = 0;
        for (size_t i = 0; i < n; i++) all += pieces[i].n;
        s->codec->ops->wrote(s->codec, 1 + rng_below(rng, (uint32_t)all));
        if (rng_below(rng, 4) == 0) return;
    }
}
static void feed(struct side *s, str in, uint64_t seed) {
    struct rng rng = {seed};
    enum http_reason why = REASON_NONE;
    err e = OK;
    while (in.n && e == OK) {
        size_t given = seed ? num_min(in.n, 1 + rng_below(&rng, 60)) : in.n, used = SIZE_MAX;
        char *block = base_alloc(given);
        memcpy(block, in.p, given);
        e = s->codec->ops->read(s->codec, (str){block, given}, 0, &used, &why);
        check(used <= given && (used > 0 || e != OK) && e != ERR_AGAIN);
        s->codec->ops->keep(s->codec);
        free(block);
        in = str_from(in, used);
        for (uint32_t i = 0; i < s->n && rng_below(&rng, 2); i++)
            if (s->streams[i].asks) agree(s, &s->streams[i]);
        if (rng_below(&rng, 2)) write_all(s, &rng);
        s->codec->ops->keep(s->codec);
    }
    if (e != OK) check(s->codec->ops->read(s->codec, S("x"), 0, &(size_t){0}, &why) != OK);
    (void)!s->codec->ops->read_end(s->codec, &why);
}

/* ---- frames from text ---- */

static void plain(struct buf *b, str line) {
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        buf_add_char(b, c == 1 ? '\n' : c == 2 ? '\r' : c == 3 ? 0 : c);
    }
}
static void add_headers(struct buf *to, str *text, uint32_t id, bool end) {
    struct buf block, name, value;
    buf_init(&block, 1 << 20), buf_init(&name, 1 << 20), buf_init(&value, 1 << 20);
    for (str line; text->n && (line = str_cut(text, '\n')).n;) {
        size_t at = 1;
        while (at < line.n && line.p[at] != ':') at++;
        buf_clear(&name), buf_clear(&value);
        plain(&name, str_upto(line, at));
        plain(&value, str_from(line, num_min(at + 2, line.n)));
        h2_frames_line(&block, buf_str(&name), buf_str(&value));
    }
    h2_frames_frame(to, NGHTTP2_HEADERS, (uint8_t)(NGHTTP2_FLAG_END_HEADERS | end), id, buf_str(&block));
    buf_fini(&block), buf_fini(&name), buf_fini(&value);
}
static void add_line(struct buf *to, str line, str *rest) {
    char what = line.p[0];
    uint32_t id = line.n > 1 ? (uint32_t)(unsigned char)line.p[1] - '0' : 0;
    str text = str_from(line, 2);
    switch (what) {
    case 'H':
    case 'h': add_headers(to, rest, id, what == 'H'); break;
    case 'D':
    case 'd': h2_frames_frame(to, NGHTTP2_DATA, what == 'D', id, text); break;
    case 'R': h2_frames_frame(to, NGHTTP2_RST_STREAM, 0, id, S("\0\0\0\10")); break;
    case 'G': h2_frames_frame(to, NGHTTP2_GOAWAY, 0, 0, S("\0\0\0\1\0\0\0\0")); break;
    case 'P': h2_frames_frame(to, NGHTTP2_PING, id & 1, 0, S("12345678")); break;
    case 'S': h2_frames_frame(to, NGHTTP2_SETTINGS, id & 1, 0, S("")); break;
    case 'W': h2_frames_frame(to, NGHTTP2_WINDOW_UPDATE, 0, id, S("\0\0\1\0")); break;
    case 'X': plain(to, text); break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct side s = {.server = data[0] & 1};
    str in = {(const char *)data + 2, size - 2};
    struct buf bytes;
    buf_init(&bytes, 1 << 24);
    if (s.server) buf_add(&bytes, (str){h2_preface, H2_PREFACE_BYTES});
    h2_frames_frame(&bytes, NGHTTP2_SETTINGS, 0, 0, S(""));
    if (data[0] & 2)
        buf_add(&bytes, in);
    else
        while (in.n) {
            str line = str_cut(&in, '\n');
            if (line.n) add_line(&bytes, line, &in);
        }
    s.codec = s.server ? h2_server(&sink, &s, &limits) : h2_client(&sink, &s, &limits, false);
    if (!s.server) {
        bool tunnels = data[0] & 8;
        str first = tunnels ? S("\0\0\6\4\0\0\0\0\0\0\10\0\0\0\1") : S("\0\0\0\4\0\0\0\0\0");
        enum http_reason why;
        size_t used;
        check(s.codec->ops->read(s.codec, first, 0, &used, &why) == OK);
        ask(&s, HTTP_GET, S("")), ask(&s, HTTP_HEAD, S(""));
        ask(&s, HTTP_GET, tunnels ? S("websocket") : S(""));
        ask(&s, HTTP_GET, S(""));
    }
    if (data[0] & 4) s.codec->ops->drain(s.codec);
    feed(&s, buf_str(&bytes), data[1]);
    for (uint32_t i = 0; i < s.n; i++) {
        struct stream *x = &s.streams[i];
        if (x->next) x->next->ops->free(x->next);
        arena_free(x->arena);
        buf_fini(&x->meaning);
    }
    s.codec->ops->free(s.codec);
    buf_fini(&bytes);
    return 0;
}
