/* SPDX-License-Identifier: Apache-2.0 */
#include "http/trace_context.h"

#include "../unit.h"

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

/* [W3C Trace Context 3.2, 4.3] */
static void test_parent(void **state) {
    (void)state;
    static const struct {
        const char *in;
        uint8_t flags;
    } good[] = {
        {"00-" IDS "-01", TRACE_SAMPLED},
        {"00-" IDS "-00", 0},
        {"00-" IDS "-03", TRACE_SAMPLED | TRACE_RANDOM},
        {"00-" IDS "-ff", TRACE_SAMPLED | TRACE_RANDOM}, /* bits nobody knows are not kept */
        {"01-" IDS "-01", TRACE_SAMPLED},                /* a later version */
        {"cc-" IDS "-00-what-comes-then", 0},
        {"cc-" IDS "-01-", TRACE_SAMPLED},
    };
    static const char *const bad[] = {
        "",
        "00",
        "00-" IDS "-0",
        "00-" IDS "-001",
        "00-" IDS "-01-",
        "00-" IDS "-01 ",
        "00-" IDS "-01x",
        "01-" IDS "-01x",
        "ff-" IDS "-01",
        "0-" IDS "-01-",
        "00_" IDS "-01",
        "00-" IDS "_01",
        "00-" IDS "-0g",
        "00-" IDS "-0A",
        "0A-" IDS "-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-B7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c8031-9cb7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    char out[TRACE_PARENT_CHARS];
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct trace_context c;
        assert_int_equal(trace_context_parse(str_of(good[i].in), &c), OK);
        assert_int_equal(c.flags, good[i].flags);
        trace_context_print(&c, out);
        assert_memory_equal(out, "00-" IDS "-0", TRACE_PARENT_CHARS - 1);
        assert_int_equal(out[TRACE_PARENT_CHARS - 1], '0' + good[i].flags);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct trace_context c = {.flags = 0x77};
        assert_int_equal(trace_context_parse(str_of(bad[i]), &c), ERR_PROTO);
        assert_int_equal(c.flags, 0x77);
    }
}

static str times(struct arena *a, const char *format, uint32_t n) {
    str all = S("");
    for (uint32_t i = 0; i < n; i++)
        all = arena_printf(a, STR_FMT "%s%s%u=%s", STR_ARG(all), i ? "," : "", "k", i, format);
    return all;
}

/* [W3C Trace Context 3.3] */
static void test_state(void **state) {
    (void)state;
    static const char *const good[] = {
        "a=1",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "fw529a3039@dt=FfAsd;x",
        "a=1, b=2 ,\tc=3",
        "a=1,,b=2",
        ",a=1",
        "0a/_-*=~!",
        "a= 1",
    };
    static const char *const bad[] = {
        "",     " ",    ",",       "a",     "a=",    "=1",  "A=1",    "a=1,a=2", "a=1,a=",
        "@x=1", "x@=1", "a@b@c=1", "a=1=2", "a b=1", "_=1", "a=\x7f", "a=\xc3",  "a=1,b",
    };
    OWNED(arena) a = arena_new();
    for (size_t i = 0; i < COUNT_OF(good); i++) assert_str(trace_context_state(a, str_of(good[i])), good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_null(trace_context_state(a, str_of(bad[i])).p);
    assert_null(trace_context_state(a, (str){0}).p);
    assert_non_null(trace_context_state(a, times(a, "v", TRACE_STATE_MEMBERS_MAX)).p);
    assert_null(trace_context_state(a, times(a, "v", TRACE_STATE_MEMBERS_MAX + 1)).p);
}

/* Long members go first, then the last ones. [W3C Trace Context 3.3.1.5] */
static void test_state_bound(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    char v100[101] = {0}, v200[201] = {0};
    memset(v100, 'v', 100), memset(v200, 'w', 200);
    str all = arena_printf(a, "a=%s,b=%s,c=%s,d=%s,e=%s", v100, v200, v100, v100, v100);
    str want = arena_printf(a, "a=%s,c=%s,d=%s,e=%s", v100, v100, v100, v100);
    assert_true(str_eq(trace_context_state(a, all), want));
    all = arena_printf(a, "a=%s,b=%s,c=%s,d=%s,e=%s,f=%s", v100, v200, v100, v100, v100, v100);
    assert_true(str_eq(trace_context_state(a, all), want));
    str most = arena_printf(a, "a=%s,c=%s,b=%s,d=%s", v100, v100, v200, v100);
    assert_int_equal(most.n, 511);
    assert_true(str_eq(trace_context_state(a, most), most));
}

static void test_share(void **state) {
    (void)state;
    uint8_t id[TRACE_ID_BYTES] = {0};
    assert_int_equal(trace_context_threshold(0, 100), TRACE_NEVER);
    assert_int_equal(trace_context_threshold(100, 100), 0);
    assert_int_equal(trace_context_threshold(1, 2), UINT64_C(1) << 55);
    assert_int_equal(trace_context_threshold(1, 4), UINT64_C(3) << 54);
    assert_true(trace_context_threshold(1, INT32_MAX) < TRACE_NEVER);
    assert_true(trace_context_takes(id, 0));
    assert_false(trace_context_takes(id, 1));
    id[8] = 0xff; /* is not among the last 56 bits */
    assert_false(trace_context_takes(id, 1));
    memset(id + 9, 0xff, 7);
    assert_true(trace_context_takes(id, trace_context_threshold(1, INT32_MAX)));
    assert_false(trace_context_takes(id, TRACE_NEVER));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parent), cmocka_unit_test(test_state),
                                       cmocka_unit_test(test_state_bound), cmocka_unit_test(test_share)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
