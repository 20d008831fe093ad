/* SPDX-License-Identifier: Apache-2.0 */
#include "api/settings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct one {
    struct arena *a;
    struct findings f;
    struct settings s;
    err e;
};

/* Pairs of key and value, ended by NULL, as a ConfigMap at m.yaml:5. */
static struct one *read_pairs(uint64_t served, ...) {
    struct arena *a = arena_new();
    struct one *o = arena_make(a, struct one);
    struct str_pair *pairs = arena_array(a, struct str_pair, 16);
    uint32_t n = 0;
    va_list args;
    va_start(args, served);
    for (const char *key; (key = va_arg(args, const char *)); n++)
        pairs[n] = (struct str_pair){str_of(key), str_of(va_arg(args, const char *))};
    va_end(args);
    struct config_map m = {.obj = {.kind_name = S("ConfigMap"), .line = 5, .source = S("m.yaml")},
                           .data = {pairs, n}};
    m.obj.meta.name = S("limits"), m.obj.meta.ns = S("infra");
    finding_init(&o->f, a);
    o->a = a;
    o->e = settings_read(a, &m, served, &o->s, &o->f);
    return o;
}

static void done(struct one *o) { arena_free(o->a); }

static void says(struct one *o, const char *text) {
    struct buf b;
    assert_int_equal(o->e, ERR_PROTO);
    assert_int_equal(o->f.n, 1);
    buf_init(&b, 4096);
    finding_print(&b, o->f.first);
    buf_add_char(&b, 0);
    assert_string_equal(b.p, text);
    buf_fini(&b);
    done(o);
}

static void what_is_served_is_read(void **state) {
    (void)state;
    struct one *o =
        read_pairs(SETTINGS_SERVED, "timeouts.backendRequest", "500ms", "timeouts.request", "1m30s", NULL);
    assert_int_equal(o->e, OK);
    assert_true(o->s.request.set && o->s.request.v == 90000000);
    assert_true(o->s.backend_request.set && o->s.backend_request.v == 500000);
    assert_false(o->s.idle.set);
    done(o);
    o = read_pairs(SETTINGS_SERVED, NULL);
    assert_int_equal(o->e, OK);
    assert_false(o->s.request.set);
    done(o);
}

/* As far as a later data plane serves them. */
static void every_key_is_read(void **state) {
    (void)state;
    struct one *o = read_pairs(SETTINGS_ALL, "balancing", "RoundRobin", "limits.bodyBytes", "1048576",
                               "limits.headBytes", "16384", "proxyProtocol", "Required", "timeouts.connect",
                               "2s", "timeouts.head", "10s", "timeouts.idle", "1h", "trustedHops", "2",
                               "trustedProxies", "10.0.0.0/8, 2001:db8::/32\n192.0.2.1\n",
                               "timeouts.upgradedIdle", "2h", "upgrades", "SPDY/3.1", NULL);
    assert_int_equal(o->e, OK);
    assert_int_equal(o->f.n, 0);
    assert_int_equal(o->s.balancing, SETTINGS_ROUND_ROBIN);
    assert_int_equal(o->s.proxy_protocol, SETTINGS_PROXY_REQUIRED);
    assert_int_equal(o->s.body_bytes.v, 1048576);
    assert_int_equal(o->s.head_bytes.v, 16384);
    assert_int_equal(o->s.connect.v, 2000000);
    assert_true(o->s.head.set && o->s.head.v == 10000000);
    assert_int_equal(o->s.trusted_hops.v, 2);
    assert_int_equal(o->s.trusted_proxies.n, 3);
    assert_true(str_eq(o->s.trusted_proxies.p[2], S("192.0.2.1")));
    assert_int_equal(o->s.upgraded_idle.v, INT64_C(7200000000));
    assert_int_equal(o->s.upgrades.n, 1);
    done(o);
}

