/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_client.h"

#include <sys/stat.h>

#include "fake_api.h"

struct seen {
    bool done;
    err error;
    unsigned status, answers, limit;
    char reason[64], message[256], body[256];
    struct kube_request *request;
    size_t bytes;
};

static void on_done(void *arg, const struct kube_answer *a) {
    struct seen *s = arg;
    s->error = a->error, s->status = a->status;
    snprintf(s->reason, sizeof s->reason, STR_FMT, STR_ARG(a->reason));
    snprintf(s->message, sizeof s->message, STR_FMT, STR_ARG(a->message));
    snprintf(s->body, sizeof s->body, STR_FMT, STR_ARG(str_upto(a->body, 255)));
    s->answers++;
    s->done = s->answers >= s->limit;
}

struct setting {
    struct loop loop;
    struct fake fake;
    struct kube_client *client;
    struct seen seen;
    unsigned step;
    struct fake_conn *held;
};

static void begin(struct setting *s, const char *user,
                  void (*on_request)(struct fake *f, struct fake_conn *c, str body)) {
    memset(s, 0, sizeof *s);
    loop_init(&s->loop);
    fake_init(&s->fake, &s->loop, user, on_request, s);
    s->client = fake_client(&s->fake);
}

static void end(struct setting *s) {
    kube_client_free(s->client);
    fake_fini(&s->fake);
    loop_fini(&s->loop);
}

static void ask(struct setting *s, struct kube_call call) {
    s->seen = (struct seen){.limit = 1};
    call.on_done = on_done, call.arg = &s->seen;
    if (!call.path.p) call.path = S("/api/v1/x");
    s->seen.request = kube_client_send(s->client, &call);
    fake_run(&s->loop, &s->seen.done);
}

static void answer_by_path(struct fake *f, struct fake_conn *c, str body) {
    (void)f;
    (void)body;
    if (strcmp(c->path, "/ok?a=b") == 0)
        fake_answer(c, 200, "", "{\"x\":1}");
    else
        fake_answer(
            c, 409, "",
            "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"the object has been modified\"}");
}

static void answers_and_says_what_is_wrong(void **state) {
    (void)state;
    struct setting s;
    begin(&s, "", answer_by_path);
    ask(&s, (struct kube_call){.path = S("/ok"), .query = S("a=b")});
    assert_int_equal(s.seen.status, 200);
    assert_string_equal(s.seen.body, "{\"x\":1}");
    assert_string_equal(s.seen.message, "");
    ask(&s, (struct kube_call){.method = KUBE_PUT, .path = S("/no"), .body = S("{}")});
    assert_int_equal(s.seen.error, OK);
    assert_int_equal(s.seen.status, 409);
    assert_string_equal(s.seen.reason, "Conflict");
    assert_string_equal(s.seen.message, "the object has been modified");
    end(&s);
}

static void check_patch(struct fake *f, struct fake_conn *c, str body) {
    assert_string_equal(c->method, "PATCH");
    assert_non_null(strcasestr(f->head, "content-type: application/apply-patch+yaml\r\n"));
    assert_non_null(strcasestr(f->head, "authorization: Bearer abc\r\n"));
    assert_non_null(strcasestr(f->head, "impersonate-user: jane\r\n"));
    assert_str(body, "{\"a\":1}");
    fake_answer(c, 201, "", "{}");
}

static void sends_what_it_is_told(void **state) {
    (void)state;
    struct setting s;
    begin(&s, "    token: abc\n    as: jane\n", check_patch);
    ask(&s, (struct kube_call){
                .method = KUBE_PATCH_APPLY, .query = S("fieldManager=x&force=true"), .body = S("{\"a\":1}")});
    assert_int_equal(s.seen.status, 201);
    end(&s);
}

static void ask_for_patience(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    if (s->step++ == 0)
        fake_answer(c, 429, "Retry-After: 1\r\n", "");
    else
        fake_answer(c, 200, "", "{}");
}

static void obeys_retry_after(void **state) {
    (void)state;
    struct setting s;
    begin(&s, "", ask_for_patience);
    uint64_t before = clock_monotonic_us();
    ask(&s, (struct kube_call){0});
    assert_int_equal(s.seen.status, 200);
    assert_true(clock_monotonic_us() - before >= 1000000);
    assert_int_equal(kube_client_stats(s.client).throttled, 1);
    assert_int_equal(s.fake.requests, 2);
    end(&s);
}

static char token_file[] = "/tmp/kube_token.XXXXXX";

