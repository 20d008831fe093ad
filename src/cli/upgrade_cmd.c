/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/instance.h"
#include "control/changeover.h"
#include "control/words.h"
#include "io/unix_sock.h"

enum { SECONDS_DEFAULT = 60, SLACK_MS = 10000, LINE_BYTES_MAX = 8192 };

static const struct cli_option options[] = {
    {"binary", 0, "PATH", "The binary to go on with (default: the one that runs this command)."},
    {"workers", 0, "N", "With another number of threads that serve traffic."},
    {"timeout", 0, "SECONDS", "In which the new process is to be ready, or is ended (default 60)."},
    {"admin", 0, "ADDRESS", instance_admin_help},
};
const struct cli_command upgrade_cmd_command = {
    .name = "upgrade",
    .args = "",
    .summary = "Lets a running instance go on as another binary, without a lost connection or request.",
    .more = "The instance starts the binary with its own command line on its own sockets. When that is "
            "ready, it\n"
            "takes all new connections, and the process before finishes what it has begun (--handover of "
            "serve).\n"
            "If it fails or is not ready in time, nothing has changed, and it is said why.\n"
            "\n"
            "Examples:\n"
            "  /opt/postern-new/bin/postern upgrade\n"
            "  postern upgrade --binary /usr/bin/postern --workers 4",
    .options = options,
    .options_n = COUNT_OF(options),
    .args_min = 0,
    .args_max = 0,
};

/* The other process may be in another folder. */
static err read_binary(const struct cli_options *o, struct changeover_wish *w) {
    char path[sizeof w->binary];
    const char *given = options_get(o, "binary", "/proc/self/exe");
    if (!realpath(given, path))
        return options_refuse(o->command, "--binary \"%s\": %s", given, strerror(errno));
    if (access(path, X_OK) < 0)
        return options_refuse(o->command, "--binary \"%s\": %s", path, strerror(errno));
    snprintf(w->binary, sizeof w->binary, "%s", path);
    return OK;
}

static err read_socket(const struct cli_options *o, char ret[108]) {
    char admin[108];
    TRY(instance_socket(o, admin));
    if (changeover_socket_path(admin, ret) == OK) return OK;
    return options_refuse(o->command, "the name of the control socket %s is too long to add to", admin);
}

static err connect_to(const char *path, int *ret_fd) {
    char service[108];
    if (unix_sock_connect(path, ret_fd) == OK) return OK;
    int why = errno;
    if (instance_service_socket(path, service) == OK && unix_sock_connect(service, ret_fd) == OK) return OK;
    fprintf(stderr,
            "postern upgrade: nobody answers on %s (%s).\n"
            "  It runs elsewhere? Give the --admin address that it was started with, as the same user.\n",
            path, strerror(why));
    return ERR_IO;
}

/* false: nothing comes any more, or not in time. Who was stopped and goes on waits on. */
static bool next_char(int fd, int patience_ms, char *ret) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready;
    ssize_t n = 0;
    do {
        ready = poll(&p, 1, patience_ms);
        if (ready == 1) n = read(fd, ret, 1);
    } while ((ready < 0 || n < 0) && errno == EINTR);
    return n == 1;
}

/* Prints what comes; the last line tells how it ended. */
static int follow(int fd, uint64_t seconds) {
    struct buf b;
    buf_init(&b, LINE_BYTES_MAX);
    int status = -1;
    char c;
    while (status < 0 && next_char(fd, (int)seconds * 1000 + SLACK_MS, &c)) {
        if (c != '\n') {
            buf_add_char(&b, c);
            continue;
        }
        str line = buf_str(&b);
        if (str_starts(line, S(CHANGEOVER_DONE))) status = CLI_DONE;
        if (str_starts(line, S(CHANGEOVER_FAILED))) status = CLI_NO;
        fprintf(status == CLI_DONE ? stdout : stderr, "%s" STR_FMT "\n",
                status == CLI_NO ? "postern upgrade " : "", STR_ARG(line));
        buf_clear(&b);
    }
    buf_fini(&b);
    if (status >= 0) return status;
    fprintf(stderr, "postern upgrade: the instance ended without an answer; its log tells more.\n");
    return CLI_NO;
}

int upgrade_cmd_main(int argc, char **argv) {
    struct cli_options o;
    err e = options_parse(&upgrade_cmd_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    struct changeover_wish w = {.version = WORDS_VERSION};
    uint64_t seconds = SECONDS_DEFAULT, workers = 0;
    char path[108];
    e = read_binary(&o, &w);
    if (e == OK) e = options_number(&o, "timeout", 1, CHANGEOVER_SECONDS_MAX, &seconds);
    if (e == OK) e = options_number(&o, "workers", 1, WORDS_SOCKETS_MAX, &workers);
    if (e == OK) e = read_socket(&o, path);
    int status = CLI_USAGE, fd = -1;
    w.seconds = (uint32_t)seconds;
    if (workers) snprintf(w.workers, sizeof w.workers, "%u", (unsigned)workers);
    if (e == OK && connect_to(path, &fd) == OK)
        status = send(fd, &w, sizeof w, MSG_NOSIGNAL) == (ssize_t)sizeof w ? follow(fd, seconds) : CLI_NO;
    else if (e == OK)
        status = CLI_NO;
    if (fd >= 0) close(fd);
    options_fini(&o);
    return status;
}
