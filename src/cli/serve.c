/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "admin/admin.h"
#include "admin/metrics.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/instance.h"
#include "cli/serve_access.h"
#include "cli/serve_files.h"
#include "cli/serve_kube.h"
#include "cli/serve_sandbox.h"
#include "cli/serve_secret.h"
#include "control/control.h"
#include "control/supervisor.h"
#include "io/descriptors.h"
#include "io/dns.h"
#include "io/log.h"
#include "io/memory.h"

enum {
    WORKERS_MAX = 1024,
    CONNECTIONS_MAX = 10000000,
    DRAIN_S_DEFAULT = 30,
    HANDOVER_S_DEFAULT = 3600,
    DRAIN_S_MAX = 24 * 3600,
    LINGER_S_KUBE = 5,
    DNS_BYTES_MAX = 4096
};

static const struct cli_option options[] = {
    {"file", 'f', "PATH...",
     "Manifests: files and folders (*.yaml, *.yml, *.json), followed. May be repeated; further "
     "paths may follow."},
    {"infra", 0, "DIR", "The same as -f, for what the operator keeps apart from tenants. May be repeated."},
    {"tenant", 0, "NAMESPACE=DIR",
     "Manifests of a tenant: Routes, Services, EndpointSlices, Secrets, ConfigMaps, ReferenceGrants, "
     "ListenerSets "
     "and policies in NAMESPACE alone (docs/standalone.md). May be repeated."},
    {"tenant-endpoints", 0, "CIDR",
     "Where tenants may have endpoints although the addresses are loopback, link-local or this machine's. "
     "May be "
     "repeated."},
    {"tls", 0, "NAMESPACE/NAME=CERT,KEY",
     "A Secret of type kubernetes.io/tls made of two PEM files, followed. May be repeated."},
    {"kube", 0, NULL,
     "Follow a Kubernetes API server instead of files, write statuses there, and give each Gateway a Service "
     "(docs/kubernetes.md)."},
    {"kubeconfig", 0, "FILE",
     "With --kube: where the API server is and who we are (default $KUBECONFIG, else the pod's "
     "ServiceAccount, else "
     "~/.kube/config)."},
    {"context", 0, "NAME", "With --kube: another context than the kubeconfig's current one."},
    {"namespace", 0, "NAME",
     "With --kube: only what is in this namespace, so that Roles suffice. May be repeated (default: the "
     "whole "
     "cluster)."},
    {"gateway-service", 0, "TYPE",
     "With --kube: what Gateways' Services are: LoadBalancer, NodePort, ClusterIP, or HostPort: none, the "
     "pods "
     "have the node's network (default LoadBalancer).",
     "LoadBalancer NodePort ClusterIP HostPort"},
    {"lease", 0, "NAME",
     "With --kube: of those that share this Lease one writes; another installation in the same namespace "
     "needs another one "
     "(default postern)."},
    {"health", 0, "ADDRESS",
     "Where /healthz, /readyz and /metrics alone are answered, too (default with --kube :9902, else "
     "nowhere)."},
    {"controller-name", 0, "NAME",
     "The GatewayClasses to serve: those whose spec.controllerName is NAME (default "
     "postern.dev/gateway-controller)."},
    {"map-port", 0, "FROM:TO", "Listen on TO for listeners of port FROM, as in 80:8080. May be repeated."},
    {"dns", 0, "ADDRESS[:PORT]",
     "Ask this DNS server for the names of XBackends. May be repeated (default: those of /etc/resolv.conf)."},
    {"secret-file", 0, "FILE",
     "A secret of 32 bytes or more, the same for all replicas and over restarts: what clients keep of their "
     "sessions, those of TLS too, is sealed by it (default: one of this start; docs/choices.md, "
     "docs/tls.md)."},
    {"workers", 0, "N", "Threads that serve traffic (default: one per core)."},
    {"access-log", 0, "FORM",
     "A line a request: off, json, text, a template such as '%{client} %{status} %{total_us:ms}', or @FILE "
     "with "
     "one in it (default off; docs/observing.md). Gateways may say otherwise (accessLog in "
     "docs/settings.md).",
     "off json text"},
    {"access-log-to", 0, "WHERE",
     "A file, opened anew on SIGHUP and when it was renamed; unix:PATH, a socket; or -, standard output "
     "(default)."},
    {"memory", 0, "BYTES",
     "How much memory the serving process may hold, as in 512Mi: before that, what is idle is closed, then "
     "requests "
     "are refused "
     "(default: what its control groups allow; 0: no bound)."},
    {"user", 0, "USER[:GROUP]",
     "Started as root: become this user, by name or number. Ports below 1024 are still opened; manifests, "
     "keys "
     "and the "
     "access log must be this user's to read and write."},
    {"sandbox", 0, "WHAT",
     "on: keep no privileges, and leave the serving process the system calls and files that it needs, where "
     "the "
     "kernel can see to that (docs/hardening.md); off (default on).",
     "on off"},
    {"max-connections", 0, "N",
     "How many connections of clients there may be at once (default: half of the descriptors that this "
     "process may "
     "have, less a few): beyond it the idle ones make room, then others wait."},
    {"metrics-series", 0, "N",
     "How many series /metrics has at most (default 1000): what there is no room for is counted under "
     "route=\"other\"."},
    {"log-level", 0, "LEVEL", "debug, info, warn or error (default info), on standard error.",
     "debug info warn error"},
    {"admin", 0, "ADDRESS",
     "Where /healthz, /readyz, /metrics, /status, /plan, /table and /explain are answered "
     "(default $POSTERN_ADMIN, else 127.0.0.1:9901); 0: nowhere."},
    {"drain", 0, "SECONDS",
     "How long what is in flight may take after SIGTERM or SIGINT (default 30); a second "
     "signal ends it at once."},
    {"handover", 0, "SECONDS",
     "After `postern upgrade`: how long what is in flight may take in the process before (default 3600)."},
    {"linger", 0, "SECONDS",
     "Of that, how long connections are still taken, until those who send them know (default with --kube 5, "
     "from when the Gateways' EndpointSlices name other pods; else 0)."},
};
const struct cli_command serve_command = {
    .name = "serve",
    .args = "-f PATH... | --kube",
    .summary = "Serves the traffic that the manifests describe, and follows every change of them.",
    .more = "Examples:\n"
            "  postern serve -f manifests/\n"
            "  postern serve -f gateway.yaml routes/ --map-port 80:8080 --map-port 443:8443\n"
            "  postern serve --infra infra/ --tenant shop=/srv/shop --tls infra/site=site.crt,site.key\n"
            "  postern serve -f /etc/postern --access-log json --admin 127.0.0.1:9901\n"
            "  postern serve --kube\n"
            "\n"
            "SIGHUP reads everything again and opens the access log's file anew. SIGTERM drains, then ends "
            "with 0.",
    .options = options,
    .options_n = COUNT_OF(options),
    .args_min = 0,
    .args_max = UINT32_MAX,
};

