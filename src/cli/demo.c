/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/demo_folder.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "cli/cli.h"
#include "cli/echo.h"
#include "io/clock.h"
#include "io/sock.h"
#include "io/unix_sock.h"

enum {
    READY_US = 15000000,
    LOOK_AGAIN_MS = 20,
    END_US = 5000000, /* until a child that was asked to end is killed */
    PATH_BYTES_MAX = 4096,
    BACKLOG = 128,
    CHILDREN_MAX = DEMO_BACKENDS + 1,
};
static const char *const backend_names[DEMO_BACKENDS] = {"api-v1", "api-v2", "canary"};

static const struct cli_option options[] = {
    {"manifests", 'f', "DIR",
     "The folder whose manifests are copied and served; the quickstart example unless given."},
};
const struct cli_command demo_command = {
    .name = "demo",
    .args = "",
    .summary = "Start a gateway with example manifests and backends, and show requests to try.",
    .more = "Everything lives in a temporary folder and on ports that are free (8080 and 8443 if they are). "
            "Ctrl-C ends it.",
    .options = options,
    .options_n = COUNT_OF(options),
};

struct demo {
    char exe[PATH_BYTES_MAX], originals[PATH_BYTES_MAX];
    int backends[DEMO_BACKENDS]; /* listening sockets; -1: not (any more) */
    uint16_t backend_ports[DEMO_BACKENDS], http_port, https_port, admin_port;
    struct demo_folder folder;
    pid_t children[CHILDREN_MAX]; /* 0: ended; the first is serve */
    size_t children_n;
    sigset_t signals;
};

/* Where things are. */

static bool find_program(struct demo *d) {
    ssize_t n = readlink("/proc/self/exe", d->exe, sizeof d->exe - 1);
    if (n <= 0) return false;
    d->exe[n] = 0;
    return true;
}

/* The example that belongs to this program: of the folder we are in, of its installation, of its source tree. */
static bool find_originals(struct demo *d) {
    static const char *const beside[] = {"/../share/postern/examples/quickstart", "/../examples/quickstart",
                                         "/../../examples/quickstart"};
    snprintf(d->originals, sizeof d->originals, "%s", "examples/quickstart");
    if (access(d->originals, R_OK | X_OK) == 0) return true;
    str folder = str_upto(str_of(d->exe), str_rfind(str_of(d->exe), '/'));
    for (size_t i = 0; i < COUNT_OF(beside); i++) {
        int n = snprintf(d->originals, sizeof d->originals, STR_FMT "%s", STR_ARG(folder), beside[i]);
        if (n < (int)sizeof d->originals && access(d->originals, R_OK | X_OK) == 0) return true;
    }
    return false;
}

/* Is nobody there? Not sock_listen: SO_REUSEPORT would share the port with whoever is. */
static bool is_free(uint16_t port) {
    int one = 1, zero = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    const struct sockaddr *a = (const struct sockaddr *)&v6;
    socklen_t n = sizeof v6;
    if (fd < 0) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        a = (const struct sockaddr *)&v4, n = sizeof v4;
    } else {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool fine = bind(fd, a, n) == 0 && listen(fd, 1) == 0;
    close(fd);
    return fine;
}

static uint16_t free_port(uint16_t from) {
    for (uint16_t i = 0; i < 100; i++) {
        if (is_free((uint16_t)(from + i))) return (uint16_t)(from + i);
    }
    return from;
}

/* As free_port, and nobody on the control socket either: it is one for all network namespaces. */
static uint16_t free_admin_port(uint16_t from) {
    struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};
    for (uint16_t port = free_port(from);; port = free_port((uint16_t)(port + 1))) {
        char path[108];
        int fd;
        admin_socket_path(&loopback, port, path);
        if (unix_sock_connect(path, &fd) != OK) return port;
        close(fd);
    }
}

static err open_backends(struct demo *d) {
    uint16_t next = 9001;
    for (int i = 0; i < DEMO_BACKENDS; i++) {
        next = free_port(next);
        TRY(sock_listen(&(struct ip){.family = 4, .bytes = {127, 0, 0, 1}}, next, BACKLOG, &d->backends[i]));
        d->backend_ports[i] = next++;
    }
    return OK;
}

/* Children. */

/* In the child: signals as they were, ended when the demo is gone, deaf to the terminal's Ctrl-C (the demo passes it on, once). */
static void settle(const struct demo *d, pid_t parent) {
    sigprocmask(SIG_UNBLOCK, &d->signals, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(CLI_NO);
}

static pid_t start(struct demo *d) {
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) settle(d, parent);
    if (pid > 0) d->children[d->children_n++] = pid;
    return pid;
}

