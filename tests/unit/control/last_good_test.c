/* SPDX-License-Identifier: Apache-2.0 */
#include "control/last_good.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HEAD_BYTES = 32, SECOND = HEAD_BYTES + LAST_GOOD_BYTES_MAX };

static int file_new(void) {
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static off_t size_of(int fd) {
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static err reads(int fd, const char *text) {
    struct buf b;
    buf_init(&b, 1 << 20);
    err e = last_good_read(fd, &b);
    bool same = str_eq(buf_str(&b), str_of(text));
    buf_fini(&b);
    return e != OK ? e : same ? OK : ERR_PROTO;
}

static void put(int fd, off_t at, const void *bytes, size_t n) {
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
}

static void test_what_was_written_last(void **state) {
    (void)state;
    int fd = file_new();
    assert_int_equal(reads(fd, ""), OK);
    static const char *const texts[] = {"one", "another, longer one", "two"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(last_good_write(fd, str_of(texts[i])), OK);
        assert_int_equal(reads(fd, texts[i]), OK);
        assert_int_equal(size_of(fd), HEAD_BYTES + (off_t)strlen(texts[i])); /* and nothing of it twice */
    }
    assert_int_equal(last_good_write(fd, S("")), OK);
    assert_int_equal(size_of(fd), 0);
    assert_int_equal(reads(fd, ""), OK);
    close(fd);
}

/* The writer was killed at any moment: the text before it, or its own, is there. */
static void test_a_writer_that_was_killed(void **state) {
    (void)state;
    char old[HEAD_BYTES + 8], new[HEAD_BYTES + 8];
    int fd = file_new();
    assert_int_equal(last_good_write(fd, S("the old!")), OK);
    assert_int_equal(pread(fd, old, sizeof old, 0), (ssize_t)sizeof old);
    assert_int_equal(last_good_write(fd, S("the new.")), OK);
    assert_int_equal(pread(fd, new, sizeof new, 0), (ssize_t)sizeof new);
    for (size_t n = 0; n <= 8; n++) { /* in the second place: the text, then the head */
        assert_int_equal(ftruncate(fd, 0), 0);
        put(fd, 0, old, sizeof old);
        put(fd, SECOND + HEAD_BYTES, new + HEAD_BYTES, n);
        assert_int_equal(reads(fd, "the old!"), OK);
    }
    for (size_t n = 0; n <= HEAD_BYTES; n++) {
        put(fd, SECOND, new, n);
        assert_int_equal(reads(fd, n < HEAD_BYTES ? "the old!" : "the new."), OK);
    }
    for (size_t n = 0; n <= 8; n++) { /* then the first */
        put(fd, HEAD_BYTES, new + HEAD_BYTES, n);
        assert_int_equal(reads(fd, "the new."), OK);
    }
    for (size_t n = 0; n <= HEAD_BYTES; n++) {
        put(fd, 0, new, n);
        assert_int_equal(reads(fd, "the new."), OK);
    }
    assert_int_equal(last_good_write(fd, S("the newest")), OK); /* whatever was left there */
    assert_int_equal(reads(fd, "the newest"), OK);
    assert_int_equal(size_of(fd), HEAD_BYTES + 10);
    close(fd);
}

static void test_garbage(void **state) {
    (void)state;
    char good[HEAD_BYTES + 5];
    int fd = file_new();
    assert_int_equal(last_good_write(fd, S("hello")), OK);
    assert_int_equal(pread(fd, good, sizeof good, 0), (ssize_t)sizeof good);
    for (size_t i = 0; i < sizeof good; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            char bad = (char)(good[i] ^ 1 << bit);
            put(fd, (off_t)i, &bad, 1);
            assert_int_equal(reads(fd, "hello"), ERR_PROTO);
            put(fd, (off_t)i, &good[i], 1);
        }
    assert_int_equal(reads(fd, "hello"), OK);
    for (off_t n = sizeof good - 1; n > 0; n--) {
        assert_int_equal(ftruncate(fd, n), 0);
        assert_int_equal(reads(fd, "hello"), ERR_PROTO);
    }
    close(fd);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_true(reads(pipes[0], "") != OK);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_more_than_the_reader_takes(void **state) {
    (void)state;
    int fd = file_new();
    assert_int_equal(last_good_write(fd, S("hello")), OK);
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(last_good_read(fd, &b), ERR_LIMIT);
    buf_fini(&b);
    close(fd);
}

/* Two that write at once, as during an upgrade: what is there is one's or the other's. */
static void test_two_writers(void **state) {
    (void)state;
    enum { ROUNDS = 200, BYTES = 30000 };
    int fd = file_new();
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        if ((pids[i] = fork()) != 0) continue;
        char text[BYTES];
        memset(text, 'a' + i, sizeof text);
        bool good = true;
        for (int k = 0; k < ROUNDS && good; k++) {
            struct buf b;
            good = last_good_write(fd, (str){text, sizeof text - (size_t)k}) == OK;
            buf_init(&b, 1 << 20);
            good = good && last_good_read(fd, &b) == OK && b.n > BYTES - ROUNDS;
            for (size_t at = 1; good && at < b.n; at++) good = b.p[at] == b.p[0];
            buf_fini(&b);
        }
        _exit(good ? 0 : 1);
    }
    for (int i = 0; i < 2; i++) {
        int how;
        assert_int_equal(waitpid(pids[i], &how, 0), pids[i]);
        assert_int_equal(how, 0);
    }
    close(fd);
}

static void test_the_bound_follows_the_memory(void **state) {
    (void)state;
    struct last_good l;
    last_good_init(&l, -1, 0);
    assert_int_equal(l.bytes_max, LAST_GOOD_BYTES_MAX);
    last_good_init(&l, -1, 64 << 20);
    assert_int_equal(l.bytes_max, 4 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_last),
        cmocka_unit_test(test_a_writer_that_was_killed),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_more_than_the_reader_takes),
        cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_the_bound_follows_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
