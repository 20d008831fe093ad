/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/access_log.h"

enum { LINE_BYTES = 100, LINES = 20000 }; /* 2 MB: more than a pipe and the bound hold together */

static void make_line(char line[LINE_BYTES], unsigned i) {
    memset(line, '.', LINE_BYTES);
    int n = snprintf(line, LINE_BYTES, "%u", i);
    line[n] = '.';
    line[LINE_BYTES - 1] = '\n';
}

struct reader {
    int fd;
    unsigned last, lines;
    char in[LINE_BYTES];
    size_t at;
};

/* Reads all that is there; each line must be whole and later than the one before. */
static void read_lines(struct reader *r) {
    for (ssize_t n; (n = read(r->fd, r->in + r->at, LINE_BYTES - r->at)) > 0;) {
        r->at += (size_t)n;
        if (r->at < LINE_BYTES) continue;
        unsigned i = (unsigned)strtoul(r->in, NULL, 10);
        assert_true(r->in[LINE_BYTES - 1] == '\n' && i > r->last);
        r->last = i;
        r->lines++;
        r->at = 0;
    }
}

static void drops_whole_lines_when_the_sink_blocks(int read_fd, int write_fd) {
    struct access_log l;
    char line[LINE_BYTES];
    struct reader r = {.fd = read_fd};
    int flags = fcntl(write_fd, F_GETFL);
    access_log_init(&l, write_fd);
    for (unsigned i = 1; i <= LINES; i++) {
        make_line(line, i);
        access_log_add(&l, (str){line, LINE_BYTES});
    }
    assert_int_equal(fcntl(write_fd, F_GETFL), flags); /* it is not ours alone */
    assert_true(l.dropped > 0 && l.dropped < LINES);
    fcntl(read_fd, F_SETFL, O_NONBLOCK);
    while (!access_log_flush(&l)) read_lines(&r);
    read_lines(&r);
    assert_int_equal(r.lines + l.dropped, LINES);
    assert_int_equal(r.at, 0);
    make_line(line, LINES + 1); /* it goes on */
    access_log_add(&l, (str){line, LINE_BYTES});
    read_lines(&r);
    assert_int_equal(r.last, LINES + 1);
    access_log_fini(&l);
}

static void a_full_pipe_costs_lines_not_time(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    drops_whole_lines_when_the_sink_blocks(fds[0], fds[1]);
    close(fds[0]), close(fds[1]);
}

static void a_full_socket_does_so_too(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    drops_whole_lines_when_the_sink_blocks(fds[0], fds[1]);
    close(fds[0]), close(fds[1]);
}

static void a_reader_that_went_ends_it(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    int fds[2];
    struct access_log l;
    assert_int_equal(pipe(fds), 0);
    access_log_init(&l, fds[1]);
    close(fds[0]);
    for (int i = 0; i < 3; i++) access_log_add(&l, S("line\n"));
    assert_int_equal(l.dropped, 3);
    access_log_fini(&l);
    close(fds[1]);
}

/* ---- sinks by name ---- */

static char folder[] = "/tmp/access_log_XXXXXX";

static const char *in_folder(char path[64], const char *name) {
    snprintf(path, 64, "%s/%s", folder, name);
    return path;
}

static void file_holds(const char *path, const char *text) {
    char bytes[256];
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_str(((str){bytes, n}), text);
}

static void a_file_is_opened_anew_when_it_was_moved(void **state) {
    (void)state;
    char path[64], old[64];
    struct access_log l;
    in_folder(path, "log"), in_folder(old, "log.1");
    assert_int_equal(access_log_open(&l, path), OK);
    access_log_add(&l, S("one\n"));
    access_log_mend(&l);
    access_log_add(&l, S("two\n"));
    assert_int_equal(rename(path, old), 0);
    access_log_add(&l, S("three\n"));
    access_log_mend(&l);
    access_log_add(&l, S("four\n"));
    file_holds(old, "one\ntwo\nthree\n");
    file_holds(path, "four\n");
    assert_int_equal(unlink(path), 0);
    access_log_reopen(&l);
    access_log_add(&l, S("five\n"));
    file_holds(path, "five\n");
    assert_int_equal(l.dropped, 0);
    access_log_fini(&l);
    unlink(path), unlink(old);
}

static void a_file_that_can_not_be_is_told(void **state) {
    (void)state;
    struct access_log l;
    char path[64];
    assert_int_equal(access_log_open(&l, in_folder(path, "none/log")), ERR_IO);
    access_log_fini(&l);
    assert_int_equal(access_log_open(&l, folder), ERR_IO);
    access_log_fini(&l);
}

