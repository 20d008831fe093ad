/* SPDX-License-Identifier: Apache-2.0 */
/* links: compile */
/* Requests that wait for a connection of a backend that has as many as it may: in which order, how many, and what ends their wait. */
#include "set.h"

enum { USERS_MAX = 8, SOON_US = 2000 };

struct users;
struct user {
    struct upstream_loan up;
    struct users *of;
    unsigned turns;
    err last;          /* what upstream_take() said */
    struct user *drop; /* in its turn, another */
    bool gives_up;     /* in its turn */
};
struct users {
    struct set set;
    struct user v[USERS_MAX];
    int told[32]; /* in which order their turns came */
    unsigned told_n;
};
static struct user *of(struct upstream_loan *l) { return container_of(l, struct user, up); }

static err take_of(struct upstream *from, struct user *u, bool waits, bool in_turn) {
    struct balance_tried tried = {0};
    struct upstream_want w = {.backend = u->of->set.backend,
                              .tried = &tried,
                              .waits = waits,
                              .in_turn = in_turn,
                              .balancing = &u->of->set.by};
    u->last = upstream_take(from, &w, &u->up);
    assert_int_equal(tried.n, 0);
    return u->last;
}
static err take(struct user *u) { return take_of(u->of->set.upstream, u, true, false); }

static void on_turn(struct upstream_loan *l) {
    struct user *u = of(l);
    struct users *all = u->of;
    u->turns++;
    assert_true((size_t)all->told_n < COUNT_OF(all->told));
    all->told[all->told_n++] = (int)(u - all->v);
    if (u->drop) upstream_drop(&u->drop->up);
    if (!u->gives_up) (void)!take_of(all->set.upstream, u, true, true);
}
static void on_opened(struct upstream_loan *l) { (void)l; }
static void on_failed(struct upstream_loan *l, enum http_reason why, const char *words) {
    (void)l, (void)why;
    fail_msg("%s", words);
}
static void on_loan(struct upstream_loan *l) { (void)l; }
static void on_refused(struct upstream_loan *l, err e, enum http_reason why) {
    (void)l, (void)e, (void)why;
    fail_msg("refused");
}
static void on_ended(struct upstream_loan *l, bool cut) {
    (void)l, (void)cut;
    fail_msg("ended");
}
static const struct upstream_events events = {
    .sink = &dial_nobody,
    .turn = on_turn,
    .opened = on_opened,
    .failed = on_failed,
    .did_read = on_loan,
    .wrote = on_loan,
    .refused = on_refused,
    .ended = on_ended,
    .write_failed = on_loan,
};

static int setup(void **state) {
    struct users *all = base_zalloc(sizeof *all);
    struct table_balancing by = health_usual;
    by.conns_max = 1, by.waiting_max = 4;
    set_init(&all->set, 2, by);
    set_endpoints(&all->set, 0, 1);
    for (int i = 0; i < USERS_MAX; i++) all->v[i] = (struct user){.up = {.events = &events}, .of = all};
    *state = all;
    return 0;
}
static int teardown(void **state) {
    struct users *all = *state;
    for (int i = 0; i < USERS_MAX; i++) upstream_drop(&all->v[i].up);
    set_settle(&all->set);
    set_fini(&all->set);
    free(all);
    return 0;
}

/* Lent, and its connection is there. */
static void opens(struct users *all, int i) {
    set_until(&all->set, all->v[i].up.state != UPSTREAM_WAITS);
    assert_int_equal(all->v[i].up.state, UPSTREAM_OPEN);
}
/* The first has the only connection; n more wait. */
static void begin(struct users *all, int n) {
    assert_ok(take(&all->v[0]));
    opens(all, 0);
    for (int i = 1; i <= n; i++) {
        assert_ok(take(&all->v[i]));
        assert_int_equal(all->v[i].up.state, UPSTREAM_QUEUED);
    }
}
static void are_told(struct users *all, const int *wanted, unsigned n) {
    assert_int_equal(all->told_n, n);
    for (unsigned i = 0; i < n; i++) assert_int_equal(all->told[i], wanted[i]);
}
static void none_waits(struct users *all) {
    struct set *s = &all->set;
    assert_int_equal(set_counts(s->upstream).waiting, 0);
    assert_int_equal(set_state(s, s->upstream)->waiting_n, 0);
    assert_int_equal(gate_count(&set_state(s, s->upstream)->gate->waiting), 0);
}

