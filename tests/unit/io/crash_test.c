/* SPDX-License-Identifier: Apache-2.0 */
#include "io/crash.h"

#include "../unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 1 << 16 };

static void a_line_has_its_bounds(void **state) {
    (void)state;
    struct crash_text t = {0};
    crash_add(&t, S("level=fatal"));
    crash_add_number(&t, "none", 0);
    crash_add_number(&t, "most", UINT64_MAX);
    crash_add_word(&t, "word", S("a\nb\tc\x7f\xff"));
    assert_str(((str){t.p, t.n}), "level=fatal none=0 most=18446744073709551615 word=\"a?b?c??\"");
    char much[2 * sizeof t.p];
    memset(much, 'x', sizeof much);
    crash_add(&t, (str){much, sizeof much});
    assert_int_equal(t.n, sizeof t.p - 1); /* there is room for the end of the line */
    crash_add_number(&t, "more", 7);
    assert_int_equal(t.n, sizeof t.p - 1);
    assert_int_equal(t.p[sizeof t.p - 2], 'x');
}

/* What a process does that is to end by a signal; *arg is what it describes itself by. */
struct crashing {
    void (*how)(void);
    void (*describe)(void *arg, struct crash_text *t);
    int at_signal, file;
    char report[REPORT_BYTES_MAX];
    str left; /* of the report */
};

static void says_what_it_did(void *arg, struct crash_text *t) {
    crash_add(t, S("level=fatal crash"));
    crash_add_word(t, "doing", str_of(arg));
    crash_tell(t);
}

/* In a child. What a sanitizer does with such signals is left out. */
__attribute__((noreturn)) static void become_crashing(const struct crashing *c) {
    struct rlimit none = {0};
    setrlimit(RLIMIT_CORE, &none);
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(quiet, STDERR_FILENO);
    signal(c->at_signal, SIG_DFL);
    prctl(PR_SET_NAME, "wor ker");
    void *stack = crash_stack_new();
    crash_install(c->file, c->describe, (void *)(uintptr_t) "the dishes");
    c->how();
    crash_stack_free(stack);
    _exit(99);
}

static void crashes(struct crashing *c) {
    int how;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) become_crashing(c);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how)); /* by the signal that it would have ended by, too */
    assert_int_equal(WTERMSIG(how), c->at_signal);
    ssize_t n = pread(c->file, c->report, sizeof c->report, 0);
    assert_true(n > 0);
    c->left = (str){c->report, (size_t)n};
    char begins[160];
    snprintf(begins, sizeof begins, "level=fatal crash signal=%d name=\"%s\" thread=\"wor ker\" pid=%d",
             c->at_signal, sigabbrev_np(c->at_signal), (int)pid);
    if (!str_starts(c->left, str_of(begins))) fail_msg("not \"%s\": " STR_FMT, begins, STR_ARG(c->left));
}

static bool has(const struct crashing *c, const char *what) {
    return memmem(c->left.p, c->left.n, what, strlen(what)) != NULL;
}

static void reads_nowhere(void) { (void)*(volatile int *)(uintptr_t)0x70; }

static int begin(struct crashing *c) {
    *c = (struct crashing){.describe = says_what_it_did, .how = reads_nowhere, .at_signal = SIGSEGV};
    return c->file = memfd_create("report", MFD_CLOEXEC);
}

static void told_where_and_what(void **state) {
    (void)state;
    static struct crashing c;
    assert_true(begin(&c) >= 0);
    static const char before[] = "what the one before had told, which was longer than it is worth";
    for (unsigned i = 0; i < 1000; i++) assert_true(write(c.file, before, sizeof before) > 0);
    crashes(&c);
    str head = str_cut(&c.left, '\n');
    char text[512];
    snprintf(text, sizeof text, STR_FMT, STR_ARG(head));
    assert_non_null(strstr(text, " address=0x70 "));
    assert_non_null(strstr(text, " version=\"" POSTERN_VERSION "\" build_id=\""));
    assert_true(has(&c, "crash_test(")); /* a frame */
    assert_true(str_ends(c.left, S("\nlevel=fatal crash doing=\"the dishes\"\n")));
    assert_false(has(&c, "what the one before"));
    close(c.file);
}

static void aborts(void) { abort(); }

