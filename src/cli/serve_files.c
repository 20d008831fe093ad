/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_files.h"

#include "api/pattern.h"

enum { NAMESPACE_BYTES_MAX = 63, NAME_BYTES_MAX = 253 };

static bool is_namespace(str s) { return s.n <= NAMESPACE_BYTES_MAX && pattern_label.holds(s); }

/* Adds a path of the operator's, as `option` gives it. */
static err add_path(const struct cli_options *o, struct serve_files *f, const char *option,
                    const char *path) {
    if (strcmp(path, "-") == 0 || !path[0])
        return options_refuse(
            o->command, "%s \"%s\" is no path that can be followed; name a file or a folder", option, path);
    f->roots[f->config.roots_n++] = (struct files_root){path, NULL};
    return OK;
}

static err read_paths(const struct cli_options *o, struct serve_files *f) {
    for (size_t i = 0; i < o->given_n; i++) {
        const char *name = o->given[i].option->name;
        if (strcmp(name, "file") == 0) TRY(add_path(o, f, "-f", o->given[i].value));
        if (strcmp(name, "infra") == 0) TRY(add_path(o, f, "--infra", o->given[i].value));
    }
    if (o->args_n && !options_has(o, "file"))
        return options_refuse(o->command, "\"%s\" is given without -f: postern %s -f %s", o->args[0],
                              o->command->name, o->args[0]);
    for (size_t i = 0; i < o->args_n; i++) TRY(add_path(o, f, "-f", o->args[i]));
    return OK;
}

static err read_tenant(const struct cli_options *o, struct serve_files *f, const char *text) {
    str dir = str_of(text), ns = str_cut(&dir, '=');
    if (!dir.n || !is_namespace(ns))
        return options_refuse(o->command,
                              "--tenant \"%s\" is not NAMESPACE=DIR, as in shop=/srv/shop/manifests", text);
    f->roots[f->config.roots_n++] = (struct files_root){dir.p, arena_str(f->words, ns).p};
    return OK;
}

/* Where a path really leads, or as it is given when it does not exist yet; free() it. */
static char *real_path(const char *path) {
    char *real = realpath(path, NULL);
    return real ? real : str_dup(str_of(path));
}

static bool is_in(const char *path, const char *folder) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    if (strncmp(path, folder, n) != 0) return false;
    return !path[n] || path[n] == '/' || folder[n - 1] == '/';
}

/* A folder is one's alone: else what a tenant writes would be read as the operator's, or as another tenant's. */
static err check_apart(const struct cli_options *o, const struct serve_files *f) {
    err e = OK;
    for (size_t i = 0; i < f->config.roots_n && e == OK; i++) {
        const struct files_root *t = &f->roots[i];
        char *path = t->tenant ? real_path(t->path) : NULL;
        for (size_t k = 0; k < f->config.roots_n && t->tenant && e == OK; k++) {
            const struct files_root *r = &f->roots[k];
            char *other = real_path(r->path);
            if (k != i && (is_in(path, other) || is_in(other, path)))
                e = options_refuse(o->command,
                                   "--tenant %s=%s and \"%s\" lie in each other; what a tenant writes "
                                   "must be in a folder of its own",
                                   t->tenant, t->path, r->path);
            free(other);
        }
        free(path);
    }
    return e;
}

static err read_tenants(const struct cli_options *o, struct serve_files *f) {
    for (size_t i = 0; i < o->given_n; i++)
        if (strcmp(o->given[i].option->name, "tenant") == 0) TRY(read_tenant(o, f, o->given[i].value));
    if (!f->config.roots_n)
        return options_refuse(o->command, "no manifests are given: -f PATH (or --kube, in a cluster)");
    return check_apart(o, f);
}

static err read_nets(const struct cli_options *o, struct serve_files *f) {
    for (size_t i = 0; i < o->given_n; i++) {
        if (strcmp(o->given[i].option->name, "tenant-endpoints") != 0) continue;
        if (ip_parse_net(str_of(o->given[i].value), &f->nets[f->config.tenant_endpoints_n++]) != OK)
            return options_refuse(o->command,
                                  "--tenant-endpoints \"%s\" is no network, as in 127.0.0.0/8 or ::1",
                                  o->given[i].value);
    }
    if (f->config.tenant_endpoints_n && !options_has(o, "tenant"))
        return options_refuse(o->command, "--tenant-endpoints is given, but no --tenant");
    return OK;
}

static err read_pair(const struct cli_options *o, struct serve_files *f, const char *text) {
    str files = str_of(text), object = str_cut(&files, '='), key = files, cert = {0};
    str name = object, ns = str_cut(&name, '/');
    if (files.p) cert = str_cut(&key, ',');
    if (!cert.n || !key.n || !is_namespace(ns) || name.n > NAME_BYTES_MAX || !name.p ||
        !pattern_subdomain.holds(name))
        return options_refuse(
            o->command, "--tls \"%s\" is not NAMESPACE/NAME=CERT,KEY, as in default/site=site.crt,site.key",
            text);
    struct files_pair *p = &f->pairs[f->config.pairs_n++];
    *p = (struct files_pair){arena_str(f->words, ns).p, arena_str(f->words, name).p,
                             arena_str(f->words, cert).p, arena_str(f->words, key).p};
    for (struct files_pair *q = f->pairs; q < p; q++)
        if (strcmp(p->ns, q->ns) == 0 && strcmp(p->name, q->name) == 0)
            return options_refuse(o->command, "--tls names %s/%s twice", p->ns, p->name);
    return OK;
}

err serve_files_read(const struct cli_options *o, struct serve_files *f) {
    size_t n = o->given_n + o->args_n + 1;
    *f = (struct serve_files){.roots = base_zalloc(n * sizeof *f->roots),
                              .pairs = base_zalloc(n * sizeof *f->pairs),
                              .nets = base_zalloc(n * sizeof *f->nets),
                              .words = arena_new()};
    f->config.roots = f->roots, f->config.pairs = f->pairs, f->config.tenant_endpoints = f->nets;
    TRY(read_paths(o, f));
    TRY(read_tenants(o, f));
    TRY(read_nets(o, f));
    for (size_t i = 0; i < o->given_n; i++)
        if (strcmp(o->given[i].option->name, "tls") == 0) TRY(read_pair(o, f, o->given[i].value));
    return OK;
}

void serve_files_fini(struct serve_files *f) {
    free(f->roots);
    free(f->pairs);
    free(f->nets);
    arena_free(f->words);
    *f = (struct serve_files){0};
}
