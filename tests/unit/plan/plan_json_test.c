/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "plan/plan.h"

static bool contains(struct buf *b, const char *what) {
    buf_add_char(b, '\0');
    return strstr(b->p, what);
}

static void test_pieces_in_order_and_no_secret(void **state) {
    (void)state;
    struct plan p;
    plan_init(&p);
    p.revision = 7;
    struct plan_certificate c = {
        .piece = {.kind = PLAN_CERTIFICATE, .key = S("cert")}, .chain_pem = S("CHAIN"), .key_pem = S("HUSH")};
    plan_set(&p, PLAN_CERTIFICATE, S("cert"), plan_pack(&c), NULL);
    static const char *const names[] = {"z", "a", "m"};
    for (int i = 0; i < 3; i++) {
        struct plan_backend b = {.piece = {.kind = PLAN_BACKEND, .key = str_of(names[i])}, .port = 80};
        plan_set(&p, PLAN_BACKEND, b.piece.key, plan_pack(&b), NULL);
    }
    struct buf b;
    buf_init(&b, 1 << 16);
    plan_json(&p, &b);
    assert_true(contains(&b, "{\"revision\":7,"));
    assert_true(contains(&b, "CHAIN"));
    assert_false(contains(&b, "HUSH"));
    const char *a = strstr(b.p, "\"key\":\"a\""), *m = strstr(b.p, "\"key\":\"m\""),
               *z = strstr(b.p, "\"key\":\"z\"");
    assert_true(a && m && z && a < m && m < z);
    buf_fini(&b);
    plan_fini(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces_in_order_and_no_secret)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
