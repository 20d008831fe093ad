/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_lease.h"

#include "fake_api.h"
#include "text/json.h"

/* An API server that has one Lease. */
struct setting {
    struct loop loop;
    struct fake fake;
    struct kube_client *client;
    struct kube_lease *lease;
    char holder[64];
    unsigned version, writes;
    bool exists, broken, conflict;
    bool leads, changed, released;
};

static void answer_lease(struct setting *s, struct fake_conn *c, unsigned status) {
    char text[512];
    snprintf(
        text, sizeof text,
        "{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":\"%u\"},\"spec\":{\"holderIdentity\":\"%s\","
        "\"leaseDurationSeconds\":1,\"leaseTransitions\":4}}",
        s->version, s->holder);
    fake_answer(c, status, "", text);
}

static void on_request(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    if (s->broken) {
        fake_close(c);
        return;
    }
    bool post = strcmp(c->method, "POST") == 0;
    assert_string_equal(c->path, post ? "/apis/coordination.k8s.io/v1/namespaces/n/leases"
                                      : "/apis/coordination.k8s.io/v1/namespaces/n/leases/l");
    if (strcmp(c->method, "GET") == 0) {
        if (s->exists)
            answer_lease(s, c, 200);
        else
            fake_answer(c, 404, "", "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
        return;
    }
    OWNED(arena) a = arena_new();
    struct node *n = NULL;
    str why;
    char version[16];
    assert_ok(json_parse(a, body, &n, &why));
    snprintf(version, sizeof version, "%u", s->version);
    str given = node_get_str(node_get(n, S("metadata")), S("resourceVersion"));
    if (s->conflict || (!post && !str_eq(given, str_of(version)))) {
        fake_answer(c, 409, "", "{\"kind\":\"Status\",\"reason\":\"Conflict\"}");
        return;
    }
    s->writes++, s->version++, s->exists = true;
    str holder = node_get_str(node_get(n, S("spec")), S("holderIdentity"));
    snprintf(s->holder, sizeof s->holder, STR_FMT, STR_ARG(holder));
    answer_lease(s, c, 200);
}

static void on_change(void *arg, bool leads) {
    struct setting *s = arg;
    s->leads = leads, s->changed = true;
}

static void on_released(void *arg) { ((struct setting *)arg)->released = true; }

static void begin(struct setting *s, const struct setting *with) {
    *s = *with;
    loop_init(&s->loop);
    fake_init(&s->fake, &s->loop, "", on_request, s);
    s->client = fake_client(&s->fake);
    struct kube_lease_config c = {
        .ns = S("n"), .name = S("l"), .identity = S("me"), .lease_s = 1, .on_change = on_change, .arg = s};
    s->lease = kube_lease_new(s->client, &c);
}

static void wait_for_change(struct setting *s) {
    s->changed = false;
    fake_run(&s->loop, &s->changed);
}

static void end(struct setting *s) {
    kube_lease_free(s->lease);
    kube_client_free(s->client);
    fake_fini(&s->fake);
    loop_fini(&s->loop);
}

static void takes_a_new_one_and_gives_it_back(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){0});
    wait_for_change(&s);
    assert_true(s.leads && kube_lease_leads(s.lease));
    assert_str(kube_lease_holder(s.lease), "me");
    assert_string_equal(s.holder, "me");
    kube_lease_release(s.lease, on_released, &s);
    assert_false(s.leads);
    fake_run(&s.loop, &s.released);
    assert_string_equal(s.holder, "");
    end(&s);
}

/* Another's is taken only after it was seen unchanged for as long as it is good for. */
static void takes_over_what_is_not_renewed(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){.exists = true, .version = 7, .holder = "other"});
    uint64_t before = clock_monotonic_us();
    wait_for_change(&s);
    assert_true(s.leads);
    assert_true(clock_monotonic_us() - before >= 1000000);
    assert_int_equal(s.writes, 1);
    end(&s);
}

static void is_told_before_the_lease_ends(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){0});
    wait_for_change(&s);
    assert_true(s.leads);
    s.broken = true;
    wait_for_change(&s);
    assert_false(s.leads);
    s.broken = false;
    wait_for_change(&s);
    assert_true(s.leads);
    end(&s);
}

static void yields_to_another_holder(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){0});
    wait_for_change(&s);
    snprintf(s.holder, sizeof s.holder, "other");
    s.version += 10; /* our next renewal meets a conflict */
    wait_for_change(&s);
    assert_false(s.leads);
    assert_string_equal(s.holder, "other");
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_new_one_and_gives_it_back),
        cmocka_unit_test(takes_over_what_is_not_renewed),
        cmocka_unit_test(is_told_before_the_lease_ends),
        cmocka_unit_test(yields_to_another_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