/* What clients keep of their sessions has to be opened by whoever serves next. */
struct keepsake {
    struct tls_seed ticket_seed;
    uint8_t session_key[32];
};

/* What the command line says; the strings are argv's. */
struct settings {
    struct cli_options given;
    struct control_config config;
    struct tls_seed ticket_seed;
    struct keepsake keepsake;
    struct serve_files files;
    struct serve_kube kube;
    struct serve_access access;
    struct serve_sandbox sandbox;
    struct fact_port_map *maps;
    enum log_level level;
    char socket_path[108];
    struct buf dns;
};

static err read_maps(struct settings *s) {
    size_t n;
    const char **given = options_all(&s->given, "map-port", &n);
    s->maps = base_zalloc((n + 1) * sizeof *s->maps);
    err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        str rest = str_of(given[i]), from = str_cut(&rest, ':');
        struct fact_port_map *m = &s->maps[i];
        if (!rest.p || num_parse_port(from, &m->port) != OK || num_parse_port(rest, &m->to) != OK)
            e = options_refuse(&serve_command, "--map-port \"%s\" is not FROM:TO, two ports as in 80:8080",
                               given[i]);
        for (size_t k = 0; k < i && e == OK; k++)
            if (s->maps[k].port == m->port)
                e = options_refuse(&serve_command, "--map-port names port %u twice", m->port);
    }
    free((void *)given);
    s->config.port_maps = s->maps;
    s->config.port_maps_n = n;
    return e;
}

