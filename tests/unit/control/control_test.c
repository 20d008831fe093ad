/* SPDX-License-Identifier: Apache-2.0 */
/* The serving process as a whole: manifests in a folder, requests over loopback. What happened is known from its log, which the test reads by
 * a pipe: nothing waits for time to pass. */
#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../free_port.h"
#include "admin/admin.h"
#include "control/supervisor.h"
#include "io/clock.h"
#include "io/sock.h"

enum { WAIT_MS = 20000 };
static const struct ip loopback = {.family = 4, .bytes = {127, 0, 0, 1}};

struct case_state {
    char dir[64], socket_path[108], out_path[108];
    int backend_fd, log_fd;
    int other_fd; /* of a socket that the serving process must not inherit; 0: none */
    pid_t backend, supervisor;
    uint16_t backend_port;
    struct control_config config;
    struct tls_seed seed;
    struct files_root root;
    char log[1 << 18];
    size_t log_n, log_at; /* what has been looked at */
};

/* Answers every connection with its name and closes. */
static _Noreturn void run_backend(int listener) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbackend";
    for (;;) {
        struct pollfd p = {.fd = listener, .events = POLLIN};
        struct ip ip;
        uint16_t port;
        int fd;
        char in[4096];
        if (poll(&p, 1, -1) != 1 || sock_accept(listener, &fd, &ip, &port) != OK) continue;
        p.fd = fd;
        if (poll(&p, 1, WAIT_MS) == 1 && read(fd, in, sizeof in) > 0 &&
            write(fd, answer, sizeof answer - 1) != sizeof answer - 1)
            _exit(1);
        shutdown(fd, SHUT_WR);
        while (poll(&p, 1, WAIT_MS) == 1 && read(fd, in, sizeof in) > 0) {}
        close(fd);
    }
}

