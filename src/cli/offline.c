/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/offline.h"

#include <unistd.h>

#include "io/clock.h"

const char offline_controller_name[] = "postern.dev/gateway-controller";

err offline_init(struct offline *o, const char *const *paths, size_t n,
                 const struct offline_settings *settings, const char **ret_missing) {
    for (size_t i = 0; i < n; i++) {
        if (access(paths[i], R_OK) == 0) continue;
        *ret_missing = paths[i];
        return ERR_ABSENT;
    }
    *o = (struct offline){.arena = arena_new(), .files = files_new(paths, n)};
    pipeline_init(&o->pipeline,
                  str_of(settings->controller_name ? settings->controller_name : offline_controller_name));
    o->pipeline.facts.port_maps = settings->port_maps;
    o->pipeline.facts.port_maps_n = settings->port_maps_n;
    finding_init(&o->findings, o->arena);
    files_read(o->files, o->pipeline.store, &o->findings, &o->work);
    struct table *before;
    pipeline_pass(&o->pipeline, clock_wall_s(), 0, &before);
    return OK;
}

void offline_fini(struct offline *o) {
    files_free(o->files);
    pipeline_fini(&o->pipeline);
    arena_free(o->arena);
    *o = (struct offline){0};
}
