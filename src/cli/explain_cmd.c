/* SPDX-License-Identifier: Apache-2.0 */
#include "control/explain.h"

#include "admin/admin.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/instance.h"
#include "cli/offline.h"
#include "cli/snapshot.h"

enum { OUTPUT_BYTES_MAX = 64 << 20, QUESTION_BYTES_MAX = 7000 };

static const struct cli_option options[] = {
    {"header", 'H', "'NAME: VALUE'",
     "A header of the request; may be repeated. Host is the URL's unless given."},
    {"file", 'f', "PATH",
     "Explain by these manifests (a file, or a folder in depth; may be repeated) instead of asking the "
     "running instance."},
    {"plan", 0, "FILE",
     "Explain by a plan, as the page /plan of an instance prints it. It has no statuses: routes that are not "
     "attached are not told."},
    {"kube", 0, NULL,
     "Explain by what the Kubernetes API server has, read with your own rights, instead of asking an "
     "instance."},
    {"kubeconfig", 0, "FILE", "With --kube: as serve's; $KUBECONFIG or ~/.kube/config unless given."},
    {"context", 0, "NAME", "With --kube: another context than the kubeconfig's current one."},
    {"controller-name", 0, "NAME", "With --kube: as serve's; postern.dev/gateway-controller unless given."},
    {"namespace", 'n', "NAMESPACE",
     "With --kube: be content with this one when the whole cluster is not yours to read."},
    {"gateway", 0, "NAMESPACE/NAME",
     "The Gateway that the request comes to, where several have the port; in a cluster the one with the "
     "URL's address unless given."},
    {"tls-sni", 0, "NAME", "The TLS server name; the URL's host unless given, '' for none."},
    {"map-port", 0, "PORT:TO", "With -f: as serve's --map-port; may be repeated."},
    {"output", 'o', "FORM", "text (unless given) or json.", "text json"},
    {"admin", 0, "ADDRESS", instance_admin_help},
};
const struct cli_command explain_cmd_command = {
    .name = "explain",
    .args = "METHOD URL",
    .summary =
        "Show what would become of a request: listener, route, filters, backends, or why none answers.",
    .more = "The URL's port is a listener's port (or that of its socket). Nothing is sent to a backend.\n"
            "What nearly took the request is told last, the closest first, with what of it does not hold.\n\n"
            "Examples:\n"
            "  postern explain GET http://shop.example/cart?id=1 -H 'X-Env: canary'\n"
            "  postern explain GET https://10.0.0.1/ --tls-sni shop.example -H 'Host: shop.example'\n"
            "  postern explain POST http://shop.example/ -f manifests/ -o json\n"
            "  curl -s localhost:9901/plan >plan.json; postern explain GET http://shop.example/ --plan "
            "plan.json\n\n"
            "Exit status: 0 it is told, 1 nobody answered, 2 used wrongly.",
    .options = options,
    .options_n = COUNT_OF(options),
    .args_min = 2,
    .args_max = 2,
};

static err read_headers(const struct cli_options *o, struct table_header **ret, size_t *ret_n) {
    size_t n;
    const char **all = options_all(o, "header", &n);
    struct table_header *headers = base_zalloc(sizeof *headers * (n + 1));
    err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        str value = str_of(all[i]), name = str_trim(str_cut(&value, ':'));
        headers[i] = (struct table_header){name, str_trim(value)};
        if (value.p && name.n) continue;
        options_wrong(&explain_cmd_command, "-H \"%s\" is no header; give it as 'Name: value'.", all[i]);
        e = ERR_PROTO;
    }
    free((void *)all);
    if (e != OK) {
        free(headers);
        return e;
    }
    *ret = headers, *ret_n = n;
    return OK;
}

static err read_port_maps(const struct cli_options *o, struct offline_settings *ret) {
    size_t n;
    const char **all = options_all(o, "map-port", &n);
    struct fact_port_map *maps = base_zalloc(sizeof *maps * (n + 1));
    err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        str to = str_of(all[i]), from = str_cut(&to, ':');
        if (num_parse_port(from, &maps[i].port) == OK && num_parse_port(to, &maps[i].to) == OK) continue;
        options_wrong(&explain_cmd_command, "--map-port \"%s\" is none; give it as 80:8080.", all[i]);
        e = ERR_PROTO;
    }
    free((void *)all);
    if (e != OK) {
        free(maps);
        return e;
    }
    *ret = (struct offline_settings){.port_maps = maps, .port_maps_n = (uint32_t)n};
    return OK;
}

static int explain_read(const struct offline *off, const struct explain_query *q, bool json,
                        const char *path) {
    struct buf b;
    buf_init(&b, OUTPUT_BYTES_MAX);
    err e = explain_run(&off->pipeline, q, json, &b);
    fwrite(b.p, 1, b.n, e == OK ? stdout : stderr);
    if (off->findings.n) {
        fprintf(stderr,
                "postern explain: %u mistakes in the manifests were left aside; see them: postern check %s\n",
                off->findings.n, path);
    }
    buf_fini(&b);
    return e == OK ? CLI_DONE : CLI_USAGE;
}

