/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/offline.h"

#include <errno.h>
#include <unistd.h>

#include "io/clock.h"
#include "plan/plan_read.h"
#include "resolve/resolve_warnings.h"

enum { PLAN_BYTES_MAX = 1 << 30, PIECE_OF_FILE = 1 << 16 };

const char offline_controller_name[] = "postern.dev/gateway-controller";

err offline_init(struct offline *o, const char *const *paths, size_t n,
                 const struct offline_settings *settings, const char **ret_missing) {
    for (size_t i = 0; i < n; i++) {
        if (access(paths[i], R_OK) == 0) continue;
        *ret_missing = paths[i];
        return ERR_ABSENT;
    }
    struct files_root *roots = base_zalloc((n + 1) * sizeof *roots);
    for (size_t i = 0; i < n; i++) roots[i].path = paths[i];
    *o = (struct offline){.arena = arena_new(),
                          .files = files_new(&(struct files_config){.roots = roots, .roots_n = n})};
    free(roots);
    pipeline_init(&o->pipeline,
                  str_of(settings->controller_name ? settings->controller_name : offline_controller_name));
    o->pipeline.facts.port_maps = settings->port_maps;
    o->pipeline.facts.port_maps_n = settings->port_maps_n;
    finding_init(&o->findings, o->arena);
    files_read(o->files, o->pipeline.store, &o->findings, &o->work);
    struct table *before;
    struct pipeline *p = &o->pipeline;
    int64_t now_s = clock_wall_s();
    pipeline_pass(p, now_s, 0, &before);
    finding_init(&o->warnings, o->arena);
    resolve_warnings(p->resolver, p->store, &p->plan, now_s, &o->warnings);
    return OK;
}

static err read_whole(const char *path, struct buf *b) {
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "re");
    if (!f) return ERR_IO;
    while (buf_reserve(b, PIECE_OF_FILE) == OK) {
        size_t n = fread(b->p + b->n, 1, PIECE_OF_FILE, f);
        if (!n) break;
        b->n += n;
    }
    bool failed = ferror(f);
    if (!standard) fclose(f);
    return failed ? ERR_IO : b->overflow ? ERR_LIMIT : OK;
}

static err take_plan(struct offline *o, struct arena *a, str json, str *ret_message) {
    struct plan_delta d = {0};
    struct pipeline *p = &o->pipeline;
    err e = plan_read(a, json, &p->plan, &d, ret_message);
    if (e == OK) p->table = compile_apply(p->compiler, &p->plan, &d, 0, &p->compiled);
    plan_delta_fini(&d);
    return e;
}

err offline_init_plan(struct offline *o, struct arena *a, const char *path, str *ret_message) {
    struct buf b;
    buf_init(&b, PLAN_BYTES_MAX);
    err e = read_whole(path, &b);
    if (e != OK) {
        *ret_message = e == ERR_LIMIT ? S("is larger than 1 GiB") : arena_printf(a, "%s", strerror(errno));
    } else {
        *o = (struct offline){.arena = arena_new(), .files = files_new(&(struct files_config){0})};
        pipeline_init(&o->pipeline, str_of(offline_controller_name));
        finding_init(&o->findings, o->arena);
        finding_init(&o->warnings, o->arena);
        e = take_plan(o, a, buf_str(&b), ret_message);
        if (e != OK) offline_fini(o);
    }
    buf_fini(&b);
    return e;
}

void offline_fini(struct offline *o) {
    files_free(o->files);
    pipeline_fini(&o->pipeline);
    arena_free(o->arena);
    *o = (struct offline){0};
}
