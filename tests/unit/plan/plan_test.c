/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/rng.h"
#include "plan/plan.h"

static struct plan_piece *backend(const char *key, int64_t port) {
    struct plan_backend b = {
        .piece = {.kind = PLAN_BACKEND, .key = str_of(key)}, .ns = S("ns"), .name = S("web"), .port = port};
    return plan_pack(&b);
}

static struct plan_piece *listener(const char *key, int64_t port) {
    struct plan_listener l = {
        .piece = {.kind = PLAN_LISTENER, .key = str_of(key)}, .gateway = S("ns/gw"), .port = port};
    return plan_pack(&l);
}

static void set(struct plan *p, enum plan_kind kind, const char *key, struct plan_piece *piece,
                struct plan_delta *d) {
    plan_set(p, kind, str_of(key), piece, d);
}

static void test_pack_is_one_block_with_its_hash(void **state) {
    (void)state;
    struct plan_piece *a = backend("a", 1), *b = backend("a", 1), *c = backend("a", 2), *d = listener("a", 1);
    assert_str(a->key, "a");
    assert_int_equal(a->holds, 1);
    assert_int_equal(a->kind, PLAN_BACKEND);
    assert_true(a->hash == b->hash && a->hash != c->hash && a->hash != d->hash);
    OWNED(arena) opened = arena_new();
    const struct plan_backend *read = plan_open(opened, c);
    assert_int_equal(read->port, 2);
    assert_true(read->piece.hash == c->hash && str_eq(read->piece.key, c->key));
    plan_release(plan_hold(a));
    plan_release(a), plan_release(b), plan_release(c), plan_release(d);
    plan_release(NULL);
}

static void test_set_tells_what_changed(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct plan p;
    plan_init(&p);
    struct plan_delta d = {0};
    set(&p, PLAN_BACKEND, "a", backend("a", 1), &d);
    assert_int_equal(d.n, 1);
    assert_null(d.p[0].before);
    assert_ptr_equal(d.p[0].after, plan_get(&p, PLAN_BACKEND, S("a")));
    plan_delta_fini(&d);
    set(&p, PLAN_BACKEND, "a", backend("a", 1), &d);
    assert_int_equal(d.n, 0); /* the same content */
    set(&p, PLAN_BACKEND, "none", NULL, &d);
    assert_int_equal(d.n, 0);
    set(&p, PLAN_BACKEND, "a", backend("a", 2), &d);
    assert_int_equal(d.n, 1);
    const struct plan_backend *before = plan_open(a, d.p[0].before);
    assert_int_equal(before->port, 1);
    assert_str(before->piece.key, "a");
    set(&p, PLAN_BACKEND, "a", NULL, &d);
    assert_int_equal(d.n, 1);
    assert_null(d.p[0].after);
    assert_non_null(d.p[0].before);
    assert_null(plan_get(&p, PLAN_BACKEND, S("a")));
    plan_delta_fini(&d);
    set(&p, PLAN_BACKEND, "a", backend("a", 2), NULL);
    assert_non_null(plan_get(&p, PLAN_BACKEND, S("a")));
    plan_fini(&p);
}

static void test_a_return_to_the_start_vanishes(void **state) {
    (void)state;
    struct plan p;
    plan_init(&p);
    struct plan_delta d = {0};
    set(&p, PLAN_BACKEND, "new", backend("new", 1), &d);
    set(&p, PLAN_BACKEND, "new", backend("new", 2), &d);
    assert_int_equal(d.n, 1);
    set(&p, PLAN_BACKEND, "new", NULL, &d);
    assert_int_equal(d.n, 0);
    set(&p, PLAN_BACKEND, "a", backend("a", 1), NULL);
    set(&p, PLAN_BACKEND, "a", backend("a", 2), &d);
    set(&p, PLAN_BACKEND, "a", backend("a", 1), &d);
    assert_int_equal(d.n, 0);
    set(&p, PLAN_BACKEND, "a", NULL, &d);
    set(&p, PLAN_BACKEND, "a", backend("a", 1), &d);
    assert_int_equal(d.n, 0);
    plan_delta_fini(&d);
    plan_fini(&p);
}

enum { KEYS = 12, STEPS = 4000 };

/* A delta told in any order is that of comparing before and after. */
static void test_any_walk(void **state) {
    (void)state;
    static const char *const names[KEYS] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    static const enum plan_kind kinds[] = {PLAN_LISTENER, PLAN_BACKEND};
    struct rng rng = {.state = 7};
    struct plan p;
    plan_init(&p);
    for (int round = 0; round < 50; round++) {
        struct plan_delta d = {0};
        uint64_t before[2][KEYS] = {0};
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < KEYS; i++) {
                const struct plan_piece *x = plan_get(&p, kinds[k], str_of(names[i]));
                before[k][i] = x ? x->hash : 0;
            }
        for (int step = 0; step < STEPS / 50; step++) {
            uint32_t k = rng_below(&rng, 2), i = rng_below(&rng, KEYS), what = rng_below(&rng, 3);
            struct plan_piece *piece = what == 0 ? NULL
                                       : k       ? backend(names[i], what)
                                                 : listener(names[i], what);
            set(&p, kinds[k], names[i], piece, &d);
        }
        uint32_t wanted = 0;
        for (int k = 0; k < 2; k++)
            for (int i = 0; i < KEYS; i++) {
                const struct plan_piece *x = plan_get(&p, kinds[k], str_of(names[i]));
                wanted += before[k][i] != (x ? x->hash : 0);
            }
        assert_int_equal(d.n, wanted);
        for (uint32_t i = 0; i < d.n; i++) {
            assert_true(!i || d.p[i - 1].kind <= d.p[i].kind);
            const struct plan_piece *piece = d.p[i].after ? d.p[i].after : d.p[i].before;
            assert_int_equal(piece->kind, d.p[i].kind);
            assert_ptr_equal(plan_get(&p, d.p[i].kind, piece->key), d.p[i].after);
        }
        plan_delta_fini(&d);
    }
    plan_fini(&p);
}

static void test_routes_have_an_order_of_right(void **state) {
    (void)state;
    struct plan_route old = {.ns = S("z"), .name = S("z"), .created_s = 1},
                      young = {.ns = S("a"), .created_s = 2}, unknown = {.ns = S("a"), .name = S("a")},
                      other = {.ns = S("a"), .name = S("b")};
    assert_true(plan_route_order(&old, &young) < 0 && plan_route_order(&young, &old) > 0);
    assert_true(plan_route_order(&young, &unknown) < 0);
    assert_true(plan_route_order(&unknown, &other) < 0);
    assert_int_equal(plan_route_order(&other, &other), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_is_one_block_with_its_hash), cmocka_unit_test(test_set_tells_what_changed),
        cmocka_unit_test(test_a_return_to_the_start_vanishes),  cmocka_unit_test(test_any_walk),
        cmocka_unit_test(test_routes_have_an_order_of_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
