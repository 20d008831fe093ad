/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
/* A request of the gateway's own: how it ends, when it is begun again, what of it counts for the endpoint, who may go on with it. */
#include "upstream/errand.h"

#include "set.h"

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

struct boy { /* runs it */
    struct errand errand;
    struct set set;
    struct arena *arena;
    struct http_msg *request;
    str body;
    size_t fed;
    bool gone, waits; /* the rest of the body comes later */
    unsigned asked, overs, again, wrote;
    uint16_t status;
    enum errand_end how;
    struct buf answer, passed_on;
    bool passed_end;
};
static struct boy *of(struct errand *e) { return container_of(e, struct boy, errand); }

static err take(struct errand *e, bool again) {
    struct boy *b = of(e);
    b->again += again;
    if (b->gone) return ERR_END;
    struct upstream_want w = {.backend = b->set.backend, .again = again, .balancing = &b->set.by};
    return errand_take(e, &w);
}
static const struct http_msg *request(struct errand *e, bool *ret_whole) {
    struct boy *b = of(e);
    b->asked++;
    b->fed = 0;
    *ret_whole = !b->body.n;
    return b->request;
}
static err feed(struct errand *e) {
    struct boy *b = of(e);
    str s = str_from(b->waits ? str_upto(b->body, b->body.n / 2) : b->body, b->fed);
    if (!s.n) return OK;
    TRY(upstream_submit_body(&e->up, s, !b->waits));
    b->fed += s.n;
    e->sent = !b->waits;
    return OK;
}
static void on_head(struct errand *e, struct http_msg *m, bool end) {
    (void)end;
    of(e)->status = m->status;
}
static void on_body(struct errand *e, str bytes) { buf_add(&of(e)->answer, bytes); }
static void on_over(struct errand *e, enum errand_end how) {
    assert_false(upstream_lent(&e->up));
    of(e)->overs++, of(e)->how = how;
}
static const struct errand_ops plain = {.take = take,
                                        .request = request,
                                        .feed = feed,
                                        .head = on_head,
                                        .body = on_body,
                                        .over = on_over,
                                        .repeats = 2,
                                        .blames = ERRAND_BLAMES_LOSS};

static struct boy *boy_new(void) {
    struct boy *b = base_zalloc(sizeof *b);
    struct table_balancing by = health_usual;
    by.failures = 1, by.share_percent = 100;
    set_init(&b->set, 2, by);
    set_endpoints(&b->set, 0, 1);
    b->arena = arena_new();
    b->request = arena_make(b->arena, struct http_msg);
    http_msg_init(b->request, b->arena, true);
    b->request->method = S("GET"), b->request->method_id = HTTP_GET;
    b->request->authority = S("h"), b->request->path = S("/"), b->request->query = S("");
    b->request->keep_alive = true;
    buf_init(&b->answer, 4096);
    buf_init(&b->passed_on, 4096);
    return b;
}
static void boy_free(struct boy *b) {
    errand_drop(&b->errand);
    set_settle(&b->set);
    set_fini(&b->set);
    arena_free(b->arena);
    buf_fini(&b->answer);
    buf_fini(&b->passed_on);
    free(b);
}
static void has_body(struct boy *b, const char *body) {
    b->body = str_of(body);
    b->request->method = S("POST"), b->request->method_id = HTTP_POST;
    b->request->body = HTTP_BODY_LENGTH, b->request->content_length = b->body.n;
}
static void begin(struct boy *b, const struct errand_ops *ops, bool repeatable) {
    b->asked = b->overs = b->again = 0;
    b->status = 0;
    buf_clear(&b->answer);
    errand_init(&b->errand, ops, b->set.upstream, b->arena);
    b->errand.repeatable = repeatable;
    errand_begin(&b->errand);
    set_settle(&b->set);
}
static int comes(struct boy *b) { return accept(b->set.listeners[0], NULL, NULL); }
/* A request, up to these words. */
static void hears(struct boy *b, int fd, const char *end) {
    char bytes[1024];
    size_t n = 0;
    while (!str_ends((str){bytes, n}, str_of(end))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        set_until(&b->set, poll(&p, 1, 0) > 0);
        ssize_t more = recv(fd, bytes + n, sizeof bytes - n, 0);
        assert_true(more > 0);
        n += (size_t)more;
    }
}
static int asked(struct boy *b) {
    int fd = comes(b);
    hears(b, fd, "\r\n\r\n");
    return fd;
}
static void ends(struct boy *b, enum errand_end how) {
    set_until(&b->set, b->overs);
    assert_int_equal(b->overs, 1);
    assert_int_equal(b->how, how);
}
static bool is_out(struct boy *b) {
    return health_is_out(set_state(&b->set, b->set.upstream)->v[0]->vital, b->set.loop.now_us);
}

