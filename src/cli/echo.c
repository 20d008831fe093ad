/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/echo.h"

#include <errno.h>
#include <unistd.h>

#include "admin/page_server.h"
#include "base/num.h"
#include "cli/cli.h"
#include "io/sock.h"

enum {
    PORT_DEFAULT = 9001,
    BACKLOG = 1024,
    CONNS_MAX = 1024,
    HEAD_BYTES_MAX = 65536,
    DEADLINE_US = 120000000, /* longer than a gateway keeps a connection, so that it is the one to close */
    ANSWER_BYTES_MAX = 1 << 20,
};
static const uint64_t body_bytes_max = (uint64_t)1 << 32;

static const struct cli_option options[] = {
    {"port", 'p', "PORT", "The port to listen on, all addresses; 9001 unless given."},
    {"name", 'n', "NAME", "The name to answer with; \"echo\" unless given."},
};
const struct cli_command echo_command = {
    .name = "echo",
    .args = "",
    .summary = "Be a small HTTP backend that answers with what it was asked.",
    .more = "The answer is JSON: name, method, path, query, host, headers, tls and the bytes of the body.\n"
            "The path /status/NNN answers with the status NNN.",
    .options = options,
    .options_n = COUNT_OF(options),
};

static void add_member(struct buf *b, const char *name, str value) {
    buf_printf(b, "  \"%s\": ", name);
    buf_add_json(b, value);
    buf_add(b, S(",\n"));
}

static void add_headers(struct buf *b, const struct http_msg *m) {
    const char *before = "\n";
    buf_add(b, S("  \"headers\": ["));
    for (uint32_t i = 0; i < m->fields_n; i++) {
        if (m->fields[i].gone) continue;
        buf_printf(b, "%s    {\"name\": ", before);
        buf_add_json(b, m->fields[i].name);
        buf_add(b, S(", \"value\": "));
        buf_add_json(b, m->fields[i].value);
        buf_add(b, S("}"));
        before = ",\n";
    }
    buf_add(b, S("\n  ],\n"));
}

static uint16_t status_for(str path) {
    uint64_t status;
    if (!str_starts(path, S("/status/"))) return 200;
    return num_parse(str_from(path, 8), 599, &status) == OK && status >= 200 ? (uint16_t)status : 200;
}

static void on_request(void *arg, struct page_request *r) {
    const char *name = arg;
    const struct http_msg *m = r->head;
    struct buf b;
    buf_init(&b, ANSWER_BYTES_MAX);
    buf_add(&b, S("{\n"));
    add_member(&b, "name", str_of(name));
    add_member(&b, "method", m->method);
    add_member(&b, "path", m->path);
    add_member(&b, "query", str_from(m->query, 1));
    add_member(&b, "host", m->authority);
    add_headers(&b, m);
    buf_printf(&b, "  \"tls\": false,\n  \"bodyBytes\": %llu\n}\n", (unsigned long long)r->body_bytes);
    struct http_field served_by = {.name = S("X-Served-By"), .value = str_of(name)};
    page_server_answer(r, &(struct page_answer){.status = status_for(m->path),
                                                .content_type = S("application/json"),
                                                .body = buf_str(&b),
                                                .fields = &served_by,
                                                .fields_n = 1});
    buf_fini(&b);
}

int echo_run(int listen_fd, const char *name) {
    struct loop loop;
    loop_init(&loop);
    struct page_server *server =
        page_server_new(&loop, &(struct page_server_config){.conns_max = CONNS_MAX,
                                                            .head_bytes_max = HEAD_BYTES_MAX,
                                                            .deadline_us = DEADLINE_US,
                                                            .body_bytes_max = body_bytes_max,
                                                            .ask = on_request,
                                                            .arg = (void *)(uintptr_t)name});
    err e = page_server_listen(server, listen_fd);
    if (e == OK) loop_run(&loop, NULL, NULL);
    page_server_free(server);
    loop_fini(&loop);
    return e == OK ? CLI_DONE : CLI_NO;
}

int echo_main(int argc, char **argv) {
    struct cli_options o;
    err e = options_parse(&echo_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    const char *name = options_get(&o, "name", "echo"), *word = options_get(&o, "port", NULL);
    options_fini(&o);
    uint16_t port = PORT_DEFAULT;
    if (word && num_parse_port(str_of(word), &port) != OK) {
        return options_wrong(&echo_command, "--port \"%s\" is no port (1 to 65535).", word);
    }
    int fd;
    if (sock_listen(&(struct ip){0}, port, BACKLOG, &fd) != OK) {
        fprintf(stderr, "postern echo: port %u can not be listened on: %s. Choose another: --port PORT\n",
                port, strerror(errno));
        return CLI_NO;
    }
    fprintf(stderr, "postern echo: %s answers on port %u; Ctrl-C ends it\n", name, port);
    return echo_run(fd, name);
}
