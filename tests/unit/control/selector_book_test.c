/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "control/selector_book.h"

enum { SECOND = 1000000 };
#define BEGIN (UINT64_C(1000) * SECOND)

struct world {
    struct selector_book *book;
    uint32_t writes, told;
    enum selector_what what;
    char ns[64], label[128], name[64], uid[64], json[4096];
};

static void take(void *arg, const struct selector_write *o) {
    struct world *w = arg;
    w->writes++;
    w->what = o->what;
    snprintf(w->ns, sizeof w->ns, STR_FMT, STR_ARG(o->ns));
    snprintf(w->label, sizeof w->label, STR_FMT, STR_ARG(o->label));
    snprintf(w->name, sizeof w->name, STR_FMT, STR_ARG(o->name));
    snprintf(w->uid, sizeof w->uid, STR_FMT, STR_ARG(o->uid));
    snprintf(w->json, sizeof w->json, STR_FMT, STR_ARG(o->json));
}
static void on_tell(void *arg) { ((struct world *)arg)->told++; }

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->book = selector_book_new(
        &(struct selector_book_config){S("postern.dev/gateway-controller"), take, on_tell, w});
    *state = w;
    return 0;
}
static int tear_down(void **state) {
    struct world *w = *state;
    selector_book_free(w->book);
    free(w);
    return 0;
}

static void demand(struct world *w, const char *key, const char *value, uint16_t port) {
    struct str_pair labels[] = {{str_of(key), str_of(value)}, {S("tier"), S("web")}};
    struct selector_demand d = {S("shop"), S("pods"), S("u-1"), port, labels, 2};
    selector_book_demand(w->book, &d, 1);
}
static void start(struct world *w) {
    selector_book_synced(w->book);
    selector_book_lead(w->book, true);
}
/* The server's, for what `demand(w, "app", "x", 8080)` asks. */
static void seen(struct world *w, const char *name, const char *uid, const char *labels) {
    char json[2048];
    snprintf(
        json, sizeof json,
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"postern.dev/"
        "xbackend\":\"pods\"},\"ownerReferences\":[{\"uid\":\"u-1\"}]},"
        "\"spec\":{\"clusterIP\":\"None\",\"selector\":%s,\"ports\":[{\"port\":8080,\"targetPort\":8080}]}}",
        name, labels);
    selector_book_seen(w->book, S("shop"), str_of(name), str_of(uid), str_of(json));
}
static void done(struct world *w, bool ok, uint64_t now_us) {
    selector_book_done(w->book, str_of(w->ns), str_of(w->label), ok, now_us);
}
static void expect_services(struct world *w, const char *wanted) {
    OWNED(arena) a = arena_new();
    size_t n;
    struct selector_service *v = selector_book_services(w->book, a, &n);
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, STR_FMT "/" STR_FMT " ", STR_ARG(v[i].ns), STR_ARG(v[i].name));
    assert_str(buf_str(&b), wanted);
    buf_fini(&b);
}
#define FITS "{\"tier\":\"web\",\"app\":\"x\"}"

static void makes_one_and_follows_it(void **state) {
    struct world *w = *state;
    demand(w, "app", "x", 8080);
    assert_int_equal(selector_book_work(w->book, BEGIN), UINT64_MAX);
    assert_int_equal(w->writes, 0); /* neither synced nor the leader */
    start(w);
    selector_book_work(w->book, BEGIN);
    assert_int_equal(w->writes, 1);
    assert_int_equal(w->what, SELECTOR_CREATE);
    assert_string_equal(w->name, "");
    assert_string_equal(
        w->json,
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"generateName\":\"postern-xbackend-\","
        "\"labels\":{"
        "\"app.kubernetes.io/managed-by\":\"xbackends.postern.dev-gateway-controller\",\"postern.dev/"
        "xbackend\":\"pods\"},"
        "\"ownerReferences\":[{\"apiVersion\":\"gateway.networking.x-k8s.io/"
        "v1alpha1\",\"kind\":\"XBackend\",\"name\":\"pods\","
        "\"uid\":\"u-1\",\"controller\":true}]},\"spec\":{\"selector\":{\"app\":\"x\",\"tier\":\"web\"},"
        "\"ports\":["
        "{\"name\":\"tcp\",\"protocol\":\"TCP\",\"port\":8080,\"targetPort\":8080},"
        "{\"name\":\"udp\",\"protocol\":\"UDP\",\"port\":8080,\"targetPort\":8080}],"
        "\"clusterIP\":\"None\",\"ipFamilyPolicy\":\"PreferDualStack\"}}");
    selector_book_work(w->book, BEGIN);
    assert_int_equal(w->writes, 1); /* it is on its way */
    done(w, true, BEGIN);
    assert_int_equal(selector_book_work(w->book, BEGIN), BEGIN + 10 * SECOND); /* the watch tells of it */
    assert_int_equal(w->writes, 1);
    expect_services(w, "");
    seen(w, "postern-xbackend-abc", "s-1", FITS);
    expect_services(w, "shop/postern-xbackend-abc ");
    assert_int_equal(selector_book_work(w->book, BEGIN), UINT64_MAX);
    assert_int_equal(w->writes, 1);
}