/* The disk is full: what waits is bounded, the rest is counted, and nothing is lost twice. */
static void a_full_disk_costs_lines(void **state) {
    (void)state;
    struct access_log l;
    char line[LINE_BYTES];
    assert_int_equal(access_log_open(&l, "/dev/full"), OK);
    for (unsigned i = 0; i < LINES; i++) {
        make_line(line, i);
        access_log_add(&l, (str){line, LINE_BYTES});
    }
    assert_int_equal(l.dropped, LINES - ACCESS_LOG_WAITING_MAX / LINE_BYTES);
    assert_true(l.why != 0 && l.waiting.n <= ACCESS_LOG_WAITING_MAX);
    assert_false(access_log_flush(&l));
    access_log_fini(&l);
}

static int serve_socket(const char *path, int type) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    if (type == SOCK_STREAM) assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void a_reader_of_a_socket_may_come_and_go(void **state) {
    (void)state;
    struct access_log l;
    char to[80], path[64], in[64];
    snprintf(to, sizeof to, "unix:%s", in_folder(path, "s"));
    assert_int_equal(access_log_open(&l, to), OK); /* nobody there yet */
    access_log_add(&l, S("one\n"));
    int server = serve_socket(path, SOCK_STREAM);
    access_log_mend(&l);
    access_log_add(&l, S("two\n"));
    int peer = accept(server, NULL, NULL);
    assert_int_equal(read(peer, in, sizeof in), 8);
    assert_memory_equal(in, "one\ntwo\n", 8);
    close(peer);
    access_log_add(&l, S("three\n")); /* finds it gone, and waits */
    access_log_add(&l, S("four\n"));
    access_log_mend(&l);
    access_log_flush(&l);
    peer = accept(server, NULL, NULL);
    assert_int_equal(read(peer, in, sizeof in), 11);
    assert_memory_equal(in, "three\nfour\n", 11);
    assert_int_equal(l.dropped, 0);
    access_log_fini(&l);
    close(peer), close(server), unlink(path);
}

static void a_datagram_is_a_line(void **state) {
    (void)state;
    struct access_log l;
    char to[80], path[64], in[64];
    snprintf(to, sizeof to, "unix:%s", in_folder(path, "d"));
    int server = serve_socket(path, SOCK_DGRAM);
    assert_int_equal(access_log_open(&l, to), OK);
    access_log_add(&l, S("one\ntwo\n"));
    assert_int_equal(read(server, in, sizeof in), 4);
    assert_int_equal(read(server, in, sizeof in), 4);
    assert_memory_equal(in, "two\n", 4);
    access_log_fini(&l);
    close(server), unlink(path);
}

/* What began in a stream that ended is not ended in the next one. */
static void no_half_line_begins_a_stream(void **state) {
    (void)state;
    struct access_log l;
    char to[80], path[64], line[LINE_BYTES];
    snprintf(to, sizeof to, "unix:%s", in_folder(path, "t"));
    int server = serve_socket(path, SOCK_STREAM);
    assert_int_equal(access_log_open(&l, to), OK);
    for (unsigned i = 0; !l.torn; i++) { /* until it takes only a part of one */
        assert_true(i < LINES);
        make_line(line, i);
        access_log_add(&l, (str){line, LINE_BYTES});
        if (l.waiting.n > 2 * LINE_BYTES) break; /* this system takes whole lines */
    }
    bool torn = l.torn;
    close(accept(server, NULL, NULL));
    access_log_flush(&l);
    access_log_mend(&l);
    access_log_add(&l, S("next\n"));
    access_log_flush(&l);
    int peer = accept(server, NULL, NULL);
    char in[8 * LINE_BYTES];
    ssize_t n = read(peer, in, sizeof in);
    assert_true(n >= 5 && in[n - 1] == '\n');
    assert_true(torn ? l.dropped == 1 : l.dropped == 0);
    assert_true(memcmp(in, "next\n", 5) == 0 || memchr(in, '\n', (size_t)n) == in + LINE_BYTES - 1);
    access_log_fini(&l);
    close(peer), close(server), unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pipe_costs_lines_not_time),
        cmocka_unit_test(a_full_socket_does_so_too),
        cmocka_unit_test(a_reader_that_went_ends_it),
        cmocka_unit_test(a_file_is_opened_anew_when_it_was_moved),
        cmocka_unit_test(a_file_that_can_not_be_is_told),
        cmocka_unit_test(a_full_disk_costs_lines),
        cmocka_unit_test(a_reader_of_a_socket_may_come_and_go),
        cmocka_unit_test(a_datagram_is_a_line),
        cmocka_unit_test(no_half_line_begins_a_stream),
    };
    if (!mkdtemp(folder)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
