/* SPDX-License-Identifier: Apache-2.0 */
#include "control/changeover.h"

#include "../unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "control/supervised.h"
#include "control/supervisor.h"
#include "io/unix_sock.h"

/* This program is its own gateway: started with MODE SOCKET FD it is supervised as one is, and tells on FD that it serves. What MODE says, the
 * process does that is to take over. */
enum { PATIENCE_MS = 60000, ANSWER_BYTES_MAX = 8192, ENDED_BEFORE = 5, ENDED_FRESH = 7 };

/* ---- the gateway ---- */

static int wait_for_end(const struct words_start *w, bool lets_go) {
    sigset_t set;
    int got = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (got != SIGTERM)
        if (sigwait(&set, &got) == 0 && got == SIGUSR2 && lets_go) (void)supervised_left(w->supervisor);
    return w->takes_over ? ENDED_FRESH : ENDED_BEFORE;
}

static bool is_mode(char **words, const char *mode) { return strcmp(words[0], mode) == 0; }

static int serve(void *arg, const struct words_start *w) {
    char **words = arg;
    if (!w->takes_over) {
        uint64_t fd;
        if (num_parse(str_of(words[2]), INT32_MAX, &fd) != OK) return 90;
        if (supervised_ready(w->supervisor) != OK || write((int)fd, "s", 1) != 1) return 90;
        return wait_for_end(w, !is_mode(words, "deaf"));
    }
    if (is_mode(words, "says")) {
        fputs("it is no good\n", stderr);
        return 3;
    }
    if (is_mode(words, "dies")) raise(SIGKILL);
    if (!is_mode(words, "mute") && supervised_ready(w->supervisor) != OK) return 91;
    return wait_for_end(w, true);
}

static int be_gateway(char **words) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* with the test */
    return supervisor_run(
        &(struct supervisor_config){.serve = serve, .arg = words, .argv = words, .socket_path = words[1]});
}

/* ---- who asks ---- */

struct gateway {
    char folder[64], path[80], own[4096];
    pid_t pid;
};

static struct gateway start(const char *mode) {
    struct gateway g = {.folder = "/tmp/changeover_XXXXXX"};
    int told[2];
    char number[16], c;
    assert_non_null(mkdtemp(g.folder));
    snprintf(g.path, sizeof g.path, "%s/a", g.folder);
    assert_true(readlink("/proc/self/exe", g.own, sizeof g.own - 1) > 0);
    assert_int_equal(pipe(told), 0);
    snprintf(number, sizeof number, "%d", told[1]);
    g.pid = fork();
    assert_true(g.pid >= 0);
    if (g.pid == 0) {
        execl(g.own, g.own, mode, g.path, number, NULL);
        _exit(92);
    }
    close(told[1]);
    struct pollfd p = {.fd = told[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    assert_int_equal(read(told[0], &c, 1), 1);
    close(told[0]);
    return g;
}

static struct changeover_wish wish(const struct gateway *g) {
    struct changeover_wish w = {.version = WORDS_VERSION, .seconds = CHANGEOVER_SECONDS_MAX};
    snprintf(w.binary, sizeof w.binary, "%s", g->own);
    return w;
}

static int ask(const struct gateway *g, const struct changeover_wish *w) {
    char door[108];
    int fd;
    assert_ok(changeover_socket_path(g->path, door));
    assert_ok(unix_sock_connect(door, &fd));
    assert_int_equal(send(fd, w, sizeof *w, MSG_NOSIGNAL), sizeof *w);
    return fd;
}

/* All that is told until the end, into ret. */
static void hear(int fd, char ret[ANSWER_BYTES_MAX]) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    for (ssize_t more = 1; more > 0; n += (size_t)(more > 0 ? more : 0)) {
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        more = read(fd, ret + n, ANSWER_BYTES_MAX - 1 - n);
    }
    ret[n] = 0;
    close(fd);
}

static void is_told(int fd, const char *wanted) {
    char got[ANSWER_BYTES_MAX];
    hear(fd, got);
    assert_string_equal(got, wanted);
}

static void is_told_of_own(const struct gateway *g, const struct changeover_wish *w, const char *before,
                           const char *after) {
    char wanted[ANSWER_BYTES_MAX];
    snprintf(wanted, sizeof wanted, "%s%s%s", before, w->binary, after);
    is_told(ask(g, w), wanted);
}

static void has_ended(const struct gateway *g, int status) {
    int how;
    char door[108];
    assert_int_equal(waitpid(g->pid, &how, 0), g->pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), status);
    assert_ok(changeover_socket_path(g->path, door));
    assert_int_equal(access(door, F_OK), -1);
    assert_int_equal(rmdir(g->folder), 0);
}

static void ends_with(const struct gateway *g, int status) {
    kill(g->pid, SIGTERM);
    has_ended(g, status);
}

/* ---- what becomes of it ---- */

