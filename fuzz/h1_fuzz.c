/* fuzz: proto, 600000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to the server and to the client codec: nothing crashes, no read takes more than it was given, any cut gives the same events, and a
 * request that the server accepted is, once the client wrote it anew, accepted with the same meaning. The first byte picks the side and what
 * was asked, the second the seed of the cuts. */
#include "base/buf.h"
#include "base/num.h"
#include "base/rng.h"
#include "proto/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct codec_limits limits = {.head_bytes_max = 512,
                                           .line_bytes_max = 256,
                                           .fields_max = 12,
                                           .trailer_bytes_max = 128,
                                           .body_bytes_max = 1 << 16};
/* For what was written anew: framing and Host may have come on top. */
static const struct codec_limits wider = {
    .head_bytes_max = 2048, .line_bytes_max = 1024, .fields_max = 16, .trailer_bytes_max = 256};

struct side {
    struct codec *codec, *next; /* next: a client to which requests are passed on */
    struct arena *arena;
    struct buf trace, body;
    bool server, passing; /* passing: the first request's body, too */
    uint32_t stream, next_stream;
};

static void check(bool ok) {
    if (!ok) abort();
}

static void end_body_event(struct side *s) {
    if (s->body.n == 0) return;
    buf_add(&s->trace, S("body "));
    buf_add(&s->trace, buf_str(&s->body));
    buf_add_char(&s->trace, '\n');
    buf_clear(&s->body);
}
/* What a message means, whatever connection it came by. */
static void tell_meaning(struct buf *b, const struct http_msg *m, bool end) {
    buf_printf(b, "%u " STR_FMT " " STR_FMT " " STR_FMT STR_FMT " %u %llu %d\n", m->status,
               STR_ARG(m->method), STR_ARG(m->authority), STR_ARG(m->path), STR_ARG(m->query), m->body,
               (unsigned long long)m->content_length, end);
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || f->id == FIELD_HOST || f->id == FIELD_CONTENT_LENGTH || f->id == FIELD_TE) continue;
        buf_printf(b, " " STR_FMT ": " STR_FMT "\n", STR_ARG(f->name), STR_ARG(f->value));
    }
}

static struct arena *on_begin(void *arg, uint32_t stream) {
    struct side *s = arg;
    check(stream == s->stream + s->server);
    s->stream = stream;
    arena_free(s->arena);
    return s->arena = arena_new();
}
static void answer(struct side *s, uint32_t stream) {
    struct http_msg m;
    http_msg_init(&m, s->arena, false);
    m.status = 200;
    m.body = HTTP_BODY_CHUNKED;
    check(s->codec->ops->submit(s->codec, &stream, &m, false) == OK);
}
static void pass_on(struct side *s, const struct http_msg *m, bool end);
static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct side *s = arg;
    check(stream == s->stream && m->status < 600);
    end_body_event(s);
    tell_meaning(&s->trace, m, end);
    if (!s->server) return;
    if (s->next) pass_on(s, m, end);
    if (end) {
        answer(s, stream);
        check(s->codec->ops->submit_body(s->codec, stream, S("ok"), true) == OK);
    }
}
static void on_body(void *arg, uint32_t stream, str bytes) {
    struct side *s = arg;
    check(stream == s->stream && bytes.n > 0);
    buf_add(&s->body, bytes);
    s->codec->ops->consume(s->codec, stream, bytes.n);
    if (s->passing)
        if (s->next->ops->submit_body(s->next, s->next_stream, bytes, false) != OK) abort();
}
static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct side *s = arg;
    check(stream == s->stream);
    end_body_event(s);
    if (trailers) tell_meaning(&s->trace, trailers, true);
    buf_add(&s->trace, S("end\n"));
    if (s->passing)
        if (s->next->ops->submit_end(s->next, s->next_stream, trailers) != OK) abort();
    if (!s->server) return;
    answer(s, stream);
    check(s->codec->ops->submit_body(s->codec, stream, S("ok"), true) == OK);
}
static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)arg, (void)stream, (void)why;
    abort();
}
static const struct codec_sink sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};