static void what_is_not_served_is_refused(void **state) {
    (void)state;
    says(read_pairs(SETTINGS_SERVED & ~(UINT64_C(1) << SETTINGS_BALANCING), "balancing", "RoundRobin", NULL),
         "m.yaml:5:1: ConfigMap infra/limits: data.balancing: postern " POSTERN_VERSION
         " does not serve this setting yet; remove the key");
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    says(read_pairs(SETTINGS_SERVED, "timeouts.reqest", "5s", NULL),
         "m.yaml:5:1: ConfigMap infra/limits: data.timeouts.reqest: unknown field \"timeouts.reqest\"; did "
         "you mean \"timeouts.request\"?");
    struct one *o = read_pairs(SETTINGS_SERVED, "timeouts.request", "5 s", NULL);
    assert_int_equal(o->e, ERR_PROTO);
    assert_int_equal(o->f.n, 1);
    assert_true(str_eq(o->f.first->path, S("data.timeouts.request")));
    done(o);
    o = read_pairs(SETTINGS_ALL, "trustedProxies", "10.0.0.0/8 ten", "limits.headBytes", "many", "balancing",
                   "Best", NULL);
    assert_int_equal(o->f.n, 3);
    done(o);
    says(read_pairs(SETTINGS_SERVED, "timeouts.idle", "0s", NULL),
         "m.yaml:5:1: ConfigMap infra/limits: data.timeouts.idle: must be longer than 0s: it can not be "
         "without a bound; give it some time, or remove the key");
    says(read_pairs(SETTINGS_SERVED, "timeouts.backendRequest", "2s", "timeouts.request", "1s", NULL),
         "m.yaml:5:1: ConfigMap infra/limits: data.timeouts.backendRequest: is longer than timeouts.request; "
         "make it shorter, or timeouts.request longer");
    static const char *const never[] = {"h2c", "H2C", "HTTP/2.0", "TLS/1.0", "a/", "/a", "a/b/c", "a(b"};
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        o = read_pairs(SETTINGS_SERVED, "upgrades", never[i], NULL);
        assert_int_equal(o->e, ERR_PROTO);
        assert_true(str_eq(o->f.first->path, S("data.upgrades[0]")));
        done(o);
    }
    o = read_pairs(SETTINGS_SERVED, "timeouts.backendRequest", "2s", "timeouts.request", "0s", NULL);
    assert_int_equal(o->e, OK);
    done(o);
}

static void binary_data_is_refused(void **state) {
    (void)state;
    struct arena *a = arena_new();
    struct findings f;
    struct settings s = {.request = {7, true}};
    struct str_pair pair = {S("timeouts.request"), S("5s")};
    struct config_map m = {.obj = {.line = 1, .source = S("")}, .binary_data = {&pair, 1}};
    finding_init(&f, a);
    assert_int_equal(settings_read(a, &m, SETTINGS_SERVED, &s, &f), ERR_PROTO);
    assert_int_equal(f.n, 1);
    assert_int_equal(s.request.v, 7);
    arena_free(a);
}

static void the_gateway_s_come_before_the_class_s(void **state) {
    (void)state;
    struct one *below = read_pairs(SETTINGS_ALL, "balancing", "RoundRobin", "timeouts.idle", "1s",
                                   "timeouts.request", "2s", "trustedProxies", "::1", NULL);
    struct one *above =
        read_pairs(SETTINGS_ALL, "timeouts.request", "0s", "trustedHops", "3", "upgrades", "a b", NULL);
    struct settings s = settings_over(&below->s, &above->s);
    assert_int_equal(s.balancing, SETTINGS_ROUND_ROBIN);
    assert_true(s.request.set && s.request.v == 0);
    assert_int_equal(s.idle.v, 1000000);
    assert_int_equal(s.trusted_hops.v, 3);
    assert_int_equal(s.trusted_proxies.n, 1);
    assert_int_equal(s.upgrades.n, 2);
    done(below);
    done(above);
    above = read_pairs(SETTINGS_ALL, "balancing", "LeastRequests", "trustedProxies", "10.0.0.0/8 ::1", NULL);
    s = settings_over(&(struct settings){.balancing = SETTINGS_ROUND_ROBIN}, &above->s);
    assert_int_equal(s.balancing, SETTINGS_LEAST_REQUESTS);
    assert_int_equal(s.trusted_proxies.n, 2);
    done(above);
}

static void keys_are_in_one_order(void **state) {
    (void)state;
#define KEY(id, key, served) assert_string_equal(settings_schema.fields[SETTINGS_##id].name, key);
    SETTINGS(KEY)
#undef KEY
}

static void a_format_of_the_access_log_is_read(void **state) {
    (void)state;
    struct one *o = read_pairs(SETTINGS_SERVED, "accessLog", "%{client} %{status}\n", NULL); /* of a block */
    assert_int_equal(o->e, OK);
    assert_true(str_eq(o->s.access_log, S("%{client} %{status}")));
    struct settings none = {0}, json = {.access_log = S("json")};
    assert_true(str_eq(settings_over(&json, &none).access_log, S("json")));
    assert_true(str_eq(settings_over(&json, &o->s).access_log, o->s.access_log));
    done(o);
    says(read_pairs(SETTINGS_SERVED, "accessLog", "%{client} %{statsu}", NULL),
         "m.yaml:5:1: ConfigMap infra/limits: data.accessLog: column 13: there is no field \"statsu\"; did "
         "you mean "
         "\"status\"?");
    says(read_pairs(SETTINGS_SERVED, "accessLog", "on", NULL),
         "m.yaml:5:1: ConfigMap infra/limits: data.accessLog: column 1: \"on\" is no form, and no template: "
         "it names "
         "no field; write off, json, text, or a template such as %{client} %{status}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_served_is_read),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(what_is_not_served_is_refused),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(binary_data_is_refused),
        cmocka_unit_test(the_gateway_s_come_before_the_class_s),
        cmocka_unit_test(keys_are_in_one_order),
        cmocka_unit_test(a_format_of_the_access_log_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