static err start_serve(struct demo *d) {
    char http[16], https[16], admin[32];
    snprintf(http, sizeof http, "80:%u", d->http_port);
    snprintf(https, sizeof https, "443:%u", d->https_port);
    snprintf(admin, sizeof admin, "127.0.0.1:%u", d->admin_port);
    fflush(stdout);
    pid_t pid = start(d);
    if (pid < 0) return ERR_IO;
    if (pid > 0) return OK;
    for (int i = 0; i < DEMO_BACKENDS; i++) close(d->backends[i]);
    execl(d->exe, "postern", "serve", "-f", d->folder.manifests, "--map-port", http, "--map-port", https,
          "--admin", admin, "--log-level", "warn", (char *)NULL);
    fprintf(stderr, "postern demo: %s can not be started: %s\n", d->exe, strerror(errno));
    _exit(CLI_NO);
}

static err start_backend(struct demo *d, int i) {
    pid_t pid = start(d);
    if (pid < 0) return ERR_IO;
    if (pid == 0) {
        for (int k = 0; k < DEMO_BACKENDS; k++) {
            if (k != i && d->backends[k] >= 0) close(d->backends[k]);
        }
        _exit(echo_run(d->backends[i], backend_names[i]));
    }
    close(d->backends[i]);
    d->backends[i] = -1;
    return OK;
}

/* Takes note of children that ended; false: one of them did. */
static bool reap(struct demo *d) {
    bool all = true;
    for (size_t i = 0; i < d->children_n; i++) {
        if (d->children[i] && waitpid(d->children[i], NULL, WNOHANG) == d->children[i]) d->children[i] = 0;
        if (!d->children[i]) all = false;
    }
    return all;
}

static int wait_signal(const struct demo *d, long ms) {
    return sigtimedwait(&d->signals, NULL,
                        &(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000});
}

static void end_children(struct demo *d) {
    for (size_t i = 0; i < d->children_n; i++) {
        if (d->children[i]) kill(d->children[i], SIGTERM);
    }
    uint64_t until_us = clock_monotonic_us() + END_US;
    for (size_t i = 0; i < d->children_n;) {
        reap(d);
        if (!d->children[i]) {
            i++;
        } else if (clock_monotonic_us() > until_us) {
            kill(d->children[i], SIGKILL);
            waitpid(d->children[i], NULL, 0);
            d->children[i++] = 0;
        } else {
            wait_signal(d, LOOK_AGAIN_MS);
        }
    }
}

enum outcome { READY, INTERRUPTED, FAILED };

/* Until every worker serves by the manifests. */
static enum outcome wait_ready(struct demo *d) {
    char path[108];
    struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};
    uint64_t until_us = clock_monotonic_us() + READY_US;
    admin_socket_path(&loopback, d->admin_port, path);
    while (clock_monotonic_us() < until_us) {
        struct buf body;
        uint16_t status = 0;
        buf_init(&body, 4096);
        bool ready = admin_get(path, S("/readyz"), &status, &body) == OK && status == 200;
        buf_fini(&body);
        if (!reap(d)) return FAILED;
        if (ready) return READY;
        int signal = wait_signal(d, LOOK_AGAIN_MS);
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) return INTERRUPTED;
    }
    return FAILED;
}

/* What to try. */

static const char *curl_command(void) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
    for (size_t i = 0; i < COUNT_OF(proxies); i++) {
        if (getenv(proxies[i])) return "curl -s --noproxy '*'";
    }
    return "curl -s";
}

static void print_requests(const struct demo *d) {
    const char *curl = curl_command();
    unsigned port = d->http_port;
    printf("Requests to try:\n"
           "\n  # by path: everything that no other rule takes goes to api-v1\n"
           "  %s 'http://localhost:%u/hello?name=you'\n",
           curl, port);
    printf("\n  # by header: the canary\n  %s -H 'X-Canary: yes' http://localhost:%u/hello\n", curl, port);
    printf("\n  # by weight: 90 to 10\n"
           "  for i in $(seq 50); do %s http://localhost:%u/split | grep '\"name\": \"api'; done | sort | "
           "uniq -c\n",
           curl, port);
    printf("\n  # header fields changed on the way in (X-Secret gone, X-Added-By there) and out "
           "(X-Answered-Through)\n"
           "  %s -i -H 'X-Secret: 42' http://localhost:%u/headers\n",
           curl, port);
    printf("\n  # path and host rewritten: the backend sees /v2/page on api.internal\n  %s "
           "http://localhost:%u/old/page\n",
           curl, port);
    printf("\n  # a redirect, answered by the gateway\n  %s -i http://localhost:%u/docs/start\n", curl, port);
    printf("\n  # another team's route on the shared Gateway, permitted by a ReferenceGrant\n  %s "
           "http://localhost:%u/shop/cart\n",
           curl, port);
    printf("\n  # TLS\n  %s --cacert %s --resolve demo.example:%u:127.0.0.1 https://demo.example:%u/\n", curl,
           d->folder.ca, d->https_port, d->https_port);
}

