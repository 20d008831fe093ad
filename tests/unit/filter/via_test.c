/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/via.h"

#include "../unit.h"

static struct http_msg message(struct arena *a, uint8_t version, const char *via) {
    struct http_msg m;
    http_msg_init(&m, a, true);
    m.version = version;
    if (*via) http_msg_add_known(&m, FIELD_VIA, S("via"), str_of(via));
    return m;
}

static void it_comes_after_those_before(void **state) {
    (void)state;
    static const struct {
        uint8_t version;
        const char *came, *told;
    } cases[] = {
        {10, "", "1.0 edge"},
        {11, "", "1.1 edge"},
        {20, "", "2 edge"},
        {11, "1.0 fred, 1.1 p.example.net", "1.0 fred, 1.1 p.example.net,1.1 edge"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        OWNED(arena) a = arena_new();
        struct http_msg m = message(a, cases[i].version, cases[i].came);
        via_add(&m, S("edge"));
        assert_str(http_msg_joined(&m, a, S("Via")), cases[i].told);
    }
}

static void a_name_is_found_where_it_is_a_name(void **state) {
    (void)state;
    static const struct {
        const char *via;
        bool found;
    } cases[] = {
        {"", false},
        {"1.1 edge", true},
        {"1.1 EDGE", true},
        {"HTTP/1.1 edge", true},
        {"1.0 fred,1.1\tedge (postern)", true},
        {"1.0 fred , 2  edge", true},
        {"1.1 edge-2", false},
        {"1.1 edge:80", false},
        {"edge", false},
        {"edge 1.1", false},
        {"1.1 fred (1.1 edge, 1.1 edge)", false},
        {"1.1 fred (a \\) (b), 1.1 edge)", false},
        {"1.1 fred (a), 1.1 edge(x", true},
        {"1.1 fred \"a, 1.1 edge\"", false},
        {",, ,1.1 edge", true},
        {"1.1 fred (\\", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        OWNED(arena) a = arena_new();
        struct http_msg m = message(a, 11, cases[i].via);
        if (via_has(&m, S("edge")) != cases[i].found) fail_msg("%s", cases[i].via);
    }
    OWNED(arena) a = arena_new();
    struct http_msg m = message(a, 11, "1.1 fred");
    http_msg_add_known(&m, FIELD_VIA, S("VIA"), S("1.1 edge")); /* the second field of them */
    assert_true(via_has(&m, S("edge")));
    m.fields[1].gone = true;
    assert_false(via_has(&m, S("edge")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_after_those_before),
        cmocka_unit_test(a_name_is_found_where_it_is_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