static void changes_it_with_the_xbackend(void **state) {
    struct world *w = *state;
    start(w);
    demand(w, "app", "x", 8080);
    seen(w, "a", "s-1", FITS);
    selector_book_work(w->book, BEGIN);
    assert_int_equal(w->writes, 0);
    demand(w, "app", "y", 9090);
    selector_book_work(w->book, BEGIN);
    assert_int_equal(w->what, SELECTOR_CHANGE);
    assert_string_equal(w->name, "a");
    assert_non_null(strstr(w->json, "\"selector\":{\"app\":\"y\",\"tier\":\"web\"}"));
    assert_non_null(strstr(w->json, "\"targetPort\":9090"));
    done(w, true, BEGIN);
    demand(w, "zone", "x", 8080);
    selector_book_work(w->book, BEGIN); /* another wish does not wait for the watch */
    assert_int_equal(w->writes, 2);
    assert_non_null(strstr(
        w->json,
        "\"selector\":{\"zone\":\"x\",\"tier\":\"web\",\"app\":null}")); /* a patch leaves what it does not name */
}

static void takes_away_what_nobody_wants(void **state) {
    struct world *w = *state;
    start(w);
    seen(w, "b", "s-2", FITS); /* before it is known what is wanted */
    assert_int_equal(selector_book_work(w->book, BEGIN), UINT64_MAX);
    assert_int_equal(w->writes, 0);
    seen(w, "a", "s-1", FITS);
    demand(w, "app", "x", 8080);
    selector_book_work(w->book, BEGIN);
    assert_int_equal(w->what, SELECTOR_REMOVE); /* one is enough: the first by name */
    assert_string_equal(w->uid, "s-2");
    expect_services(w, "shop/a ");
    done(w, true, BEGIN);
    selector_book_gone(w->book, S("shop"), S("b"));
    selector_book_demand(w->book, NULL, 0);
    selector_book_work(w->book, BEGIN + 10 * SECOND);
    assert_int_equal(w->writes, 2);
    assert_string_equal(w->uid, "s-1");
    expect_services(w, "");
    selector_book_gone(w->book, S("shop"), S("a")); /* before the answer */
    done(w, true, BEGIN + 10 * SECOND);
    assert_int_equal(selector_book_work(w->book, BEGIN + 60 * SECOND), UINT64_MAX);
}

static void tries_again_after_failures(void **state) {
    struct world *w = *state;
    start(w);
    demand(w, "app", "x", 8080);
    uint64_t now = BEGIN;
    static const uint32_t waits_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (size_t i = 0; i < COUNT_OF(waits_s); i++) {
        selector_book_work(w->book, now);
        assert_int_equal(w->writes, i + 1);
        done(w, false, now);
        uint64_t due = selector_book_work(w->book, now);
        assert_int_equal(due, now + waits_s[i] * (uint64_t)SECOND);
        now = due;
    }
    selector_book_lead(w->book, false);
    assert_int_equal(selector_book_work(w->book, now), UINT64_MAX);
    assert_int_equal(w->writes, COUNT_OF(waits_s));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_one_and_follows_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_it_with_the_xbackend, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_away_what_nobody_wants, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tries_again_after_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
