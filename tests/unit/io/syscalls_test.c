/* SPDX-License-Identifier: Apache-2.0 */
/* What is left to a process behind the filters; each case in a child of its own, since there is no way back. */
#include "io/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"
#include "base/str.h"
#include "io/landlock.h"
#include "io/thread.h"

enum { LOG_BYTES_MAX = 4096 };
static char said[LOG_BYTES_MAX]; /* on standard error, by the last child */

/* Runs `inside` in a child, behind the filter; how that ended. */
static int behind(bool programs, int (*inside)(void)) {
    int ends[2], how;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(syscalls_limit(programs) == OK ? inside() : 99);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < sizeof said - 1 && (got = read(ends[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)got;
    said[n] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return how;
}

static int is_refused(void) {
    if (chmod("/dev/null", 0666) == 0 || errno != EPERM) return 1;
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM ? 0 : 2;
}

static void refused_and_told(void **state) {
    (void)state;
    int how = behind(false, is_refused);
    if (!syscalls_all_known()) return;
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    assert_non_null(strstr(said, "sandbox refused system_call="));
}

static void in_thread(void *arg) { *(int *)arg = is_refused(); }

static int is_refused_in_thread(void) {
    struct thread *t;
    int result = 3;
    if (thread_start(&t, "t", in_thread, &result) != OK) return 4;
    thread_join(t);
    return result;
}

static void refused_in_threads_that_come_later(void **state) {
    (void)state;
    int how = behind(false, is_refused_in_thread);
    if (!syscalls_all_known()) return;
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static int starts_program(void) {
    char *argv[] = {(char *)(uintptr_t) "true", NULL};
    execv("/bin/true", argv);
    return 5;
}

static int unshares(void) {
    long failed = syscall(272 /* unshare */, 0);
    return failed < 0 ? 6 : 7;
}

static void started_programs_end_it(void **state) {
    (void)state;
    if (!syscalls_all_known()) return;
    int how = behind(false, starts_program);
    assert_true(WIFSIGNALED(how));
    assert_int_equal(WTERMSIG(how), SIGSYS);
    how = behind(true, starts_program); /* a credential plugin */
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void what_changes_the_machine_ends_it(void **state) {
    (void)state;
#ifdef __x86_64__
    int how = behind(false, unshares);
    assert_true(WIFSIGNALED(how));
    assert_int_equal(WTERMSIG(how), SIGSYS);
#else
    (void)unshares;
#endif
}

/* ---- files ---- */

static char folder[] = "/tmp/postern-landlock-XXXXXX";

static int opens(const char *name, int flags) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : errno;
}

static int look_around(void) {
    OWNED(landlock) l = NULL;
    char path[128];
    if (landlock_new(true, &l) != OK) return 1;
    snprintf(path, sizeof path, "%s/reads", folder);
    if (landlock_allow(l, path, LANDLOCK_READS) != OK) return 2;
    snprintf(path, sizeof path, "%s/appends", folder);
    if (landlock_allow(l, path, LANDLOCK_APPENDS) != OK) return 3;
    if (landlock_allow(l, "/no/such/path", LANDLOCK_READS) != OK) return 4;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (landlock_begin(l) != OK) return 5;
    if (opens("reads/a", O_RDONLY) != 0) return 6;
    if (opens("reads/a", O_WRONLY) != EACCES || opens("reads/new", O_WRONLY | O_CREAT) != EACCES) return 7;
    if (opens("appends/log", O_WRONLY | O_CREAT | O_APPEND) != 0 || opens("appends/log", O_RDONLY) != EACCES)
        return 8;
    if (opens("a", O_RDONLY) != EACCES) return 9;
    snprintf(path, sizeof path, "%s/appends/log", folder);
    if (unlink(path) == 0) return 10;
    if (landlock_version() >= 6 && (kill(getppid(), 0) == 0 || errno != EPERM)) return 11;
    return 0;
}

static void makes(const char *name, bool is_folder) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (is_folder)
        assert_int_equal(mkdir(path, 0700), 0);
    else
        assert_int_equal(opens(name, O_WRONLY | O_CREAT), 0);
}

static void files_that_were_given(void **state) {
    (void)state;
    if (!landlock_version()) { /* of a kernel without it nothing is promised, and that is said */
        struct landlock *none;
        assert_int_not_equal(landlock_new(true, &none), OK);
        return;
    }
    assert_non_null(mkdtemp(folder));
    makes("reads", true), makes("appends", true), makes("reads/a", false), makes("a", false);
    pid_t pid = fork();
    if (pid == 0) _exit(look_around());
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    static const char *const made[] = {"/appends/log", "/reads/a", "/a", "/appends", "/reads", ""};
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", folder, made[i]);
        remove(path);
    }
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_and_told),        cmocka_unit_test(refused_in_threads_that_come_later),
        cmocka_unit_test(started_programs_end_it), cmocka_unit_test(what_changes_the_machine_ends_it),
        cmocka_unit_test(files_that_were_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
