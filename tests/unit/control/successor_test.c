/* SPDX-License-Identifier: Apache-2.0 */
#include "../free_port.h"
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/supervisor_state.h"
#include "io/sock.h"
#include "io/unix_sock.h"

static const struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};

/* What a supervisor held, which this program goes on as: told to it as the secrets that one binary hands to the next. */
struct keepsake {
    int old, serving, last_good, crash, door, given;
    uint16_t traffic, admin, inherited;
    int traffic_fds[2], admin_fd;
};
static char *words_of_serve[] = {(char *)"serve", (char *)"-f", (char *)"x", (char *)"--workers=3", NULL};

static struct supervisor_config config(struct keepsake *k) {
    return (struct supervisor_config){
        .argv = words_of_serve, .socket_path = "/nowhere", .keepsake = k, .keepsake_n = sizeof *k};
}

static void init(struct supervisor *s, const struct supervisor_config *c) {
    *s = (struct supervisor){.c = c, .last_good = -1, .crash = -1, .signal_fd = -1};
    loop_init(&s->loop);
}

static void fini(struct supervisor *s) {
    while (s->children) supervisor_forget(s->children);
    if (s->upgrade.door.on_ready) {
        int door = s->upgrade.door.fd;
        loop_remove(&s->loop, &s->upgrade.door);
        close(door);
        timer_forget(&s->loop.timers, &s->upgrade.limit);
    }
    loop_fini(&s->loop);
    held_fini(&s->held);
    close(s->last_good), close(s->crash);
}

static int socket_pair(void) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    close(pair[1]);
    return pair[0];
}

static const struct held *open_some(struct supervisor *s, enum words_use use, uint32_t n, uint32_t asked_by,
                                    uint16_t port) {
    struct words_ask w = {.op = WORDS_OPEN, .use = use, .port = port, .n = n, .ip = loopback};
    const struct held *h = held_open(&s->held, &w, asked_by);
    assert_non_null(h);
    return h;
}

/* Two serving processes, the listeners of traffic and of the admin, one that a service manager has opened, and a door. */
static void hold(struct supervisor *s, struct keepsake *k) {
    struct sockaddr_un none = {.sun_family = AF_UNIX};
    k->last_good = s->last_good = memfd_create("last-good", MFD_CLOEXEC);
    k->crash = s->crash = memfd_create("crash", MFD_CLOEXEC);
    k->door = s->upgrade.door.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(k->door, (struct sockaddr *)&none, sizeof none.sun_family),
                     0); /* [unix(7), autobind] */
    assert_int_equal(listen(k->door, 1), 0);
    assert_ok(sock_listen(&loopback, 0, 1, &k->given));
    k->inherited = sock_port(k->given);
    s->held.inherited = (struct inherited){base_zalloc(sizeof *s->held.inherited.v), 1};
    s->held.inherited.v[0] = (struct inherited_socket){k->given, loopback, k->inherited};
    k->traffic = free_port(), k->admin = free_port();
    const struct held *h = open_some(s, WORDS_TRAFFIC, 2, 4, k->traffic);
    k->traffic_fds[0] = h->fds[0], k->traffic_fds[1] = h->fds[1];
    held_hush(&s->held, &(struct words_ask){.port = k->traffic, .ip = loopback}, 4);
    k->admin_fd = open_some(s, WORDS_ADMIN, 1, 5, k->admin)->fds[0];
    k->old = supervisor_adopt(s, 4, 4004, socket_pair(), 44)->fd;
    s->serving = supervisor_adopt(s, 5, 5005, socket_pair(), 55);
    s->serving->ready = true;
    k->serving = s->serving->fd;
    s->numbers = 5, s->deaths = 3, s->supervisors = 1, s->last_signal = 11;
}

/* ---- as the binary that goes on ---- */

static char **words_given;

