/* SPDX-License-Identifier: Apache-2.0 */
/* What a script can not say: windows, lent bytes, refusals by the sink, reuse, allocation. */
#include "proto/h1.h"

#include "../unit.h"
#include "base/buf.h"
#ifdef __SANITIZE_ADDRESS__
/* gcc 12 has the function and not its header */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
#endif

struct side {
    struct codec *codec;
    struct arena *arena;
    bool refuse, answer;
    uint32_t stream;
    unsigned heads, ends;
    size_t body_bytes;
    struct http_msg *head;
};
static struct arena *on_begin(void *arg, uint32_t stream) {
    struct side *s = arg;
    s->stream = stream;
    arena_reset(s->arena);
    return s->refuse ? NULL : s->arena;
}
static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    struct side *s = arg;
    (void)end;
    s->heads++;
    s->head = m;
    if (!s->answer) return;
    struct http_msg *answer = arena_make(s->arena, struct http_msg);
    http_msg_init(answer, s->arena, false);
    answer->status = 200;
    answer->body = HTTP_BODY_LENGTH;
    answer->content_length = 2;
    assert_ok(s->codec->ops->submit(s->codec, &stream, answer, false));
    assert_ok(s->codec->ops->submit_body(s->codec, stream, S("ok"), true));
}
static void on_body(void *arg, uint32_t stream, str bytes) {
    (void)stream;
    ((struct side *)arg)->body_bytes += bytes.n;
}
static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream, (void)trailers;
    ((struct side *)arg)->ends++;
}
static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)arg, (void)stream, (void)why;
    fail();
}
static const struct codec_sink sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};
static const struct codec_limits limits = {
    .head_bytes_max = 16384, .line_bytes_max = 8192, .fields_max = 100, .trailer_bytes_max = 4096};

static void open_side(struct side *s, bool server) {
    *s = (struct side){.arena = arena_new()};
    s->codec = server ? h1_server(&sink, s, &limits) : h1_client(&sink, s, &limits);
}
static void close_side(struct side *s) {
    s->codec->ops->free(s->codec);
    arena_free(s->arena);
}
static err give(struct side *s, str in, size_t *ret_used, enum http_reason *ret_why) {
    return s->codec->ops->read(s->codec, in, 0, ret_used, ret_why);
}
/* Moves what one side has to write to the other. */
static void carry(struct side *from, struct side *to) {
    str pieces[8];
    for (size_t n; (n = from->codec->ops->write(from->codec, pieces, COUNT_OF(pieces)));) {
        size_t all = 0;
        for (size_t i = 0; i < n; i++) {
            size_t used;
            enum http_reason why;
            assert_ok(give(to, pieces[i], &used, &why));
            assert_int_equal(used, pieces[i].n);
            all += used;
        }
        from->codec->ops->wrote(from->codec, all);
    }
}

static void test_window(void **state) {
    (void)state;
    struct side s;
    open_side(&s, true);
    size_t used;
    enum http_reason why;
    assert_ok(give(&s, S("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"), &used, &why));
    static char body[100000];
    assert_int_equal(give(&s, (str){body, sizeof body}, &used, &why), ERR_AGAIN);
    assert_int_equal(used, CODEC_WINDOW_BYTES);
    assert_int_equal(s.body_bytes, CODEC_WINDOW_BYTES);
    s.codec->ops->consume(s.codec, s.stream, 1000);
    assert_int_equal(give(&s, (str){body + used, sizeof body - used}, &used, &why), ERR_AGAIN);
    assert_int_equal(used, 1000);
    s.codec->ops->consume(s.codec, s.stream + 1, 50000); /* another stream: nothing */
    assert_int_equal(give(&s, (str){body, 1}, &used, &why), ERR_AGAIN);
    s.codec->ops->consume(s.codec, s.stream, SIZE_MAX);
    assert_ok(give(&s, (str){body, sizeof body - CODEC_WINDOW_BYTES - 1000}, &used, &why));
    assert_int_equal(s.body_bytes, sizeof body);
    assert_int_equal(s.ends, 1);
    close_side(&s);
}

