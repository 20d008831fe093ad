/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pipe_costs_lines_not_time),
        cmocka_unit_test(a_full_socket_does_so_too),
        cmocka_unit_test(a_reader_that_went_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