static void print_next(const struct demo *d) {
    char admin[64] = "";
    if (d->admin_port != 9901) snprintf(admin, sizeof admin, " --admin 127.0.0.1:%u", d->admin_port);
    printf(
        "\nWhat to look at:\n"
        "\n  %s status%s\n  %s explain GET http://localhost/split%s\n"
        "  %s explain GET http://localhost/old/page -H 'X-Canary: yes'%s\n  %s http://127.0.0.1:%u/metrics\n",
        d->exe, admin, d->exe, admin, d->exe, admin, curl_command(), d->admin_port);
    printf("\nChange a manifest and see it live: send all of /split to v2, then ask again\n"
           "\n  sed -i 's/weight: 90/weight: 0/' %s/40-routes.yaml\n"
           "\nCtrl-C ends everything.\n",
           d->folder.manifests);
    fflush(stdout);
}

/* Until Ctrl-C, or a child is gone. */
static int stay(struct demo *d) {
    while (reap(d)) {
        int signal = sigwaitinfo(&d->signals, NULL);
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) return CLI_DONE;
    }
    fprintf(stderr, "postern demo: %s has ended; so does the demo\n",
            d->children[0] ? "a backend" : "the gateway");
    return CLI_NO;
}

static int run(struct demo *d) {
    printf("Manifests in %s\nStarting three backends and the gateway ...\n\n", d->folder.manifests);
    err e = start_serve(d);
    for (int i = 0; i < DEMO_BACKENDS && e == OK; i++) e = start_backend(d, i);
    enum outcome o = e == OK ? wait_ready(d) : FAILED;
    if (o == INTERRUPTED) return CLI_DONE;
    if (o == FAILED) {
        fprintf(stderr,
                "postern demo: the gateway did not get ready. What is wrong may stand above, or in: %s check "
                "%s\n",
                d->exe, d->originals);
        return CLI_NO;
    }
    print_requests(d);
    print_next(d);
    return stay(d);
}

static int prepare(struct demo *d) {
    if (open_backends(d) != OK) {
        fprintf(stderr, "postern demo: no port for a backend: %s\n", strerror(errno));
        return CLI_NO;
    }
    d->http_port = free_port(8080);
    d->https_port = free_port(8443);
    d->admin_port = free_admin_port(9901);
    if (demo_folder_make(&d->folder, d->originals, d->backend_ports) != OK) {
        fprintf(stderr, "postern demo: the manifests of %s can not be copied to a temporary folder: %s\n",
                d->originals, strerror(errno));
        return CLI_NO;
    }
    return CLI_DONE;
}

int demo_main(int argc, char **argv) {
    struct cli_options o;
    err e = options_parse(&demo_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    struct demo d = {.backends = {-1, -1, -1}};
    const char *manifests = options_get(&o, "manifests", NULL);
    options_fini(&o);
    if (manifests) snprintf(d.originals, sizeof d.originals, "%s", manifests);
    if (manifests && access(manifests, R_OK | X_OK) != 0) {
        return options_wrong(&demo_command, "--manifests \"%s\": %s.", manifests, strerror(errno));
    }
    if (!find_program(&d) || (!manifests && !find_originals(&d))) {
        fprintf(stderr, "postern demo: the example is not found; name it: postern demo --manifests "
                        "examples/quickstart\n");
        return CLI_NO;
    }
    sigset_t before;
    sigemptyset(&d.signals);
    for (size_t i = 0; i < 4; i++) sigaddset(&d.signals, (const int[]){SIGINT, SIGTERM, SIGHUP, SIGCHLD}[i]);
    sigprocmask(SIG_BLOCK, &d.signals, &before);
    int status = prepare(&d);
    if (status == CLI_DONE) status = run(&d);
    end_children(&d);
    demo_folder_remove(&d.folder);
    for (int i = 0; i < DEMO_BACKENDS; i++) {
        if (d.backends[i] >= 0) close(d.backends[i]);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