static void serves_in_the_order_they_came(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 4);
    assert_int_equal(set_counts(s->upstream).waiting, 4);
    set_pass(s, 5 * SOON_US); /* they look again, in vain: the first of them takes its place again */
    for (unsigned i = 0; i < all->told_n; i++) assert_int_equal(all->told[i], 1);
    all->told_n = 0;
    for (int i = 0; i < 4; i++) {
        if (i % 2)
            upstream_drop(&all->v[i].up); /* its connection is closed, the next has a new one */
        else
            upstream_release(&all->v[i].up); /* the same connection, at once */
        set_settle(s);
        set_pass(s, 0);
        assert_true(upstream_lent(&all->v[i + 1].up) && all->v[i + 1].up.state != UPSTREAM_QUEUED);
        for (int k = i + 2; k <= 4; k++) assert_int_equal(all->v[k].up.state, UPSTREAM_QUEUED);
        assert_int_equal(all->v[i + 1].up.reused, i % 2 == 0);
        opens(all, i + 1);
        assert_int_equal(set_counts(s->upstream).open, 1);
    }
    none_waits(all);
    assert_int_equal(set_counts(s->upstream).waited, 4);
    assert_int_equal(set_counts(s->upstream).connects, 2 + 1);
}

static void lets_so_many_wait(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 4);
    assert_int_equal(take(&all->v[5]), ERR_LIMIT);
    assert_false(upstream_lent(&all->v[5].up));
    assert_int_equal(take_of(s->upstream, &all->v[5], false, false), ERR_LIMIT); /* it would not wait */
    assert_int_equal(take_of(s->other, &all->v[5], true, false),
                     ERR_LIMIT); /* they are counted for all workers */
    /* whoever had a place keeps it, though there are more than may be now */
    s->by.waiting_max = 0;
    set_pass(s, SOON_US);
    assert_true(all->v[1].turns > 0 && all->v[1].last == OK && all->v[1].up.state == UPSTREAM_QUEUED);
    assert_int_equal(set_counts(s->upstream).waiting, 4);
    assert_int_equal(set_counts(s->upstream).waited, 4);
    upstream_drop(&all->v[1].up);
    s->by.waiting_max = 4;
    assert_ok(take(&all->v[5]));
    assert_int_equal(all->v[5].up.state, UPSTREAM_QUEUED);
}

/* Who comes when a connection is free waits behind those who waited for it. */
static void does_not_let_anybody_past(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 1);
    upstream_release(&all->v[0].up);
    assert_ok(take(&all->v[2]));
    assert_int_equal(all->v[2].up.state, UPSTREAM_QUEUED);
    set_pass(s, 0);
    assert_int_equal(all->v[1].up.state, UPSTREAM_OPEN);
    assert_int_equal(all->v[2].up.state, UPSTREAM_QUEUED);
}

static void forgets_who_gives_up(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 4);
    upstream_drop(&all->v[2].up);
    assert_false(upstream_lent(&all->v[2].up));
    assert_int_equal(set_counts(s->upstream).waiting, 3);
    all->v[1].gives_up = true;   /* at the very moment it is served: the next one is */
    all->v[3].drop = &all->v[4]; /* who waits behind it */
    upstream_release(&all->v[0].up);
    set_pass(s, 0);
    are_told(all, (const int[]){1, 3}, 2);
    assert_int_equal(all->v[3].up.state, UPSTREAM_OPEN);
    assert_false(upstream_lent(&all->v[1].up) || upstream_lent(&all->v[4].up));
    none_waits(all);
    set_pass(s, 10 * SOON_US);
    are_told(all, (const int[]){1, 3}, 2);
}

