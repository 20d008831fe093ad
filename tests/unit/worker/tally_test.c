/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "http/http_msg.h"
#include "io/thread.h"
#include "table/table.h"
#include "worker/tally.h"

static void labels_are_in_the_key(void **state) {
    (void)state;
    struct access_record r = {.method_id = HTTP_PATCH, .tls = true, .status = 599, .reason = REASON_VERSION};
    struct tally_labels l = tally_labels(tally_key(&r));
    assert_true(l.method_id == HTTP_PATCH && l.tls && l.status == 599 && l.reason == REASON_VERSION);
    assert_true(tally_key(&(struct access_record){0}) != 0);
}

/* As many combinations as there are cells have their own; all others are one. */
static void cells_are_bounded(void **state) {
    (void)state;
    struct tally t;
    struct tally_reading r;
    tally_init(&t, 3);
    for (uint16_t status = 100; status < 600; status++) {
        struct access_record a = {.tally = 2, .tally_epoch = 7, .status = status, .total_us = 2500};
        if (status == 101) a.first_byte_us = 2500, a.total_us = 1000000000; /* it lasted; that is not told */
        tally_count(&t, &a);
    }
    assert_true(tally_read(&t, 2, 7, &r));
    assert_int_equal(r.keys_n, TALLY_CELLS);
    for (uint32_t i = 0; i < TALLY_CELLS; i++) assert_int_equal(r.counts[i][1], 1);
    assert_int_equal(r.counts[TALLY_CELLS][1], 500 - TALLY_CELLS);
    assert_int_equal(r.sums_us[TALLY_CELLS], (500 - TALLY_CELLS) * 2500);
    assert_false(tally_read(&t, 2, 6, &r));
    assert_false(tally_read(&t, 1, 1, &r));
    assert_false(tally_read(&t, 9, 1, &r));
    tally_count(&t, &(struct access_record){.tally = 9, .tally_epoch = 3}); /* there is no such number */
    assert_true(tally_read(&t, TABLE_TALLY_OTHER, 1, &r));
    tally_fini(&t);
}

enum { ROUNDS = 2000, OF_EACH = 10 };
static void count_epochs(void *arg) {
    for (uint32_t epoch = 1; epoch <= ROUNDS; epoch++)
        for (int i = 0; i < OF_EACH; i++)
            tally_count(arg, &(struct access_record){
                                 .tally = 2, .tally_epoch = epoch, .status = 200, .total_us = epoch});
}

/* A reading is of one epoch or none, whatever the writer does meanwhile. */
static void a_reading_is_of_one_epoch(void **state) {
    (void)state;
    struct tally t;
    struct tally_reading r;
    struct thread *writer;
    tally_init(&t, 3);
    assert_int_equal(thread_start(&writer, "writer", count_epochs, &t), OK);
    for (uint32_t epoch = 1; epoch <= ROUNDS;) {
        if (!tally_read(&t, 2, epoch, &r)) {
            epoch++;
            continue;
        }
        uint64_t n = 0;
        for (unsigned k = 0; k <= TALLY_BUCKETS; k++) n += r.counts[0][k];
        assert_true(n <= OF_EACH && r.sums_us[0] <= (uint64_t)OF_EACH * epoch && r.sums_us[0] % epoch == 0);
        if (epoch == ROUNDS && n == OF_EACH) break; /* the writer has ended: nothing else will come */
    }
    thread_join(writer);
    assert_true(tally_read(&t, 2, ROUNDS, &r));
    assert_int_equal(r.sums_us[0], (uint64_t)ROUNDS * OF_EACH);
    tally_fini(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_in_the_key),
        cmocka_unit_test(cells_are_bounded),
        cmocka_unit_test(a_reading_is_of_one_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