/* A tunnel has the window of a body. */
static void test_tunnel_window(void **state) {
    (void)state;
    struct side s;
    struct http_msg switching;
    size_t used;
    enum http_reason why;
    static char bytes[CODEC_WINDOW_BYTES + 10];
    open_side(&s, true);
    assert_ok(
        give(&s, S("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), &used, &why));
    http_msg_init(&switching, s.arena, false);
    switching.status = 101;
    switching.upgrade = S("x");
    assert_ok(s.codec->ops->submit(s.codec, &s.stream, &switching, false));
    assert_int_equal(give(&s, (str){bytes, sizeof bytes}, &used, &why), ERR_AGAIN);
    assert_int_equal(used, CODEC_WINDOW_BYTES);
    assert_int_equal(s.body_bytes, CODEC_WINDOW_BYTES);
    s.codec->ops->consume(s.codec, s.stream, 4);
    assert_int_equal(give(&s, (str){bytes, 10}, &used, &why), ERR_AGAIN);
    assert_int_equal(used, 4);
    close_side(&s);
}

static void test_refused_by_the_sink(void **state) {
    (void)state;
    struct side s;
    open_side(&s, true);
    s.refuse = true;
    size_t used;
    enum http_reason why;
    assert_int_equal(give(&s, S("GET / HTTP/1.1\r\n"), &used, &why), ERR_LIMIT);
    assert_int_equal(why, REASON_OVERLOAD);
    assert_int_equal(give(&s, S(""), &used, &why), ERR_LIMIT);
    assert_false(s.codec->ops->reusable(s.codec));
    close_side(&s);
}

/* Bodies are lent until the write, and copied by keep(). */
static void test_lent_body(void **state) {
    (void)state;
    struct side s;
    open_side(&s, true);
    size_t used;
    enum http_reason why;
    assert_ok(give(&s, S("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &used, &why));
    struct http_msg m;
    http_msg_init(&m, s.arena, false);
    m.status = 200;
    m.body = HTTP_BODY_CHUNKED;
    uint32_t stream = s.stream;
    const struct codec_ops *ops = s.codec->ops;
    assert_ok(ops->submit(s.codec, &stream, &m, false));
    char lent[2000];
    memset(lent, 'x', sizeof lent);
    assert_ok(ops->submit_body(s.codec, stream, (str){lent, sizeof lent}, true));
    str out[8];
    assert_int_equal(ops->write(s.codec, out, 8), 3);
    assert_true(str_ends(out[0], S("\r\n\r\n7d0\r\n")));
    assert_ptr_equal(out[1].p, lent);
    assert_str(out[2], "\r\n0\r\n\r\n");
    ops->wrote(s.codec, out[0].n + 1);
    ops->keep(s.codec);
    memset(lent, '?', sizeof lent);
    assert_int_equal(ops->write(s.codec, out, 8), 1);
    assert_int_equal(out[0].n, 1999 + 7);
    assert_int_equal(out[0].p[1998], 'x');
    assert_int_equal(ops->pending(s.codec), 1999 + 7);
    close_side(&s);
}

static void test_pending_bound(void **state) {
    (void)state;
    struct side s;
    open_side(&s, true);
    size_t used;
    enum http_reason why;
    assert_ok(give(&s, S("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &used, &why));
    struct http_msg m;
    http_msg_init(&m, s.arena, false);
    m.status = 200;
    m.body = HTTP_BODY_CHUNKED;
    uint32_t stream = s.stream;
    assert_ok(s.codec->ops->submit(s.codec, &stream, &m, false));
    static char lent[65536];
    err e = OK;
    unsigned taken = 0;
    for (; e == OK; taken++) e = s.codec->ops->submit_body(s.codec, stream, (str){lent, sizeof lent}, false);
    assert_int_equal(e, ERR_AGAIN);
    assert_in_range(taken, 16, 33);
    s.codec->ops->wrote(s.codec, s.codec->ops->pending(s.codec));
    assert_ok(s.codec->ops->submit_body(s.codec, stream, S(""), true));
    close_side(&s);
}

static void test_recycle(void **state) {
    (void)state;
    struct side s, t = {.arena = arena_new()};
    open_side(&s, true);
    size_t used;
    enum http_reason why;
    assert_int_equal(give(&s, S("GET / HTTP/1.1\nHost"), &used, &why), ERR_PROTO);
    h1_recycle(s.codec, &sink, &t);
    assert_true(s.codec->ops->reusable(s.codec));
    t.codec = s.codec;
    assert_ok(give(&t, S("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), &used, &why));
    assert_int_equal(t.stream, 1);
    assert_int_equal(t.heads, 1);
    assert_str(t.head->path, "/x");
    arena_free(t.arena);
    close_side(&s);
}

/* Between requests, and once a codec begins anew or ends, it holds nothing of the pool. */
static void test_shares_what_a_message_needs(void **state) {
    (void)state;
    struct pool works;
    struct side s, t;
    size_t used;
    enum http_reason why;
    h1_pool_init(&works, 8);
    open_side(&s, true), open_side(&t, true);
    s.answer = true;
    h1_share(s.codec, &works), h1_share(t.codec, &works);
    assert_int_equal(pool_lent(&works), 0);
    for (int i = 0; i < 3; i++) {
        s.codec->ops->limit_head(s.codec, 16384, 100 + 50 * (uint32_t)i); /* room for more lines each time */
        assert_ok(give(&s, S("\r\nGET / HTTP/1.1\r\nHo"), &used, &why));
        assert_ok(give(&t, S("POST / HTTP/1.1\r\n"), &used, &why));
        assert_int_equal(pool_lent(&works), 2);
        assert_ok(give(&s, S("st: a\r\n\r\n"), &used, &why));
        assert_int_equal(pool_lent(&works), 2); /* the answer is not written */
        size_t n = s.codec->ops->pending(s.codec);
        s.codec->ops->wrote(s.codec, n - 1);
        assert_int_equal(pool_lent(&works), 2);
        s.codec->ops->wrote(s.codec, 1);
        assert_int_equal(pool_lent(&works), 1);
        assert_int_equal(s.codec->ops->pending(s.codec), 0);
        s.codec->ops->wrote(s.codec, 0);
        s.codec->ops->keep(s.codec);
        s.codec->ops->consume(s.codec, s.stream, 10);
        h1_recycle(t.codec, &sink, &t);
        assert_int_equal(pool_lent(&works), 0);
    }
    assert_int_equal(s.heads, 3);
    s.answer = false; /* written before all of the request is read: given back with its end */
    assert_ok(give(&s, S("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"), &used, &why));
    struct http_msg m;
    http_msg_init(&m, s.arena, false);
    m.status = 200;
    assert_ok(s.codec->ops->submit(s.codec, &s.stream, &m, true));
    s.codec->ops->wrote(s.codec, s.codec->ops->pending(s.codec));
    assert_int_equal(pool_lent(&works), 1);
    assert_ok(give(&s, S("ok"), &used, &why));
    assert_int_equal(pool_lent(&works), 0);
    assert_true(s.codec->ops->reusable(s.codec));
    assert_ok(give(&t, S("G"), &used, &why));
    assert_int_equal(pool_lent(&works), 1);
    close_side(&s), close_side(&t);
    pool_fini(&works);
}

/* The reading side may begin the next request within the last event of the one before. */
static unsigned asked;
static void ask_again(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct side *s = arg;
    struct http_msg m;
    (void)stream, (void)trailers;
    s->ends++;
    http_msg_init(&m, s->arena, true);
    m.method = S("GET"), m.method_id = HTTP_GET, m.path = S("/");
    if (s->codec->ops->submit(s->codec, &s->stream, &m, true) == OK) asked++;
}
static void test_next_within_the_end(void **state) {
    (void)state;
    struct codec_sink eager = sink;
    eager.end = ask_again;
    struct side s = {.arena = arena_new()};
    s.codec = h1_client(&eager, &s, &limits);
    size_t used;
    enum http_reason why = REASON_NONE;
    asked = 0;
    ask_again(&s, 0, NULL);
    str answer = S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_ok(give(&s, answer, &used, &why));
    assert_int_equal(asked, 2);
    assert_int_equal(s.stream, 2);
    /* what came with the answer was sent before the question: never taken for its answer [RFC 9112 9.2] */
    str two = S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(give(&s, two, &used, &why), ERR_PROTO);
    assert_int_equal(why, REASON_BACKEND_PROTOCOL);
    assert_int_equal(asked, 2);
    close_side(&s);
}

/* A request and a response through both codecs, over and over: nothing is allocated once all is warm. */
static void exchange(struct side *client, struct side *server, const struct http_msg *m) {
    assert_ok(client->codec->ops->submit(client->codec, &client->stream, m, true));
    carry(client, server);
    carry(server, client);
    assert_true(client->codec->ops->reusable(client->codec));
}
#ifdef __SANITIZE_ADDRESS__
static unsigned allocations;
static void count_allocation(const volatile void *p, size_t n) {
    (void)p, (void)n;
    allocations++;
}
static void ignore_free(const volatile void *p) { (void)p; }
#endif
static void test_no_allocation(void **state) {
    (void)state;
    struct side client, server;
    open_side(&client, false);
    open_side(&server, true);
    server.answer = true;
    OWNED(arena) a = arena_new();
    struct http_msg m;
    http_msg_init(&m, a, true);
    m.method = S("GET"), m.method_id = HTTP_GET, m.authority = S("example.org"), m.path = S("/x");
    for (int i = 0; i < 6; i++) http_msg_add(&m, S("Accept"), S("text/html,application/xhtml+xml"));
    exchange(&client, &server, &m);
#ifdef __SANITIZE_ADDRESS__
    assert_int_not_equal(__sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_free), 0);
    unsigned before = allocations;
    for (int i = 0; i < 100; i++) exchange(&client, &server, &m);
    assert_int_equal(allocations, before);
#else
    for (int i = 0; i < 100; i++) exchange(&client, &server, &m);
#endif
    assert_int_equal(client.heads, 101);
    assert_int_equal(server.heads, 101);
    close_side(&client), close_side(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_tunnel_window),
        cmocka_unit_test(test_refused_by_the_sink),
        cmocka_unit_test(test_lent_body),
        cmocka_unit_test(test_pending_bound),
        cmocka_unit_test(test_recycle),
        cmocka_unit_test(test_shares_what_a_message_needs),
        cmocka_unit_test(test_next_within_the_end),
        cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
