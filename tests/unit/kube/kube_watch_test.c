/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_watch.h"

#include "fake_api.h"

/* What the watch told, a line each; ends when `until` is among them. */
struct setting {
    struct loop loop;
    struct fake fake;
    struct kube_client *client;
    struct kube_watch *watch;
    struct buf told;
    const char *until;
    bool done;
    unsigned step;
    struct fake_conn *held;
};

__attribute__((format(printf, 2, 3))) static void tell(struct setting *s, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&s->told, fmt, args);
    va_end(args);
    buf_add_char(&s->told, 0);
    s->told.n--;
    s->done = strstr(s->told.p, s->until);
}

static void on_put(void *arg, const struct kube_item *i) {
    tell(arg, "put " STR_FMT "/" STR_FMT "@" STR_FMT "\n", STR_ARG(i->ns), STR_ARG(i->name),
         STR_ARG(i->resource_version));
}
static void on_remove(void *arg, str ns, str name) {
    tell(arg, "remove " STR_FMT "/" STR_FMT "\n", STR_ARG(ns), STR_ARG(name));
}
static void on_synced(void *arg) { tell(arg, "synced\n"); }
static void on_trouble(void *arg, const struct kube_watch_trouble *t) {
    if (t)
        tell(arg, "trouble %u%s%s\n", t->status, t->forbidden ? " forbidden" : "",
             t->absent ? " absent" : "");
    else
        tell(arg, "works\n");
}

static void begin(struct setting *s, void (*on_request)(struct fake *f, struct fake_conn *c, str body)) {
    memset(s, 0, sizeof *s);
    loop_init(&s->loop);
    buf_init(&s->told, 1 << 16);
    fake_init(&s->fake, &s->loop, "", on_request, s);
    s->client = fake_client(&s->fake);
    s->until = "never";
    struct kube_watch_config c = {.group = S("g"),
                                  .version = S("v1"),
                                  .plural = S("things"),
                                  .on_put = on_put,
                                  .on_remove = on_remove,
                                  .on_synced = on_synced,
                                  .on_trouble = on_trouble,
                                  .arg = s};
    s->watch = kube_watch_new(s->client, &c);
}

static void run_until(struct setting *s, const char *what) {
    s->until = what;
    s->done = s->told.n && strstr(s->told.p, what);
    fake_run(&s->loop, &s->done);
}

static void end(struct setting *s) {
    kube_watch_free(s->watch);
    kube_client_free(s->client);
    fake_fini(&s->fake);
    buf_fini(&s->told);
    loop_fini(&s->loop);
}

#define ITEM(name, version)                                                                                  \
    "{\"metadata\":{\"namespace\":\"n\",\"name\":\"" name "\",\"uid\":\"u\",\"resourceVersion\":\"" version  \
    "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" ITEM(name, version) "}\n"
#define BOOKMARK(version, notes)                                                                             \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version                        \
    "\",\"annotations\":{" notes "}}}}\n"
#define INITIAL_END "\"k8s.io/initial-events-end\":\"true\""

static bool asks(const struct fake_conn *c, const char *what) { return strstr(c->path, what); }

/* A streaming list, broken off in the midst of an object; resumed from the last version; then the server forgets (410), and the new list
 * shows what went meanwhile. */
static void stream_script(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    switch (s->step++) {
    case 0:
        assert_true(asks(c, "/apis/g/v1/things?") && asks(c, "sendInitialEvents=true") &&
                    asks(c, "resourceVersionMatch=NotOlderThan") && asks(c, "allowWatchBookmarks=true"));
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "a", "1") "{\"type\":\"ADDED\",\"obj");
        fake_chunk(c, "ect\":" ITEM("b", "2") "}\n" BOOKMARK("5", INITIAL_END) EVENT("MODIFIED", "b", "6"));
        fake_chunk(c, "{\"type\":\"MODIFIED\",\"object\":{\"meta");
        fake_close(c);
        return;
    case 1:
        assert_true(asks(c, "resourceVersion=6&") || strstr(c->path, "resourceVersion=6") != NULL);
        assert_false(asks(c, "sendInitialEvents"));
        fake_stream(c);
        fake_chunk(c, BOOKMARK("9", "") "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":"
                                        "\"Failure\",\"code\":410,\"reason\":\"Expired\"}}\n");
        return;
    case 2:
        assert_true(asks(c, "sendInitialEvents=true"));
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "b", "6") EVENT("ADDED", "c", "11") BOOKMARK("12", INITIAL_END)
                          EVENT("DELETED", "c", "13"));
        return;
    default: fail_msg("asked once more: %s", c->path);
    }
}