static void write_token(const char *text) {
    FILE *f = fopen(token_file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void want_second_token(struct fake *f, struct fake_conn *c, str body) {
    (void)body;
    if (strcasestr(f->head, "authorization: Bearer second\r\n")) {
        fake_answer(c, 200, "", "{}");
    } else {
        write_token("second\n"); /* rotated behind our back */
        fake_answer(c, 401, "",
                    "{\"kind\":\"Status\",\"reason\":\"Unauthorized\",\"message\":\"Unauthorized\"}");
    }
}

static void reads_a_rotated_token(void **state) {
    (void)state;
    struct setting s;
    char user[128];
    int fd = mkstemp(token_file);
    assert_true(fd >= 0);
    close(fd);
    write_token("first\n");
    snprintf(user, sizeof user, "    tokenFile: %s\n", token_file);
    begin(&s, user, want_second_token);
    ask(&s, (struct kube_call){0});
    assert_int_equal(s.seen.status, 200);
    assert_int_equal(s.fake.requests, 2);
    end(&s);
    unlink(token_file);
}

static void want_plugin_token(struct fake *f, struct fake_conn *c, str body) {
    (void)body;
    bool fits = strcasestr(f->head, "authorization: Bearer from-plugin\r\n");
    fake_answer(c, fits ? 200 : 403, "", "{}");
}

/* Two who show the same token are both turned away; those who come later are not. */
static void turn_two_away(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    bool first = strcasestr(f->head, "authorization: Bearer run-1\r\n");
    if (!first) {
        fake_answer(c, strcasestr(f->head, "authorization: Bearer run-2\r\n") ? 200 : 403, "", "{}");
        if (s->held) fake_answer(s->held, 401, "", "{}"); /* late: there is a new token already */
        s->held = NULL;
    } else if (s->step++ == 0) {
        s->held = c;
    } else {
        fake_answer(c, 401, "", "{}");
    }
}

static void a_plugin_runs_once_for_all(void **state) {
    (void)state;
    struct setting s;
    char runs[] = "/tmp/kube_runs.XXXXXX", user[1024], text[16] = "";
    int fd = mkstemp(runs);
    assert_true(fd >= 0);
    snprintf(
        user, sizeof user,
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: sh\n      "
        "interactiveMode: Never\n"
        "      env: [{name: RUNS, value: %s}]\n"
        "      args: [-c, 'echo >>$RUNS; case $KUBERNETES_EXEC_INFO in *ExecCredential*) echo "
        "\"{\\\"apiVersion\\\":"
        "\\\"client.authentication.k8s.io/"
        "v1\\\",\\\"kind\\\":\\\"ExecCredential\\\",\\\"status\\\":{\\\"token\\\":"
        "\\\"run-$(wc -l <$RUNS)\\\",\\\"expirationTimestamp\\\":\\\"2099-01-01T00:00:00Z\\\"}}\";; esac']\n",
        runs);
    begin(&s, user, turn_two_away);
    s.seen = (struct seen){.limit = 2};
    struct kube_call call = {.path = S("/x"), .on_done = on_done, .arg = &s.seen};
    kube_client_send(s.client, &call);
    kube_client_send(s.client, &call);
    fake_run(&s.loop, &s.seen.done);
    assert_int_equal(s.seen.status, 200);
    ask(&s, (struct kube_call){0});
    assert_int_equal(s.seen.status, 200);
    assert_int_equal(pread(fd, text, sizeof text, 0), 2); /* a line a run */
    end(&s);
    close(fd);
    unlink(runs);
}

static void says_why_a_plugin_gives_nothing(void **state) {
    (void)state;
    static const struct {
        const char *command, *why;
    } cases[] = {
        {"/nonexistent/plugin", "can not be started"},
        {"'false'", "it failed with status 1"},
        {"'true'", "it printed no JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct setting s;
        char user[512];
        snprintf(
            user, sizeof user,
            "    exec: {apiVersion: client.authentication.k8s.io/v1, command: %s, installHint: install it}\n",
            cases[i].command);
        begin(&s, user, want_plugin_token);
        ask(&s, (struct kube_call){0});
        assert_int_equal(s.seen.error, ERR_REFUSED);
        if (!strstr(s.seen.message, cases[i].why) || !strstr(s.seen.message, "install it"))
            fail_msg("%s: %s", cases[i].command, s.seen.message);
        assert_int_equal(s.fake.requests, 0);
        end(&s);
    }
}

static void answer_long(struct fake *f, struct fake_conn *c, str body) {
    (void)f;
    (void)body;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    fake_answer(c, 200, "", text);
}

static void say_nothing(struct fake *f, struct fake_conn *c, str body) {
    (void)f;
    (void)c;
    (void)body;
}

static void hang_up(struct fake *f, struct fake_conn *c, str body) {
    (void)f;
    (void)body;
    fake_send(c, S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
    fake_close(c);
}

static void bounds_and_failures(void **state) {
    (void)state;
    struct setting s;
    begin(&s, "", answer_long);
    ask(&s, (struct kube_call){.body_bytes_max = 1000});
    assert_int_equal(s.seen.error, ERR_LIMIT);
    s.fake.on_request = hang_up;
    ask(&s, (struct kube_call){0});
    assert_int_equal(s.seen.error, ERR_IO);
    assert_true(s.seen.message[0]);
    s.fake.on_request = say_nothing;
    ask(&s, (struct kube_call){.timeout_s = 1});
    assert_int_equal(s.seen.error, ERR_AGAIN);
    loop_close(&s.loop, &s.fake.listener);
    while (!link_empty(&s.fake.conns)) fake_close(container_of(s.fake.conns.next, struct fake_conn, link));
    ask(&s, (struct kube_call){0});
    assert_int_equal(s.seen.error, ERR_IO);
    end(&s);
}

/* Writes in flight and in which order the shares came. */
struct tally {
    struct fake_conn *held[64];
    unsigned n, most, seen, total;
    unsigned other_at; /* when the other share's came */
};
static struct tally tally;

static void hold_writes(struct fake *f, struct fake_conn *c, str body) {
    (void)f;
    tally.held[tally.n++] = c;
    tally.seen++;
    if (tally.n > tally.most) tally.most = tally.n;
    if (str_eq(body, S("\"other\""))) tally.other_at = tally.seen;
    if (tally.n < KUBE_WRITES_MAX && tally.seen < tally.total) return;
    for (unsigned i = 0; i < tally.n; i++) fake_answer(tally.held[i], 200, "", "{}");
    tally.n = 0;
}

static void writes_take_turns(void **state) {
    (void)state;
    struct setting s;
    tally = (struct tally){.total = 33};
    begin(&s, "", hold_writes);
    s.seen = (struct seen){.limit = 33};
    struct kube_call call = {.method = KUBE_PUT,
                             .path = S("/x"),
                             .body = S("\"many\""),
                             .share = S("many"),
                             .on_done = on_done,
                             .arg = &s.seen};
    for (unsigned i = 0; i < 32; i++) kube_client_send(s.client, &call);
    call.body = S("\"other\""), call.share = S("other");
    kube_client_send(s.client, &call);
    fake_run(&s.loop, &s.seen.done);
    assert_int_equal(tally.most, KUBE_WRITES_MAX);
    assert_in_range(tally.other_at, 1, KUBE_WRITES_MAX);
    end(&s);
}

static void stream_some(struct fake *f, struct fake_conn *c, str body) {
    (void)f;
    (void)body;
    fake_stream(c);
    fake_chunk(c, "abc");
    fake_chunk(c, "def");
}

static void cancel_on_bytes(void *arg, str bytes) {
    struct seen *s = arg;
    s->bytes += bytes.n;
    if (!bytes.n) return;
    kube_client_cancel(s->request);
    s->done = true;
}

static void a_stream_is_cancelled_from_within(void **state) {
    (void)state;
    struct setting s;
    begin(&s, "", stream_some);
    ask(&s, (struct kube_call){.on_bytes = cancel_on_bytes});
    assert_int_equal(s.seen.answers, 0);
    assert_true(s.seen.bytes > 0);
    for (unsigned i = 0; i < 3; i++) loop_turn(&s.loop, false);
    assert_int_equal(s.seen.answers, 0);
    assert_int_equal(kube_client_stats(s.client).streams, 0);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_says_what_is_wrong),
        cmocka_unit_test(sends_what_it_is_told),
        cmocka_unit_test(obeys_retry_after),
        cmocka_unit_test(reads_a_rotated_token),
        cmocka_unit_test(a_plugin_runs_once_for_all),
        cmocka_unit_test(says_why_a_plugin_gives_nothing),
        cmocka_unit_test(bounds_and_failures),
        cmocka_unit_test(writes_take_turns),
        cmocka_unit_test(a_stream_is_cancelled_from_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