static err read_admin(struct settings *s) {
    const char *text = instance_admin(&s->given);
    if (admin_parse_address(str_of(text), &s->config.admin_ip, &s->config.admin_port) != OK)
        return options_refuse(&serve_command, "%s \"%s\" is not ADDRESS:PORT, as in 127.0.0.1:9901",
                              options_has(&s->given, "admin") ? "--admin" : "POSTERN_ADMIN", text);
    if (s->config.admin_port) {
        admin_socket_path(&s->config.admin_ip, s->config.admin_port, s->socket_path);
        s->config.socket_path = s->socket_path;
    }
    return OK;
}

static err read_memory(struct settings *s) {
    const char *text = options_get(&s->given, "memory", NULL);
    if (!text) {
        s->config.memory_limit = memory_limit("");
        return OK;
    }
    if (memory_parse(str_of(text), &s->config.memory_limit) == OK) return OK;
    return options_refuse(&serve_command, "--memory \"%s\" is no number of bytes, as in 512Mi", text);
}

/* c-ares takes them as one text. */
static err read_dns(struct settings *s) {
    size_t n;
    const char **given = options_all(&s->given, "dns", &n);
    err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        if (dns_parse_server(str_of(given[i])) != OK)
            e = options_refuse(&serve_command,
                               "--dns \"%s\" is not ADDRESS or ADDRESS:PORT, as in 192.0.2.53 or "
                               "[2001:db8::53]:5353",
                               given[i]);
        buf_printf(&s->dns, "%s%s", i ? "," : "", given[i]);
    }
    buf_add_char(&s->dns, 0);
    if (e == OK && s->dns.overflow) e = options_refuse(&serve_command, "--dns is given too often");
    s->config.dns = n ? buf_str(&s->dns).p : NULL;
    free((void *)given);
    return e;
}

static err read_health(struct settings *s, bool kube) {
    const char *text = options_get(&s->given, "health", kube ? ":9902" : "0");
    if (admin_parse_address(str_of(text), &s->config.health_ip, &s->config.health_port) != OK)
        return options_refuse(&serve_command, "--health \"%s\" is not ADDRESS:PORT, as in 0.0.0.0:9902",
                              text);
    return OK;
}