/* Of another worker's connections nobody tells: they look again before long. */
static void sees_what_another_worker_frees(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    assert_ok(take_of(s->other, &all->v[0], true, false));
    opens(all, 0);
    assert_ok(take(&all->v[1]));
    set_pass(s, 10 * SOON_US);
    assert_int_equal(all->v[1].up.state, UPSTREAM_QUEUED);
    upstream_release(&all->v[0].up); /* more than its share, and others wait: it is not kept */
    set_settle(s);
    assert_int_equal(set_counts(s->other).idle, 0);
    assert_int_equal(all->v[1].up.state, UPSTREAM_QUEUED);
    set_pass(s, SOON_US);
    opens(all, 1);
    none_waits(all);
}

static void keeps_no_more_idle_than_its_share(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    s->by.conns_max = 4; /* of two workers */
    for (int i = 0; i < 4; i++) {
        assert_ok(take(&all->v[i]));
        opens(all, i);
    }
    assert_ok(take_of(s->other, &all->v[4], true, false));
    assert_int_equal(all->v[4].up.state, UPSTREAM_QUEUED);
    for (int i = 0; i < 4; i++) {
        upstream_release(&all->v[i].up);
        set_settle(s);
    }
    assert_int_equal(set_counts(s->upstream).idle, 2);
    assert_int_equal(set_counts(s->upstream).open, 2);
}

static void goes_on_with_another_endpoint(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 2);
    set_endpoints(s, 1, 1); /* the first goes on with its connection, which is no more the backend's */
    assert_int_equal(all->v[0].up.state, UPSTREAM_OPEN);
    set_pass(s, SOON_US);
    opens(all, 1);
    assert_int_equal(all->v[1].up.endpoint->at.port, s->ports[1]);
    assert_int_equal(all->v[2].up.state, UPSTREAM_QUEUED);
    assert_int_equal(set_counts(s->upstream).open, 2);
    upstream_drop(&all->v[0].up); /* that frees none of the new one's */
    set_settle(s);
    set_pass(s, SOON_US);
    assert_int_equal(all->v[2].up.state, UPSTREAM_QUEUED);
    upstream_drop(&all->v[1].up);
    set_settle(s);
    set_pass(s, 0);
    opens(all, 2);
    none_waits(all);
}

static void ends_where_no_endpoint_is_left(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 3);
    set_endpoints(s, 0, 0);
    set_pass(s, SOON_US);
    are_told(all, (const int[]){1, 2, 3}, 3);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(all->v[i].last, ERR_ABSENT);
        assert_false(upstream_lent(&all->v[i].up));
    }
    assert_int_equal(set_counts(s->upstream).waiting, 0);
}

/* Not within the change itself: when the turn is over each is told, but for who gave up meanwhile. */
static void ends_with_the_backend(void **state) {
    struct users *all = *state;
    struct set *s = &all->set;
    begin(all, 3);
    upstream_adopt(s->upstream, NULL);
    assert_int_equal(all->told_n, 0);
    assert_int_equal(set_counts(s->upstream).waiting, 3);
    upstream_drop(&all->v[2].up);
    set_pass(s, 0);
    are_told(all, (const int[]){1, 3}, 2);
    assert_int_equal(all->v[1].last, ERR_ABSENT);
    assert_int_equal(all->v[3].last, ERR_ABSENT);
    assert_int_equal(set_counts(s->upstream).waiting, 0);
    assert_int_equal(all->v[0].up.state, UPSTREAM_OPEN);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        test(serves_in_the_order_they_came),  test(lets_so_many_wait),
        test(does_not_let_anybody_past),      test(forgets_who_gives_up),
        test(sees_what_another_worker_frees), test(keeps_no_more_idle_than_its_share),
        test(goes_on_with_another_endpoint),  test(ends_where_no_endpoint_is_left),
        test(ends_with_the_backend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