static void what_can_not_be_run_changes_nothing(void **state) {
    (void)state;
    struct gateway g = start("ready");
    struct changeover_wish w = wish(&g);
    snprintf(w.binary, sizeof w.binary, "/nowhere/postern");
    is_told_of_own(&g, &w, "/nowhere/postern can not be run: No such file or directory\nfailed: ",
                   " ended with status 127 before it was ready; what served before goes on\n");
    ends_with(&g, ENDED_BEFORE);
}

static void what_ends_is_told_with_its_last_words(void **state) {
    (void)state;
    struct gateway g = start("says");
    struct changeover_wish w = wish(&g);
    for (unsigned i = 0; i < 2; i++) /* it may be tried again */
        is_told_of_own(&g, &w, "it is no good\nfailed: ",
                       " ended with status 3 before it was ready; what served before goes on\n");
    ends_with(&g, ENDED_BEFORE);
}

static void what_is_killed_is_told_with_its_signal(void **state) {
    (void)state;
    struct gateway g = start("dies");
    struct changeover_wish w = wish(&g);
    is_told_of_own(&g, &w,
                   "failed: ", " ended with signal 9 before it was ready; what served before goes on\n");
    ends_with(&g, ENDED_BEFORE);
}

static void what_is_never_ready_is_ended(void **state) {
    (void)state;
    struct gateway g = start("mute");
    struct changeover_wish w = wish(&g);
    w.seconds = 1;
    is_told_of_own(&g, &w, "it is not ready in time and is ended\nfailed: ",
                   " ended with signal 9 before it was ready; what served before goes on\n");
    ends_with(&g, ENDED_BEFORE);
}

static void one_at_a_time(void **state) {
    (void)state;
    struct gateway g = start("mute");
    struct changeover_wish w = wish(&g);
    int first = ask(&g, &w);
    is_told(ask(&g, &w), "failed: another one is under way\n");
    kill(g.pid, SIGTERM); /* while it waits: the new process is told to end, too */
    char wanted[ANSWER_BYTES_MAX];
    snprintf(wanted, sizeof wanted,
             "failed: %s ended with status %d before it was ready; what served before goes on\n", g.own,
             ENDED_FRESH);
    is_told(first, wanted);
    has_ended(&g, ENDED_BEFORE);
}

static void nonsense_is_not_understood(void **state) {
    (void)state;
    static const char said[] = "failed: it was asked for in a way that this version does not know\n";
    struct gateway g = start("ready");
    struct changeover_wish w = wish(&g);
    w.version++;
    is_told(ask(&g, &w), said);
    w = wish(&g), w.seconds = 0;
    is_told(ask(&g, &w), said);
    w = wish(&g), w.seconds = CHANGEOVER_SECONDS_MAX + 1;
    is_told(ask(&g, &w), said);
    w = wish(&g), memset(w.binary, 'x', sizeof w.binary);
    is_told(ask(&g, &w), said);
    w = wish(&g), memset(w.workers, '1', sizeof w.workers);
    is_told(ask(&g, &w), said);
    ends_with(&g, ENDED_BEFORE);
}

/* The answer's beginning; whether the one before was quick enough is the machine's matter. */
static void is_done(const struct gateway *g) {
    struct changeover_wish w = wish(g);
    char wanted[ANSWER_BYTES_MAX], got[ANSWER_BYTES_MAX];
    hear(ask(g, &w), got);
    snprintf(wanted, sizeof wanted, "done: %s serves as process ", g->own);
    if (!str_starts(str_of(got), str_of(wanted))) fail_msg("got \"%s\"", got);
    assert_non_null(strstr(got, "; the one before, process "));
}

/* Under the same process id, and again and again. */
static void another_serves_and_supervises(void **state) {
    (void)state;
    struct gateway g = start("ready");
    is_done(&g);
    is_done(&g);
    ends_with(&g, ENDED_FRESH);
}

/* Who does not let go is left to itself. */
static void one_before_that_is_deaf(void **state) {
    (void)state;
    struct gateway g = start("deaf");
    struct changeover_wish w = wish(&g);
    char got[ANSWER_BYTES_MAX];
    hear(ask(&g, &w), got);
    assert_true(str_starts(str_of(got), S(CHANGEOVER_DONE)));
    assert_true(str_ends(str_of(got), S(", does not react and has not let go of the admin's address\n")));
    ends_with(&g, ENDED_FRESH);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_run_changes_nothing),
        cmocka_unit_test(what_ends_is_told_with_its_last_words),
        cmocka_unit_test(what_is_killed_is_told_with_its_signal),
        cmocka_unit_test(what_is_never_ready_is_ended),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(nonsense_is_not_understood),
        cmocka_unit_test(another_serves_and_supervises),
        cmocka_unit_test(one_before_that_is_deaf),
    };
    return argc > 1 ? be_gateway(argv + 1) : cmocka_run_group_tests(tests, NULL, NULL);
}
