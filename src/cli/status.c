/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "cli/cli.h"
#include "cli/instance.h"
#include "cli/node_print.h"
#include "cli/snapshot.h"
#include "cli/status_tree.h"
#include "cli/story.h"
#include "control/pages.h"
#include "io/clock.h"

enum { PAGE_BYTES_MAX = 512 << 20 };
enum form { FORM_TABLE, FORM_WIDE, FORM_JSON, FORM_YAML };

static const struct cli_option options[] = {
    {"output", 'o', "FORM", "table (unless given), wide (all conditions), json or yaml.",
     "table wide json yaml"},
    {"watch", 'w', NULL, "Show it again whenever it changes, until Ctrl-C."},
    {"namespace", 'n', "NAMESPACE", "Only objects of this namespace (and those of none)."},
    {"kube", 0, NULL, "Ask the Kubernetes API server, with your own rights, instead of a running instance."},
    {"kubeconfig", 0, "FILE", "With --kube: as serve's; $KUBECONFIG or ~/.kube/config unless given."},
    {"context", 0, "NAME", "With --kube: another context than the kubeconfig's current one."},
    {"controller-name", 0, "NAME", "With --kube: as serve's; postern.dev/gateway-controller unless given."},
    {"admin", 0, "ADDRESS", instance_admin_help},
};
const struct cli_command status_command = {
    .name = "status",
    .args = "[KIND/NAME]",
    .summary = "Show what a running instance says of its objects, problems first.",
    .more =
        "Without an argument: problems, then the tree of classes, Gateways, listeners, routes and backends,\n"
        "with the endpoints that do not serve as they should, and why.\n"
        "KIND/NAME: what the object asks, what it got, why not, and what to do. KIND as kubectl has it:\n"
        "gatewayclass (gc), gateway (gtw), httproute, ...; without a NAME all of the kind.\n\n"
        "Examples:\n"
        "  postern status --watch\n"
        "  postern status httproute/shop -n shop\n"
        "  postern status gtw -o yaml\n"
        "  postern status --kube\n\n"
        "Exit status: 0 it answered, 1 nobody did or there is no such object, 2 used wrongly.",
    .options = options,
    .options_n = COUNT_OF(options),
    .args_max = 1,
};

/* A Gateway of another namespace stays when a route of this one hangs on it: the tree must have a trunk. */
static bool carries(const struct status_page *p, const struct status_item *gateway, str ns) {
    for (size_t i = 0; i < p->n; i++) {
        if (str_eq(p->items[i].ns, ns) && status_page_names_parent(&p->items[i], gateway)) return true;
    }
    return false;
}

/* Leaves the items that were asked for. */
static void narrow(struct status_page *p, str ns, str kind, str name) {
    struct status_page all = *p;
    size_t kept = 0;
    p->items = base_zalloc(sizeof *p->items * (all.n + 1));
    for (size_t i = 0; i < all.n; i++) {
        const struct status_item *it = &all.items[i];
        if (ns.n && it->ns.n && !str_eq(ns, it->ns) && (kind.n || !carries(&all, it, ns))) continue;
        if (kind.n && !status_page_is_kind(it->kind, kind)) continue;
        if (name.n && !str_eq(name, it->name)) continue;
        p->items[kept++] = *it;
    }
    p->n = kept;
    p->all = all.items, p->all_n = all.n;
}