static void keeps_the_connection_for_the_next(void **state) {
    (void)state;
    struct boy *b = boy_new();
    begin(b, &plain, true);
    int fd = asked(b);
    for (int i = 0; i < 2; i++) {
        rig_send(fd, S(OK_HI));
        ends(b, ERRAND_ANSWERED);
        assert_int_equal(b->status, 200);
        assert_str(buf_str(&b->answer), "hi");
        assert_int_equal(set_counts(b->set.upstream).idle, 1);
        begin(b, &plain, true);
        hears(b, fd, "\r\n\r\n");
    }
    assert_int_equal(set_counts(b->set.upstream).connects, 1);
    close(fd);
    boy_free(b);
}

static void takes_an_answer_that_ends_with_its_connection(void **state) {
    (void)state;
    struct boy *b = boy_new();
    begin(b, &plain, true);
    int fd = asked(b);
    rig_send(fd, S("HTTP/1.0 200 OK\r\n\r\nhi"));
    shutdown(fd, SHUT_WR);
    ends(b, ERRAND_ANSWERED);
    assert_str(buf_str(&b->answer), "hi");
    assert_int_equal(set_counts(b->set.upstream).open, 0);
    assert_false(is_out(b));
    close(fd);
    boy_free(b);
}

static void is_not_harmed_by_what_follows_its_answer(void **state) {
    (void)state;
    static const char *const more[] = {"HTTP/1.1 200 OK\r\n", "no HTTP at all\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        struct boy *b = boy_new();
        begin(b, &plain, true);
        int fd = asked(b);
        rig_printf(fd, "%s%s", OK_HI, more[i]);
        shutdown(fd, SHUT_WR);
        ends(b, ERRAND_ANSWERED);
        assert_str(buf_str(&b->answer), "hi");
        assert_int_equal(set_counts(b->set.upstream).open, 0);
        close(fd);
        boy_free(b);
    }
}

/* Its end may have been on the way: once more, on a new one; unless it may have been looked at, and must not be twice. */
static void begins_again_when_a_kept_connection_ends(void **state) {
    (void)state;
    for (int repeatable = 0; repeatable < 2; repeatable++) {
        struct boy *b = boy_new();
        begin(b, &plain, true);
        int fd = asked(b);
        rig_send(fd, S(OK_HI));
        ends(b, ERRAND_ANSWERED);
        begin(b, &plain, repeatable);
        hears(b, fd, "\r\n\r\n");
        close(fd);
        if (repeatable) {
            set_until(&b->set, b->again == 1);
            assert_false(b->errand.up.reused);
            fd = asked(b);
            close(fd); /* a new one is no kept one: that is its answer */
        }
        ends(b, ERRAND_LOST);
        assert_int_equal(b->asked, 1 + repeatable);
        assert_true(is_out(b));
        boy_free(b);
    }
}

static void looks_first_where_that_is_wanted(void **state) {
    (void)state;
    struct errand_ops careful = plain;
    careful.looks = true;
    struct boy *b = boy_new();
    begin(b, &careful, false);
    int fd = asked(b);
    rig_send(fd, S(OK_HI));
    ends(b, ERRAND_ANSWERED);
    close(fd); /* nobody has told us yet */
    begin(b, &careful, false);
    assert_int_equal(b->again, 0);
    assert_int_equal(set_counts(b->set.upstream).connects, 2);
    fd = asked(b);
    rig_send(fd, S(OK_HI));
    ends(b, ERRAND_ANSWERED);
    close(fd);
    boy_free(b);
}

static void says_why_it_came_to_nothing(void **state) {
    (void)state;
    struct boy *b = boy_new();
    b->gone = true;
    begin(b, &plain, true);
    ends(b, ERRAND_GONE);
    b->gone = false;
    b->set.by.conns_max = 1;
    begin(b, &plain, true);
    struct errand first = {0};
    errand_init(&first, &plain, b->set.upstream, b->arena);
    struct balance_tried tried = {0};
    struct upstream_want w = {.backend = b->set.backend, .tried = &tried, .balancing = &b->set.by};
    assert_int_equal(upstream_take(b->set.upstream, &w, &first.up), ERR_LIMIT);
    errand_drop(&b->errand); /* without a word */
    set_settle(&b->set);
    assert_int_equal(b->overs, 0);
    assert_ok(upstream_take(b->set.upstream, &w, &first.up));
    begin(b, &plain, true);
    ends(b, ERRAND_FULL);
    upstream_drop(&first.up);
    set_settle(&b->set);
    shutdown(b->set.listeners[0], SHUT_RDWR);
    begin(b, &plain, true);
    ends(b, ERRAND_AWAY);
    assert_int_equal(b->asked, 0);
    set_endpoints(&b->set, 0, 0);
    begin(b, &plain, true);
    ends(b, ERRAND_NOBODY);
    boy_free(b);
}