/* It has no address. */
static void told_of_an_assertion(void **state) {
    (void)state;
    static struct crashing c;
    assert_true(begin(&c) >= 0);
    c.how = aborts, c.at_signal = SIGABRT;
    crashes(&c);
    assert_false(has(&c, " address="));
    assert_true(has(&c, "doing=\"the dishes\"\n"));
    close(c.file);
}

static void is_let_go(void) {
    crash_uninstall();
    aborts();
}

/* Whoever is not described any more is not told of; the signal does what it did before. */
static void nothing_is_told_after(void **state) {
    (void)state;
    struct crashing c;
    int how;
    assert_true(begin(&c) >= 0);
    c.how = is_let_go, c.at_signal = SIGABRT;
    pid_t pid = fork();
    if (pid == 0) become_crashing(&c);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    assert_int_equal(lseek(c.file, 0, SEEK_END), 0);
    close(c.file);
}

static void crashes_again(void *arg, struct crash_text *t) {
    (void)arg;
    crash_add(t, S("level=fatal crash halfway"));
    crash_tell(t);
    reads_nowhere();
}

/* What is described may be in any state: the report ends there, and so does the process. */
static void a_description_that_crashes(void **state) {
    (void)state;
    static struct crashing c;
    assert_true(begin(&c) >= 0);
    c.describe = crashes_again;
    crashes(&c);
    assert_true(str_ends(c.left, S("crash halfway\n")));
    close(c.file);
}

static struct {
    sem_t go;
    _Atomic pid_t other, first; /* threads */
} two;

static void *reads_nowhere_too(void *arg) {
    (void)arg;
    sem_wait(&two.go);
    atomic_store(&two.other, gettid());
    reads_nowhere();
    return NULL;
}

static char state_of(pid_t thread) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
    close(fd);
    const char *at = strrchr(text, ')'); /* "TID (NAME) STATE" [proc(5)] */
    return at ? at[2] : 0;
}

/* While the first is told of, the other crashes, and waits then. */
static void lets_the_other_crash(void *arg, struct crash_text *t) {
    pid_t none = 0;
    if (atomic_compare_exchange_strong(&two.first, &none, gettid())) {
        sem_post(&two.go);
        while (!atomic_load(&two.other)) {}
        while (state_of(atomic_load(&two.other)) != 'S') {}
    }
    says_what_it_did(arg, t);
}

static void two_crash(void) {
    pthread_t other;
    sem_init(&two.go, 0, 0);
    pthread_create(&other, NULL, reads_nowhere_too, NULL);
    reads_nowhere();
}

/* Each would be in the other's words. */
static void one_thread_alone_tells(void **state) {
    (void)state;
    static struct crashing c;
    assert_true(begin(&c) >= 0);
    c.how = two_crash, c.describe = lets_the_other_crash;
    crashes(&c);
    (void)str_cut(&c.left, '\n');
    assert_false(has(&c, " signal="));
    assert_true(has(&c, "doing=\"the dishes\"\n"));
    close(c.file);
}

__attribute__((noinline)) static int goes_down(volatile int n) {
    volatile char room[4096];
    room[0] = (char)n;
    return n < 0 ? 0 : goes_down(n + 1) + room[0];
}
static void exhausts_its_stack(void) {
    struct rlimit small = {1 << 20, RLIM_INFINITY};
    setrlimit(RLIMIT_STACK, &small);
    _exit(goes_down(0) & 1);
}

static void told_of_an_exhausted_stack(void **state) {
    (void)state;
    static struct crashing c;
    assert_true(begin(&c) >= 0);
    c.how = exhausts_its_stack;
    crashes(&c);
    assert_true(has(&c, "doing=\"the dishes\"\n"));
    close(c.file);
}

static void its_signals_stay_out_of_a_set(void **state) {
    (void)state;
    static const int told[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    crash_signals_out_of(&set);
    for (size_t i = 0; i < COUNT_OF(told); i++) assert_false(sigismember(&set, told[i]));
    assert_true(sigismember(&set, SIGTERM));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_bounds),      cmocka_unit_test(told_where_and_what),
        cmocka_unit_test(told_of_an_assertion),       cmocka_unit_test(nothing_is_told_after),
        cmocka_unit_test(a_description_that_crashes), cmocka_unit_test(one_thread_alone_tells),
        cmocka_unit_test(told_of_an_exhausted_stack), cmocka_unit_test(its_signals_stay_out_of_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