static int explain_offline(const struct cli_options *o, const char *const *paths, size_t n,
                           const struct explain_query *q, bool json) {
    struct offline_settings settings;
    struct offline off;
    const char *missing;
    if (read_port_maps(o, &settings) != OK) return CLI_USAGE;
    int status = CLI_USAGE;
    if (offline_init(&off, paths, n, &settings, &missing) != OK) {
        options_wrong(&explain_cmd_command,
                      "\"%s\" can not be read: no such file or folder, or not permitted.", missing);
    } else {
        status = explain_read(&off, q, json, paths[0]);
        offline_fini(&off);
    }
    free(settings.port_maps);
    return status;
}

static int explain_plan(const char *path, const struct explain_query *q, bool json) {
    OWNED(arena) a = arena_new();
    struct offline off;
    str message;
    if (offline_init_plan(&off, a, path, &message) != OK)
        return options_wrong(&explain_cmd_command, "--plan \"%s\": " STR_FMT, path, STR_ARG(message));
    int status = explain_read(&off, q, json, path);
    offline_fini(&off);
    return status;
}

static int explain_kube(const struct cli_options *o, const struct explain_query *q, bool json) {
    struct snapshot s;
    struct buf b;
    int status;
    if (!snapshot_init(o, str_of(options_get(o, "namespace", "")), &s, &status)) return status;
    buf_init(&b, OUTPUT_BYTES_MAX);
    err e = explain_run(&s.pipeline, q, json, &b);
    fwrite(b.p, 1, b.n, e == OK ? stdout : stderr);
    fprintf(stderr, STR_FMT, STR_ARG(buf_str(&s.notes)));
    buf_fini(&b);
    snapshot_fini(&s);
    return e == OK ? CLI_DONE : CLI_USAGE;
}

static int explain_running(const struct cli_options *o, const struct explain_query *q, bool json) {
    struct buf question, body;
    buf_init(&question, QUESTION_BYTES_MAX);
    buf_init(&body, OUTPUT_BYTES_MAX);
    buf_add(&question, S("/explain?method="));
    admin_query_escape(&question, q->method);
    buf_add(&question, S("&url="));
    admin_query_escape(&question, q->url);
    for (size_t i = 0; i < q->headers_n; i++) {
        buf_add(&question, S("&h="));
        admin_query_escape(&question, q->headers[i].name);
        admin_query_escape(&question, S(": "));
        admin_query_escape(&question, q->headers[i].value);
    }
    if (q->sni.p) {
        buf_add(&question, S("&sni="));
        admin_query_escape(&question, q->sni);
    }
    if (q->gateway.n) {
        buf_add(&question, S("&gateway="));
        admin_query_escape(&question, q->gateway);
    }
    if (json) buf_add(&question, S("&format=json"));
    int status;
    uint16_t answer;
    if (question.overflow) {
        status = options_wrong(&explain_cmd_command,
                               "the request is too long to be asked about; explain it offline with -f.");
    } else if (instance_get(o, buf_str(&question), &answer, &body, &status)) {
        fwrite(body.p, 1, body.n, answer == 200 ? stdout : stderr);
        status = answer == 200 ? CLI_DONE : answer == 400 ? CLI_USAGE : CLI_NO;
    }
    buf_fini(&question);
    buf_fini(&body);
    return status;
}

static int run(const struct cli_options *o) {
    static const char *const forms[] = {"text", "json", NULL};
    size_t form, paths_n;
    struct table_header *headers;
    struct explain_query q = {.method = str_of(o->args[0]), .url = str_of(o->args[1])};
    if (options_choice(o, "output", forms, &form) != OK || read_headers(o, &headers, &q.headers_n) != OK)
        return CLI_USAGE;
    q.headers = headers;
    q.sni = str_of(options_get(o, "tls-sni", NULL));
    q.gateway = str_of(options_get(o, "gateway", NULL));
    const char **paths = options_all(o, "file", &paths_n), *plan = options_get(o, "plan", NULL);
    int status;
    if (options_has(o, "kube")) {
        status = plan || paths_n ? options_wrong(&explain_cmd_command, "--kube excludes -f and --plan.")
                                 : explain_kube(o, &q, form == 1);
    } else if (plan) {
        status = paths_n ? options_wrong(&explain_cmd_command, "-f and --plan exclude each other.")
                         : explain_plan(plan, &q, form == 1);
    } else {
        status =
            paths_n ? explain_offline(o, paths, paths_n, &q, form == 1) : explain_running(o, &q, form == 1);
    }
    free((void *)paths);
    free(headers);
    return status;
}

int explain_cmd_main(int argc, char **argv) {
    struct cli_options o;
    err e = options_parse(&explain_cmd_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    int status = run(&o);
    options_fini(&o);
    return status;
}