static err read_settings(struct settings *s) {
    uint64_t workers = 0, connections = 0, series = METRICS_SERIES_USUAL, drain_s = DRAIN_S_DEFAULT, linger_s,
             handover_s = HANDOVER_S_DEFAULT;
    bool kube;
    TRY(serve_kube_read(&s->given, &s->kube, &kube));
    if (kube)
        s->config.cluster = &s->kube.config;
    else
        TRY(serve_files_read(&s->given, &s->files));
    s->config.files = s->files.config;
    TRY(read_health(s, kube));
    TRY(read_maps(s));
    TRY(read_dns(s));
    TRY(options_number(&s->given, "workers", 1, WORKERS_MAX, &workers));
    TRY(options_number(&s->given, "max-connections", 1, CONNECTIONS_MAX, &connections));
    TRY(options_number(&s->given, "metrics-series", METRICS_SERIES_MIN, METRICS_SERIES_MAX, &series));
    TRY(options_number(&s->given, "drain", 0, DRAIN_S_MAX, &drain_s));
    TRY(options_number(&s->given, "handover", 0, DRAIN_S_MAX, &handover_s));
    linger_s = kube ? LINGER_S_KUBE : 0;
    TRY(options_number(&s->given, "linger", 0, DRAIN_S_MAX, &linger_s));
    TRY(read_memory(s));
    TRY(serve_access_read(&s->given, &s->access));
    const char *level = options_get(&s->given, "log-level", "info");
    if (log_parse_level(str_of(level), &s->level) != OK)
        return options_refuse(&serve_command, "--log-level \"%s\" is none of: debug, info, warn, error",
                              level);
    /* Another binary takes over with the secrets of the one before, whose user may not read the file any more. */
    if (!getenv(WORDS_SERVING) && !getenv(WORDS_GOES_ON))
        TRY(serve_secret_read(&s->given, s->keepsake.session_key, &s->keepsake.ticket_seed));
    TRY(serve_sandbox_read(
        &s->given, &s->sandbox)); /* after what root alone may read, before what depends on who we are */
    TRY(read_admin(s));
    s->config.controller_name = options_get(&s->given, "controller-name", "postern.dev/gateway-controller");
    const char *slash = strchr(s->config.controller_name, '/'); /* [GW GatewayController] */
    if (!slash || slash == s->config.controller_name || !slash[1])
        return options_refuse(&serve_command,
                              "--controller-name \"%s\" is not DOMAIN/PATH, as in example.com/gateway",
                              s->config.controller_name);
    s->config.ticket_seed = &s->ticket_seed;
    s->config.workers = (unsigned)workers;
    s->config.connections_max = (uint32_t)connections;
    s->config.metrics_series = (uint32_t)series;
    s->config.access = s->access.form;
    s->config.access_program = s->access.program;
    s->config.access_to = s->access.to;
    s->config.drain_us_max = drain_s * 1000000;
    s->config.linger_us = linger_s * 1000000;
    s->config.handover_us_max = handover_s * 1000000;
    return OK;
}

/* Who is started by a service manager tells it. The watchdog is that of the main process, which this one works for. */
static void read_manager(struct control_config *c) {
    const char *pid = getenv("WATCHDOG_PID"), *us = getenv("WATCHDOG_USEC");
    uint64_t of = 0, v = 0;
    c->notify_socket = getenv("NOTIFY_SOCKET");
    bool ours = !pid || (num_parse(str_of(pid), INT32_MAX, &of) == OK && of == (uint64_t)getppid());
    if (ours && us && num_parse(str_of(us), UINT64_MAX, &v) == OK) c->watchdog_us = v;
}

static int run(void *arg, const struct words_start *start) {
    struct settings *s = arg;
    struct control_config *c = &s->config;
    c->start = *start;
    s->ticket_seed = s->keepsake.ticket_seed;
    memcpy(c->session_key, s->keepsake.session_key, sizeof c->session_key);
    explicit_bzero(&s->keepsake.ticket_seed, sizeof s->keepsake.ticket_seed);
    explicit_bzero(s->keepsake.session_key, sizeof s->keepsake.session_key);
    /* Two of us run for a while, of which one writes: they contend for the lease under names of their own. */
    uint32_t before = start->supervisors + start->takes_over;
    if (c->cluster && before) serve_kube_rename(&s->kube, before);
    read_manager(c);
    serve_sandbox_serving(&s->sandbox, c);
    return control_run(c);
}

int serve_main(int argc, char **argv) {
    struct settings s = {0};
    buf_init(&s.dns, DNS_BYTES_MAX);
    err e = options_parse(&serve_command, argc, argv, &s.given);
    if (e != OK) return options_status(e);
    e = read_settings(&s);
    int status = CLI_USAGE;
    if (e == OK) {
        log_set_level(s.level);
        descriptors_raise(); /* before the children */
        serve_sandbox_supervisor(&s.sandbox);
        status = supervisor_run(&(struct supervisor_config){.serve = run,
                                                            .arg = &s,
                                                            .argv = argv,
                                                            .socket_path = s.config.socket_path,
                                                            .keepsake = &s.keepsake,
                                                            .keepsake_n = sizeof s.keepsake});
    }
    options_fini(&s.given);
    serve_files_fini(&s.files);
    serve_kube_fini(&s.kube);
    serve_access_fini(&s.access);
    buf_fini(&s.dns);
    free(s.maps);
    return status;
}