static void assert_ours(int fd, int wanted) {
    assert_int_equal(fd, wanted);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void assert_child(const struct supervisor_child *c, uint32_t number, pid_t pid, int fd, bool ready,
                         uint64_t born_us) {
    assert_true(c->number == number && c->pid == pid && c->ready == ready && c->born_us == born_us);
    assert_ours(c->fd, fd);
    assert_int_equal(c->asks.fd, fd); /* it is listened to */
}

static const struct held *held_at(const struct supervisor *s, uint16_t port) {
    const struct held *h = s->held.first;
    while (h && h->port != port) h = h->next;
    assert_non_null(h);
    assert_true(ip_eq(&h->ip, &loopback));
    return h;
}

static void takes_up_all_there_was(int state_file) {
    struct keepsake k = {0};
    struct supervisor_config c = config(&k);
    struct supervisor s;
    init(&s, &c);
    assert_true(successor_take(&s, state_file));
    assert_true(s.numbers == 5 && s.deaths == 3 && s.supervisors == 2 && s.last_signal == 11);
    assert_ours(s.last_good, k.last_good), assert_ours(s.crash, k.crash);
    assert_ours(s.upgrade.door.fd, k.door);
    const struct supervisor_child *old = s.serving == s.children ? s.children->next : s.children;
    assert_child(s.serving, 5, 5005, k.serving, true, 55);
    assert_child(old, 4, 4004, k.old, false, 44);
    const struct held *h = held_at(&s, k.traffic);
    assert_true(h->use == WORDS_TRAFFIC && h->hushed && !h->given && h->asked_by == 4 && h->n == 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_ours(h->fds[i], k.traffic_fds[i]);
        assert_int_equal(sock_port(h->fds[i]), k.traffic);
    }
    h = held_at(&s, k.admin);
    assert_true(h->use == WORDS_ADMIN && !h->hushed && !h->given && h->asked_by == 5 && h->n == 1);
    assert_ours(h->fds[0], k.admin_fd);
    assert_ours(inherited_find(&s.held.inherited, &loopback, k.inherited), k.given);
    assert_int_equal(fcntl(state_file, F_GETFD), -1);
    fini(&s);
}

/* What of a state is taken is there and not made up: no descriptor 0, which is standard input's. In a child, as it takes descriptors along. */
static int takes(const char *state, size_t n) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct keepsake k;
        struct supervisor_config c = config(&k);
        struct supervisor s;
        init(&s, &c);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* it says that it can not be read */
        bool took = successor_take(&s, successor_file(state, n));
        for (const struct held *h = s.held.first; h; h = h->next)
            for (uint32_t i = 0; i < h->n; i++)
                if (h->fds[i] == 0) _exit(2);
        for (uint32_t i = 0; i < s.held.inherited.n; i++)
            if (s.held.inherited.v[i].fd == 0) _exit(3);
        _exit(took);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (!WIFEXITED(how)) fail_msg("ended by signal %d", WTERMSIG(how));
    return WEXITSTATUS(how);
}

static void goes_on_as_what_it_was(void **state) {
    (void)state;
    char bytes[4096];
    int fd = successor_named(WORDS_GOES_ON);
    assert_null(getenv(WORDS_GOES_ON));
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    assert_true(n > 0 && (size_t)n < sizeof bytes);
    for (size_t cut = 0; cut < (size_t)n; cut++) assert_int_equal(takes(bytes, cut), 0);
    for (size_t at = 0; at + sizeof(uint32_t) <= (size_t)n;
         at += sizeof(uint32_t)) { /* a word that is nonsense */
        char broken[sizeof bytes];
        memcpy(broken, bytes, sizeof broken);
        memset(broken + at, 0x7f, sizeof(uint32_t));
        int took = takes(broken, (size_t)n);
        assert_true(took == 0 || (took == 1 && at > 0)); /* the first is the version */
    }
    assert_int_equal(takes(bytes, (size_t)n), 1);
    takes_up_all_there_was(fd);
    static const char *const words[] = {"serve", "--workers", "5", "-f", "x", NULL};
    for (size_t i = 0; words[i]; i++) assert_string_equal(words_given[i + 1], words[i]);
}

/* ---- as the binary before ---- */

