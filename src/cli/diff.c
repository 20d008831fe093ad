/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

#include "cli/cli.h"

enum { OUTPUT_BYTES_MAX = 256 << 20 };

static const struct cli_option options[] = {
    {"output", 'o', "FORM", "text (unless given) or json.", "text json"},
    {"controller-name", 0, "NAME",
     "Whose classes are compared; postern.dev/gateway-controller unless given."},
};
const struct cli_command diff_command = {
    .name = "diff",
    .args = "A B",
    .summary =
        "Show what a change of manifests would do: whose traffic goes elsewhere, which statuses change.",
    .more = "A and B are files, or folders in depth. For every match of every rule of both, requests (calls, "
            "connections,\n"
            "datagrams) are made up and looked up on both sides; nothing is sent.\n\n"
            "Examples:\n"
            "  postern diff manifests.before/ manifests/\n"
            "  git worktree add /tmp/main main && postern diff /tmp/main/manifests manifests -o json\n\n"
            "Exit status: 0 nothing that is served or said differs, 1 something does, 2 used wrongly.",
    .options = options,
    .options_n = COUNT_OF(options),
    .args_min = 2,
    .args_max = 2,
};

void *diff_room(struct arena *a, void *v, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return v;
    *cap = *cap ? *cap * 2 : 32;
    void *grown = arena_bytes(a, *cap * size);
    if (n) memcpy(grown, v, n * size);
    return grown;
}

static struct diff_route *route_of(struct diff *d, str route) {
    struct diff_route *r = map_get(&d->route_by_name, route);
    if (r) return r;
    r = arena_make(d->arena, struct diff_route);
    r->route = arena_str(d->arena, route);
    map_put(&d->route_by_name, r->route, r);
    return r;
}

static void count(struct diff *d, const struct diff_taker *before, const struct diff_taker *after) {
    if (str_eq(before->route, after->route) && before->route.n) {
        route_of(d, before->route)->changed++;
        return;
    }
    if (before->route.n) route_of(d, before->route)->lost++;
    if (after->route.n) route_of(d, after->route)->won++;
}

bool diff_is_new(struct diff *d, str words) {
    if (map_get(&d->tried_words, words)) return false;
    map_put(&d->tried_words, arena_str(d->arena, words), d);
    d->tried++;
    return true;
}

void diff_note(struct diff *d, const struct diff_request *from) {
    if (str_eq(from->before.route, from->after.route) && str_eq(from->before.outcome, from->after.outcome))
        return;
    count(d, &from->before, &from->after);
    DIFF_ROOM(d, requests);
    struct diff_request *r = &d->requests[d->requests_n++];
    *r = *from;
    r->method = arena_str(d->arena, from->method);
    r->url = arena_str(d->arena, from->url);
    struct table_header *headers = arena_array(d->arena, struct table_header, from->headers_n + 1);
    for (uint32_t i = 0; i < from->headers_n; i++) {
        headers[i] = (struct table_header){arena_str(d->arena, from->headers[i].name),
                                           arena_str(d->arena, from->headers[i].value)};
    }
    r->headers = headers;
    r->before.route = arena_str(d->arena, from->before.route);
    r->after.route = arena_str(d->arena, from->after.route);
    r->before.outcome = arena_str(d->arena, from->before.outcome);
    r->after.outcome = arena_str(d->arena, from->after.outcome);
}

bool diff_matters(const struct diff *d) {
    for (uint32_t i = 0; i < d->statuses_n; i++)
        if (d->statuses[i].fate != DIFF_UNCHANGED) return true;
    return d->pieces_n || d->requests_n;
}

static int compare(const struct offline *a, const struct offline *b, bool json) {
    OWNED(arena) arena = arena_new();
    struct diff d = {.arena = arena, .a = a, .b = b};
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    diff_objects(&d);
    diff_traffic(&d);
    diff_statuses(&d);
    if (json) {
        diff_print_json(&out, &d);
    } else {
        diff_print_text(&out, &d);
    }
    fwrite(out.p, 1, out.n, stdout);
    buf_fini(&out);
    return diff_matters(&d) ? CLI_NO : CLI_DONE;
}

static err read_side(struct offline *side, const struct cli_options *o, size_t i) {
    struct offline_settings settings = {.controller_name = options_get(o, "controller-name", NULL)};
    const char *path = o->args[i], *missing;
    err e = offline_init(side, &path, 1, &settings, &missing);
    if (e != OK)
        options_wrong(&diff_command, "\"%s\" can not be read: no such file or folder, or not permitted.",
                      path);
    return e;
}

int diff_main(int argc, char **argv) {
    static const char *const forms[] = {"text", "json", NULL};
    struct cli_options o;
    err e = options_parse(&diff_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    size_t form;
    struct offline a, b;
    int status = CLI_USAGE;
    if (options_choice(&o, "output", forms, &form) == OK && read_side(&a, &o, 0) == OK) {
        if (read_side(&b, &o, 1) == OK) {
            status = compare(&a, &b, form == 1);
            offline_fini(&b);
        }
        offline_fini(&a);
    }
    options_fini(&o);
    return status;
}