static void resumes_and_finds_what_went(void **state) {
    (void)state;
    struct setting s;
    begin(&s, stream_script);
    run_until(&s, "remove n/c");
    assert_str(buf_str(&s.told), "put n/a@1\nput n/b@2\nsynced\nput n/b@6\ntrouble 0\nworks\n"
                                 "put n/c@11\nremove n/a\nsynced\nremove n/c\n");
    assert_int_equal(kube_watch_count(s.watch), 1);
    end(&s);
}

/* A server without streaming lists: pages, of which one's token has run out. */
static void pages_script(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    switch (s->step++) {
    case 0:
        fake_answer(
            c, 422, "",
            "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"sendInitialEvents is forbidden\"}");
        return;
    case 1:
        assert_true(asks(c, "limit=500") && !asks(c, "continue="));
        fake_answer(c, 200, "",
                    "{\"metadata\":{\"resourceVersion\":\"20\",\"continue\":\"t/1\"},\"items\":[" ITEM(
                        "a", "1") "]}");
        return;
    case 2:
        assert_true(asks(c, "continue=t%2F1"));
        fake_answer(c, 410, "",
                    "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"the token is too old\"}");
        return;
    case 3:
        assert_false(asks(c, "continue="));
        fake_answer(
            c, 200, "",
            "{\"metadata\":{\"resourceVersion\":\"30\",\"continue\":\"t2\"},\"items\":[" ITEM("b", "2") "]}");
        return;
    case 4:
        assert_true(asks(c, "continue=t2"));
        fake_answer(c, 200, "", "{\"metadata\":{\"resourceVersion\":\"30\"},\"items\":[" ITEM("c", "3") "]}");
        return;
    case 5:
        assert_true(asks(c, "resourceVersion=30") && asks(c, "watch=true"));
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "d", "31"));
        return;
    default: fail_msg("asked once more: %s", c->path);
    }
}

static void falls_back_to_pages(void **state) {
    (void)state;
    struct setting s;
    begin(&s, pages_script);
    run_until(&s, "put n/d");
    assert_str(buf_str(&s.told), "put n/a@1\nput n/b@2\nput n/c@3\nremove n/a\nsynced\nput n/d@31\n");
    end(&s);
}

static void denied_script(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    switch (s->step++) {
    case 0:
        fake_answer(c, 403, "", "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no\"}");
        return;
    case 1:
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "a", "1") BOOKMARK("5", INITIAL_END));
        fake_close(c);
        return;
    case 2: fake_answer(c, 404, "", "404 page not found"); return;
    default: s->held = c; return;
    }
}

static void tells_denial_and_absence(void **state) {
    (void)state;
    struct setting s;
    begin(&s, denied_script);
    run_until(&s, "absent");
    assert_str(
        buf_str(&s.told),
        "trouble 403 forbidden\nput n/a@1\nworks\nsynced\ntrouble 0\nremove n/a\ntrouble 404 absent\n");
    end(&s);
}

/* A list that ends before its end does not count as one: nothing is removed for it. */
static void torn_script(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    switch (s->step++) {
    case 0:
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "a", "1") EVENT("ADDED", "b", "2")
                          BOOKMARK("5", INITIAL_END) "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n");
        return;
    case 1:
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "b", "2"));
        fake_end(c);
        return;
    case 2:
        fake_stream(c);
        fake_chunk(c, EVENT("ADDED", "a", "1") EVENT("ADDED", "b", "2") BOOKMARK("9", INITIAL_END));
        return;
    default: fail_msg("asked once more: %s", c->path);
    }
}

static void a_torn_list_removes_nothing(void **state) {
    (void)state;
    struct setting s;
    begin(&s, torn_script);
    run_until(&s, "works");
    assert_str(buf_str(&s.told), "put n/a@1\nput n/b@2\nsynced\ntrouble 0\nworks\nsynced\n");
    assert_int_equal(kube_watch_count(s.watch), 2);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_and_finds_what_went),
        cmocka_unit_test(falls_back_to_pages),
        cmocka_unit_test(tells_denial_and_absence),
        cmocka_unit_test(a_torn_list_removes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