static void tells_whom_to_blame(void **state) {
    (void)state;
    static const struct {
        uint8_t blames;
        const char *answer;
        bool out;
        enum errand_end how;
    } cases[] = {
        {ERRAND_BLAMES_NOT, "", false, ERRAND_LOST},
        {ERRAND_BLAMES_SILENCE, "", true, ERRAND_LOST},
        {ERRAND_BLAMES_LOSS, "", true, ERRAND_LOST},
        {ERRAND_BLAMES_SILENCE, "HTTP/1.1 2", false, ERRAND_LOST},
        {ERRAND_BLAMES_LOSS, "HTTP/1.1 2", true, ERRAND_LOST},
        {ERRAND_BLAMES_LOSS, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true, ERRAND_LOST},
        {ERRAND_BLAMES_LOSS, "no HTTP at all\r\n\r\n", false, ERRAND_PROTOCOL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct errand_ops ops = plain;
        ops.blames = cases[i].blames;
        struct boy *b = boy_new();
        begin(b, &ops, true);
        int fd = asked(b);
        rig_send(fd, str_of(cases[i].answer));
        shutdown(fd, SHUT_WR);
        ends(b, cases[i].how);
        assert_int_equal(b->again, 0);
        if (is_out(b) != cases[i].out) fail_msg("case %zu", i);
        close(fd);
        boy_free(b);
    }
}

static void count_wrote(struct errand *e) { of(e)->wrote++; }

static void sends_a_body_as_it_comes(void **state) {
    (void)state;
    struct errand_ops ops = plain;
    ops.wrote = count_wrote;
    for (int early = 0; early < 2; early++) {
        struct boy *b = boy_new();
        has_body(b, "hello world!");
        b->waits = true;
        begin(b, &ops, false);
        int fd = comes(b);
        hears(b, fd, "\r\n\r\nhello ");
        assert_true(b->wrote > 0 && b->errand.wrote_any && !b->errand.sent);
        if (early) rig_send(fd, S(OK_HI));
        if (early) ends(b, ERRAND_ANSWERED);
        /* what was not sent to its end can carry nothing else */
        assert_int_equal(set_counts(b->set.upstream).open, !early);
        if (!early) {
            b->waits = false;
            errand_feed(&b->errand);
            set_settle(&b->set);
            hears(b, fd, "world!");
            rig_send(fd, S(OK_HI));
            ends(b, ERRAND_ANSWERED);
            assert_int_equal(set_counts(b->set.upstream).idle, 1);
        }
        close(fd);
        boy_free(b);
    }
}

static void asks_nothing_where_a_connection_is_enough(void **state) {
    (void)state;
    struct boy *b = boy_new();
    b->request = NULL;
    begin(b, &plain, true);
    ends(b, ERRAND_ANSWERED);
    assert_int_equal(set_counts(b->set.upstream).open, 0);
    boy_free(b);
}

/* ---- another goes on ---- */

static struct boy *boy_of(void *loan) {
    return container_of((struct upstream_loan *)loan, struct boy, errand.up);
}
static struct arena *other_begin(void *arg, uint32_t stream) {
    (void)stream;
    return boy_of(arg)->arena;
}
static void other_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    (void)arg, (void)stream, (void)m, (void)end;
    fail_msg("the head came before");
}
static void other_body(void *arg, uint32_t stream, str bytes) {
    (void)stream;
    buf_add(&boy_of(arg)->passed_on, bytes);
    upstream_consume(arg, bytes.n);
}
static void other_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    (void)stream, (void)trailers;
    boy_of(arg)->passed_end = true;
}
static void other_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)arg, (void)stream, (void)why;
}
static void other_did_read(struct upstream_loan *l) {
    if (boy_of(l)->passed_end) upstream_release(l);
}
static const struct codec_sink other_sink = {
    .begin = other_begin, .head = other_head, .body = other_body, .end = other_end, .reset = other_reset};
static const struct upstream_events other_events = {.sink = &other_sink, .did_read = other_did_read};

static void leave_on_head(struct errand *e, struct http_msg *m, bool end) {
    on_head(e, m, end);
    errand_leave(e, &other_events);
}

static void leaves_its_loan_to_another(void **state) {
    (void)state;
    struct errand_ops ops = plain;
    ops.head = leave_on_head;
    struct boy *b = boy_new();
    begin(b, &ops, true);
    int fd = asked(b);
    rig_send(fd, S(OK_HI));
    set_until(&b->set, b->passed_end);
    assert_int_equal(b->status, 200);
    assert_str(buf_str(&b->passed_on), "hi");
    assert_int_equal(b->answer.n + b->overs, 0);
    assert_false(upstream_lent(&b->errand.up));
    assert_int_equal(set_counts(b->set.upstream).idle, 1);
    errand_leave(&b->errand, &other_events); /* of none that is lent, too */
    close(fd);
    boy_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_connection_for_the_next),
        cmocka_unit_test(takes_an_answer_that_ends_with_its_connection),
        cmocka_unit_test(is_not_harmed_by_what_follows_its_answer),
        cmocka_unit_test(begins_again_when_a_kept_connection_ends),
        cmocka_unit_test(looks_first_where_that_is_wanted),
        cmocka_unit_test(says_why_it_came_to_nothing),
        cmocka_unit_test(tells_whom_to_blame),
        cmocka_unit_test(sends_a_body_as_it_comes),
        cmocka_unit_test(asks_nothing_where_a_connection_is_enough),
        cmocka_unit_test(leaves_its_loan_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