static void open_side(struct side *s, bool server, const struct codec_limits *l) {
    *s = (struct side){.server = server};
    s->codec = server ? h1_server(&sink, s, l) : h1_client(&sink, s, l);
    buf_init(&s->trace, 1 << 24), buf_init(&s->body, 1 << 24);
}
static void close_side(struct side *s) {
    s->codec->ops->free(s->codec);
    arena_free(s->arena);
    buf_fini(&s->trace), buf_fini(&s->body);
}
/* A client asks once: what comes behind the answer is then wrong for any cut. */
static void ask(struct side *s, bool head) {
    struct http_msg m;
    OWNED(arena) a = arena_new();
    http_msg_init(&m, a, true);
    m.method_id = head ? HTTP_HEAD : HTTP_GET;
    m.method = http_method_name((enum http_method)m.method_id), m.path = S("/");
    check(s->codec->ops->submit(s->codec, &s->stream, &m, true) == OK);
    s->codec->ops->wrote(s->codec, s->codec->ops->pending(s->codec));
}

/* Gives all bytes, cut by the seed (0: not at all), and tells the outcome in the trace. */
static err feed(struct side *s, str in, uint64_t seed) {
    struct rng rng = {seed};
    size_t given = 0;
    enum http_reason why = REASON_NONE;
    err e = OK;
    while (in.n && e == OK) {
        given = seed ? num_min(in.n, given + 1 + rng_below(&rng, 20)) : in.n;
        char *block = base_alloc(given);
        memcpy(block, in.p, given);
        size_t used = SIZE_MAX;
        e = s->codec->ops->read(s->codec, (str){block, given}, 0, &used, &why);
        check(used <= given && e != ERR_AGAIN);
        if (!s->next) s->codec->ops->wrote(s->codec, s->codec->ops->pending(s->codec));
        if (s->next) s->next->ops->keep(s->next);
        free(block);
        in = str_from(in, used);
        given -= used;
    }
    end_body_event(s);
    buf_printf(&s->trace, "%s %d\n", base_err_name(e), (int)why);
    why = REASON_NONE;
    err at_end = s->codec->ops->read_end(s->codec, &why);
    check(at_end == ERR_END || at_end == ERR_PROTO);
    end_body_event(s);
    buf_printf(&s->trace, "%s %d\n", base_err_name(at_end), (int)why);
    return e;
}

static void pass_on(struct side *s, const struct http_msg *m, bool end) {
    s->passing = m->method_id != HTTP_CONNECT && s->stream == 1;
    if (!s->passing) return;
    check(s->next->ops->submit(s->next, &s->next_stream, m, end) == OK);
}

/* The first request, passed on by a client codec, means the same to another server. */
static void try_round(str in) {
    struct side first, client, second;
    open_side(&first, true, &limits), open_side(&client, false, &limits), open_side(&second, true, &wider);
    first.next = client.codec;
    (void)!feed(&first, in, 0);
    struct buf written;
    buf_init(&written, 1 << 24);
    str pieces[4];
    for (size_t n; (n = client.codec->ops->write(client.codec, pieces, 4));) {
        size_t all = 0;
        for (size_t i = 0; i < n; i++) buf_add(&written, pieces[i]), all += pieces[i].n;
        client.codec->ops->wrote(client.codec, all);
    }
    if (written.n) {
        (void)!feed(&second, buf_str(&written), 0);
        str a = buf_str(&first.trace), b = buf_str(&second.trace);
        /* the first line's framing may be told otherwise ("none" as a length of 0): method, authority and target are compared */
        str line_a = str_cut(&a, '\n'), line_b = str_cut(&b, '\n');
        for (int i = 0; i < 4; i++) check(str_eq(str_cut(&line_a, ' '), str_cut(&line_b, ' ')));
        while (a.n && a.p[0] == ' ') check(str_eq(str_cut(&a, '\n'), str_cut(&b, '\n')));
        check(!(b.n && b.p[0] == ' '));
    }
    buf_fini(&written);
    close_side(&first), close_side(&client), close_side(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    bool server = data[0] & 1;
    str in = {(const char *)data + 2, size - 2};
    struct side whole, cut;
    open_side(&whole, server, &limits), open_side(&cut, server, &limits);
    if (!server) ask(&whole, data[0] & 2), ask(&cut, data[0] & 2);
    err a = feed(&whole, in, 0), b = feed(&cut, in, 1 + data[1]);
    check(a == b && str_eq(buf_str(&whole.trace), buf_str(&cut.trace)));
    close_side(&whole), close_side(&cut);
    if (server) try_round(in);
    return 0;
}