/* The items as one List, or a single one as itself. */
static void print_documents(struct buf *b, const struct status_page *p, bool json, bool single) {
    if (single && json) {
        node_print_json(b, p->items[0].doc, 0);
        buf_add_char(b, '\n');
        return;
    }
    if (json) buf_add(b, S("{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": ["));
    for (size_t i = 0; i < p->n; i++) {
        if (json) {
            buf_add(b, i ? S(",\n    ") : S("\n    "));
            node_print_json(b, p->items[i].doc, 4);
        } else {
            if (i) buf_add(b, S("---\n"));
            node_print_yaml(b, p->items[i].doc, 0);
        }
    }
    if (json) buf_add(b, p->n ? S("\n  ]\n}\n") : S("]\n}\n"));
}

/* A word for a kind that has a status. */
static bool is_kind(str word) {
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) {
        const struct api_type *t = api_type_of((enum api_kind)k);
        if (t->status_schema && status_page_is_kind(str_of(t->name), word)) return true;
    }
    return false;
}

static int say_none(const struct cli_options *o, str kind, str ns) {
    if (!is_kind(kind))
        return options_wrong(
            &status_command,
            "\"%.*s\" is no kind of object that has a status here: gatewayclass, gateway, "
            "listenerset, httproute, grpcroute, tlsroute, tcproute, udproute, backendtlspolicy, ...",
            (int)kind.n, kind.p);
    fprintf(stderr, "postern status: no %s%s%s. All that is ours: postern status\n", o->args[0],
            ns.n ? " in namespace " : "", ns.n ? ns.p : "");
    return CLI_NO;
}

/* https://no-color.org: set, and not empty. */
static bool wants_colour(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static int print_page(const struct status_page *page, const struct cli_options *o, enum form form) {
    struct status_page narrowed = *page, *p = &narrowed;
    str name = o->args_n ? str_of(o->args[0]) : S(""), ns = str_of(options_get(o, "namespace", ""));
    str kind = str_cut(&name, '/');
    narrow(p, ns, kind, name); /* its items are a block of their own now */
    if (kind.n && !p->n) {
        free(p->items);
        return say_none(o, kind, ns);
    }
    struct buf b;
    buf_init(&b, PAGE_BYTES_MAX);
    struct status_view view = {.wide = form == FORM_WIDE, .colour = wants_colour(), .ns = ns};
    if (form == FORM_JSON || form == FORM_YAML) {
        print_documents(&b, p, form == FORM_JSON, name.n && p->n == 1);
    } else if (kind.n) {
        for (size_t i = 0; i < p->n; i++) {
            if (i) buf_add_char(&b, '\n');
            story_tell(&b, p, &p->items[i], &view);
        }
    } else {
        status_tree(&b, p, &view);
    }
    fwrite(b.p, 1, b.n, stdout);
    buf_fini(&b);
    free(p->items);
    return CLI_DONE;
}

/* What the API server has: objects and their statuses as they stand there. */
static bool get_snapshot(const struct cli_options *o, bool all, struct buf *body, int *ret_exit) {
    struct snapshot s;
    if (!snapshot_init(o, str_of(options_get(o, "namespace", "")), &s, ret_exit)) return false;
    pages_status(body, &s.pipeline, &s.findings, clock_wall_s(), all, snapshot_status, &s);
    fprintf(stderr, STR_FMT, STR_ARG(buf_str(&s.notes)));
    snapshot_fini(&s);
    return true;
}

/* Asks once; shows what is not as it was the last time. last: NULL, or what was answered then. */
static int ask(const struct cli_options *o, enum form form, struct buf *last) {
    struct buf body;
    buf_init(&body, PAGE_BYTES_MAX);
    OWNED(arena) a = arena_new();
    uint16_t answer;
    int status;
    struct status_page page;
    bool all = o->args_n && strchr(o->args[0], '/'), answered;
    if (options_has(o, "kube")) {
        answered = get_snapshot(o, all, &body, &status);
        answer = 200;
    } else {
        answered = instance_get(o, all ? S("/status?all") : S("/status"), &answer, &body, &status);
    }
    if (answered && last && str_eq(buf_str(last), buf_str(&body))) {
        status = CLI_DONE;
    } else if (answered && (answer != 200 || status_page_read(a, buf_str(&body), &page) != OK)) {
        fprintf(stderr, "postern status: the instance answered %u with what is no status: " STR_FMT "\n",
                answer, STR_ARG(str_upto(buf_str(&body), 200)));
        status = CLI_NO;
    } else if (answered) {
        if (last && last->n) fputs(isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "\n", stdout);
        status = print_page(&page, o, form);
        fflush(stdout);
    }
    if (last) {
        buf_clear(last);
        buf_add(last, buf_str(&body));
    }
    buf_fini(&body);
    return status;
}

/* An object that is not there (yet) is worth waiting for; an instance that does not answer is not. */
static int watch(const struct cli_options *o, enum form form) {
    struct buf last;
    buf_init(&last, PAGE_BYTES_MAX);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int status, waited = -1;
    do {
        status = ask(o, form, &last);
        if (last.n) waited = sigtimedwait(&ends, NULL, &(struct timespec){.tv_sec = 1});
    } while (last.n && waited < 0);
    buf_fini(&last);
    return waited > 0 ? CLI_DONE : status;
}

int status_main(int argc, char **argv) {
    static const char *const forms[] = {"table", "wide", "json", "yaml", NULL};
    struct cli_options o;
    err e = options_parse(&status_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    size_t form;
    int status = CLI_USAGE;
    if (options_choice(&o, "output", forms, &form) == OK)
        status = options_has(&o, "watch") ? watch(&o, (enum form)form) : ask(&o, (enum form)form, NULL);
    options_fini(&o);
    return status;
}