static void a_binary_takes_the_place_of_another(void **state) {
    (void)state;
    int how;
    pid_t pid = fork();
    if (pid == 0) {
        struct keepsake k = {0};
        struct supervisor_config c = config(&k);
        struct supervisor s;
        init(&s, &c);
        hold(&s, &k);
        memcpy(s.upgrade.workers, "5", 2);
        char own[4096] = "";
        if (readlink("/proc/self/exe", own, sizeof own - 1) > 0) successor_become(&s, own);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static int first_free(void) {
    int fd = dup(0);
    close(fd);
    return fd;
}

/* It goes on as what it was, and nothing of it reaches what it starts later. */
static void a_binary_that_can_not_be_run(void **state) {
    (void)state;
    struct keepsake k = {0};
    struct supervisor_config c = config(&k);
    struct supervisor s;
    init(&s, &c);
    hold(&s, &k);
    int before = first_free();
    successor_become(&s, "/nowhere/postern");
    assert_int_equal(errno, ENOENT);
    assert_int_equal(first_free(), before);
    assert_null(getenv(WORDS_GOES_ON));
    const int all[] = {k.old,   k.serving,        k.last_good,      k.crash,   k.door,
                       k.given, k.traffic_fds[0], k.traffic_fds[1], k.admin_fd};
    for (size_t i = 0; i < COUNT_OF(all); i++) assert_int_equal(fcntl(all[i], F_GETFD), FD_CLOEXEC);
    s.upgrade.door.on_ready = NULL;
    close(k.door);
    fini(&s);
}

static void assert_words(const char *workers, const char *const *from, const char *const *wanted) {
    struct supervisor_config c = {.argv = (char **)(uintptr_t)from};
    struct supervisor s = {.c = &c};
    char **argv = successor_argv(&s, "/bin", workers);
    assert_string_equal(argv[0], "/bin");
    size_t i = 1;
    for (; wanted[i - 1]; i++) {
        assert_non_null(argv[i]);
        assert_string_equal(argv[i], wanted[i - 1]);
    }
    assert_null(argv[i]);
    free(argv);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void the_command_line_is_as_it_was_but_for_workers(void **state) {
    (void)state;
    assert_words("", WORDS("serve"), WORDS("serve"));
    assert_words("", WORDS("serve", "--workers", "3", "-f", "x"),
                 WORDS("serve", "--workers", "3", "-f", "x"));
    assert_words("5", WORDS("serve"), WORDS("serve", "--workers", "5"));
    assert_words("5", WORDS("serve", "--workers", "3", "-f", "x"),
                 WORDS("serve", "--workers", "5", "-f", "x"));
    assert_words("5", WORDS("serve", "--workers=3", "-f", "x", "--workers", "4"),
                 WORDS("serve", "--workers", "5", "-f", "x"));
    assert_words("5", WORDS("serve", "-f", "x", "--", "--workers", "3"),
                 WORDS("serve", "--workers", "5", "-f", "x", "--", "--workers", "3"));
    assert_words("5", WORDS("serve", "--workers"), WORDS("serve", "--workers", "5"));
}

static void a_variable_names_a_descriptor(void **state) {
    (void)state;
    static const char *const none[] = {"", "x", "-1", "12x", "99999999999"};
    unsetenv("TEST_NAMES");
    assert_int_equal(successor_named("TEST_NAMES"), -1);
    setenv("TEST_NAMES", "12", 1);
    assert_int_equal(successor_named("TEST_NAMES"), 12);
    assert_null(getenv("TEST_NAMES"));
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        setenv("TEST_NAMES", none[i], 1);
        assert_int_equal(successor_named("TEST_NAMES"), -1);
        assert_null(getenv("TEST_NAMES"));
    }
}

static void a_file_is_read_whole_or_not(void **state) {
    (void)state;
    char bytes[6] = "";
    int before = first_free();
    assert_true(successor_read(successor_file("secret", 6), bytes, 6));
    assert_memory_equal(bytes, "secret", 6);
    assert_false(successor_read(successor_file("secre", 5), bytes, 6));
    assert_false(successor_read(-1, bytes, 6));
    assert_int_equal(first_free(), before);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest after[] = {cmocka_unit_test(goes_on_as_what_it_was)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_binary_takes_the_place_of_another),
        cmocka_unit_test(a_binary_that_can_not_be_run),
        cmocka_unit_test(the_command_line_is_as_it_was_but_for_workers),
        cmocka_unit_test(a_variable_names_a_descriptor),
        cmocka_unit_test(a_file_is_read_whole_or_not),
    };
    words_given = argv;
    return getenv(WORDS_GOES_ON) ? cmocka_run_group_tests(after, NULL, NULL)
                                 : cmocka_run_group_tests(tests, NULL, NULL);
}