static int setup(void **state) {
    struct case_state *c = base_zalloc(sizeof *c);
    snprintf(c->dir, sizeof c->dir, "/tmp/control_test.XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->socket_path, sizeof c->socket_path, "%s.sock", c->dir);
    snprintf(c->out_path, sizeof c->out_path, "%s.out", c->dir);
    assert_int_equal(sock_listen(&loopback, 0, 64, &c->backend_fd), OK);
    c->backend_port = sock_port(c->backend_fd);
    c->backend = fork();
    if (c->backend == 0) run_backend(c->backend_fd);
    c->root.path = c->dir;
    c->config = (struct control_config){.files = {.roots = &c->root, .roots_n = 1},
                                        .controller_name = "postern.dev/gateway-controller",
                                        .workers = 2,
                                        .access = ACCESS_JSON,
                                        .socket_path = c->socket_path,
                                        .ticket_seed = &c->seed,
                                        .drain_us_max = 5000000};
    *state = c;
    return 0;
}

static void put(const struct case_state *c, const char *name, const char *text) {
    char path[200], fresh[256];
    snprintf(path, sizeof path, "%s/%s", c->dir, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *f = fopen(fresh, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static int teardown(void **state) {
    struct case_state *c = *state;
    static const char *const names[] = {"gateway.yaml", "route.yaml", "backend.yaml"};
    kill(c->backend, SIGKILL);
    waitpid(c->backend, NULL, 0);
    if (c->supervisor > 0) { /* the case failed */
        kill(c->supervisor, SIGTERM);
        kill(c->supervisor, SIGTERM);
        waitpid(c->supervisor, NULL, 0);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", c->dir, names[i]);
        unlink(path);
    }
    unlink(c->socket_path);
    unlink(c->out_path);
    rmdir(c->dir);
    close(c->backend_fd);
    if (c->log_fd) close(c->log_fd);
    free(c);
    return 0;
}

static void put_gateway(const struct case_state *c, uint16_t port) {
    char text[1024];
    snprintf(
        text, sizeof text,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"
        "spec: {controllerName: postern.dev/gateway-controller}\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: default}\n"
        "spec:\n  gatewayClassName: postern\n  listeners:\n  - {name: http, port: %u, protocol: HTTP}\n",
        port);
    put(c, "gateway.yaml", text);
}
static void put_route(const struct case_state *c, const char *prefix) {
    char text[1024];
    snprintf(
        text, sizeof text,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: default}\n"
        "spec:\n  parentRefs: [{name: gw}]\n  rules:\n  - matches: [{path: {type: PathPrefix, value: %s}}]\n"
        "    backendRefs: [{name: svc, port: 80}]\n",
        prefix);
    put(c, "route.yaml", text);
}
static void put_backend(const struct case_state *c) {
    char text[1024];
    snprintf(text, sizeof text,
             "apiVersion: v1\nkind: Service\nmetadata: {name: svc, namespace: default}\n"
             "spec: {ports: [{port: 80, targetPort: %u}]}\n---\n"
             "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
             "metadata: {name: svc-1, namespace: default, labels: {kubernetes.io/service-name: svc}}\n"
             "addressType: IPv4\nports: [{port: %u}]\nendpoints: [{addresses: [127.0.0.1]}]\n",
             c->backend_port, c->backend_port);
    put(c, "backend.yaml", text);
}

static int run(void *arg, const struct words_start *start) {
    struct control_config *config = arg;
    config->start = *start;
    return control_run(config);
}

static void start(struct case_state *c) {
    int log[2];
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    c->supervisor = fork();
    if (c->supervisor == 0) {
        if (c->other_fd) close(c->other_fd);
        int out = open(c->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        dup2(log[1], STDERR_FILENO);
        dup2(out, STDOUT_FILENO);
        _exit(supervisor_run(&(struct supervisor_config){.serve = run, .arg = &c->config}));
    }
    close(log[1]);
    c->log_fd = log[0];
}

/* Reads on until a line that contains all of words (separated by '|'), and stands after it. */
static void await(struct case_state *c, const char *words) {
    uint64_t until = clock_monotonic_us() + (uint64_t)WAIT_MS * 1000;
    for (;;) {
        str rest = {c->log + c->log_at, c->log_n - c->log_at};
        while (str_find(rest, '\n') < rest.n) {
            str line = str_cut(&rest, '\n'), wanted = str_of(words);
            bool all = true;
            while (wanted.n) {
                str word = str_cut(&wanted, '|');
                all &= memmem(line.p, line.n, word.p, word.n) != NULL;
            }
            c->log_at = (size_t)(line.p + line.n + 1 - c->log);
            if (all) return;
        }
        struct pollfd p = {.fd = c->log_fd, .events = POLLIN};
        uint64_t now = clock_monotonic_us();
        ssize_t n = now < until && poll(&p, 1, (int)((until - now) / 1000)) == 1
                        ? read(c->log_fd, c->log + c->log_n, sizeof c->log - c->log_n)
                        : 0;
        if (n <= 0) fail_msg("no \"%s\" in the log:\n%.*s", words, (int)c->log_n, c->log);
        c->log_n += (size_t)n;
    }
}
static void await_port(struct case_state *c, const char *what, uint16_t port) {
    char words[128];
    snprintf(words, sizeof words, "%s|port=%u", what, port);
    await(c, words);
}

/* The status of GET path; 0: refused. */
static unsigned get(uint16_t port, const char *path) {
    int fd;
    char text[4096];
    if (sock_connect(&loopback, port, &fd) != OK) return 0;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    if (sock_error(fd)) {
        close(fd);
        return 0;
    }
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n",
                     path);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    size_t have = 0;
    p.events = POLLIN;
    for (ssize_t got = 1; got > 0 && have<sizeof text - 1; have += got> 0 ? (size_t)got : 0) {
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        got = recv(fd, text + have, sizeof text - 1 - have, 0);
    }
    close(fd);
    text[have] = 0;
    unsigned status = 0;
    return sscanf(text, "HTTP/1.1 %u", &status) == 1 ? status : 1;
}

/* A page; its text has each of words (separated by '|'). */
static void assert_page(const struct case_state *c, const char *page, unsigned status, const char *words) {
    struct buf b;
    uint16_t got = 0;
    buf_init(&b, 1 << 20);
    assert_int_equal(admin_get(c->socket_path, str_of(page), &got, &b), OK);
    str wanted = str_of(words), text = buf_str(&b);
    while (wanted.n) {
        str word = str_cut(&wanted, '|');
        if (!memmem(text.p, text.n, word.p, word.n))
            fail_msg("%s: no \"%.*s\" in:\n%.*s", page, (int)word.n, word.p, (int)text.n, text.p);
    }
    buf_fini(&b);
    assert_int_equal(got, status);
}

static void stop(struct case_state *c) {
    int how;
    kill(c->supervisor, SIGTERM);
    await(c, "drain begins");
    await(c, "ended");
    assert_int_equal(waitpid(c->supervisor, &how, 0), c->supervisor);
    c->supervisor = 0;
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static void test_manifests_become_traffic(void **state) {
    struct case_state *c = *state;
    uint16_t port = free_port();
    put_gateway(c, port);
    put_route(c, "/one");
    put_backend(c);
    start(c);
    await(c, "manifests read|files=3");
    await_port(c, "listener bound", port);
    await(c, "config adopted");
    await(c, "ready");
    assert_int_equal(get(port, "/one"), 200);
    assert_int_equal(get(port, "/two"), 404);
    put_route(c, "/two");
    await(c, "config adopted|routes_resolved=1");
    assert_int_equal(get(port, "/two"), 200);
    assert_int_equal(get(port, "/one"), 404);
    put(c, "route.yaml",
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {nonsense: "
        "1}\n");
    await(c, "manifest finding|route.yaml");
    assert_int_equal(get(port, "/two"), 200); /* the last good one */
    stop(c);
    assert_int_equal(get(port, "/two"), 0);
}

static void test_pages(void **state) {
    struct case_state *c = *state;
    uint16_t port = free_port();
    put_gateway(c, port);
    put_route(c, "/one");
    put_backend(c);
    start(c);
    await(c, "ready");
    assert_int_equal(get(port, "/one"), 200);
    assert_page(c, "/healthz", 200, "ok");
    assert_page(c, "/readyz", 200, "ready");
    assert_page(c, "/status", 200, "HTTPRoute|Programmed|\"findings\":[]|\"generation\":1");
    assert_page(c, "/plan", 200, "default/svc:80");
    assert_page(c, "/table", 200, "/one|127.0.0.1");
    assert_page(c, "/metrics", 200, "postern_");
    char page[128];
    snprintf(page, sizeof page, "/explain?method=GET&url=http%%3A%%2F%%2Fexample.com%%3A%u%%2Fone", port);
    assert_page(c, page, 200, "default/r");
    assert_page(c, "/explain", 400, "url");
    assert_page(c, "/nothing", 404, "/healthz");
    stop(c);
    FILE *f = fopen(c->out_path, "re");
    char line[4096] = "";
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_non_null(strstr(line, "/one"));
    fclose(f);
}

static void test_ports_come_and_go(void **state) {
    struct case_state *c = *state;
    uint16_t first = free_port(), second = free_port();
    put_gateway(c, first);
    put_route(c, "/");
    put_backend(c);
    start(c);
    await_port(c, "listener bound", first);
    await(c, "ready");
    put_gateway(c, second);
    await_port(c, "listener bound", second);
    await(c, "config adopted");
    assert_int_equal(get(second, "/"), 200);
    if (get(first, "/") != 0) await_port(c, "listener closed", first);
    put_gateway(c, first);
    await_port(c, "listener bound", first);
    await(c, "config adopted");
    assert_int_equal(get(first, "/"), 200);
    stop(c);
}

static void test_a_port_in_use_is_refused_and_tried_again(void **state) {
    struct case_state *c = *state;
    assert_int_equal(sock_listen(&loopback, 0, 8, &c->other_fd), OK);
    uint16_t port = sock_port(c->other_fd);
    put_gateway(c, port);
    put_route(c, "/");
    put_backend(c);
    start(c);
    await_port(c, "listener refused|already in use", port);
    await(c, "ready"); /* refused is an answer, too */
    assert_page(c, "/status", 200, "already in use");
    close(c->other_fd);
    await_port(c, "listener bound", port);
    assert_int_equal(get(port, "/"), 200);
    stop(c);
}

static void test_nothing_there_yet(void **state) {
    struct case_state *c = *state;
    uint16_t port = free_port();
    start(c);
    await(c, "ready");
    assert_page(c, "/status", 200, "\"items\":[]");
    put_backend(c);
    put_route(c, "/");
    put_gateway(c, port);
    await_port(c, "listener bound", port);
    await(c, "config adopted");
    assert_int_equal(get(port, "/"), 200);
    kill(c->supervisor, SIGHUP);
    await(c, "reload reads everything");
    await(c, "manifests read|files=3|documents=0");
    stop(c);
}

static void test_a_serving_process_that_dies_is_replaced(void **state) {
    struct case_state *c = *state;
    uint16_t port = free_port();
    put_gateway(c, port);
    put_route(c, "/");
    put_backend(c);
    start(c);
    await(c, "ready");
    assert_int_equal(get(port, "/"), 200);
    char path[64];
    int serving = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", c->supervisor, c->supervisor);
    FILE *f = fopen(path, "re");
    if (!f) { /* a kernel without CONFIG_PROC_CHILDREN: supervisor_test covers the rest */
        stop(c);
        return;
    }
    assert_int_equal(fscanf(f, "%d", &serving), 1);
    fclose(f);
    kill(serving, SIGKILL);
    await(c, "serving process died|signal=9");
    assert_int_equal(get(port, "/"), 200); /* waits in the backlog until the next one accepts it */
    await(c, "ready");
    stop(c);
}

/* Also a second time just when all is done: the end comes soon after "listener closed", and the rounds ask at moments all around it. */
static void test_asked_again_as_it_ends(void **state) {
    struct case_state *c = *state;
    put_gateway(c, free_port());
    for (int round = 0; round < 60; round++) {
        int how = 0;
        start(c);
        await(c, "ready");
        kill(c->supervisor, SIGTERM);
        await(c, round % 2 ? "listener closed" : "drain begins");
        for (volatile int wait = 0; wait < round * 1000; wait++) {}
        kill(c->supervisor, SIGTERM);
        assert_int_equal(waitpid(c->supervisor, &how, 0), c->supervisor);
        c->supervisor = 0;
        assert_true(WIFEXITED(how));
        assert_int_equal(WEXITSTATUS(how), 0);
        await(c, "ended");
        close(c->log_fd);
        c->log_fd = 0;
        c->log_n = c->log_at = 0;
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_manifests_become_traffic), CASE(test_pages),
        CASE(test_ports_come_and_go),        CASE(test_a_port_in_use_is_refused_and_tried_again),
        CASE(test_nothing_there_yet),        CASE(test_a_serving_process_that_dies_is_replaced),
        CASE(test_asked_again_as_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
