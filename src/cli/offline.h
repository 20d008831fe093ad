/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/pipeline.h"
#include "files/files.h"

/* Manifests read and resolved once, with no data plane: for check, explain and diff. */
struct offline {
    struct arena *arena;
    struct files *files;
    struct pipeline pipeline;
    struct findings findings, warnings;
    struct files_work work;
};
extern const char offline_controller_name[]; /* unless told otherwise */
struct offline_settings {
    const char *controller_name;     /* NULL: offline_controller_name */
    struct fact_port_map *port_maps; /* must outlive it */
    uint32_t port_maps_n;
};
/* ERR_ABSENT: *ret_missing is the path that is not there. */
err offline_init(struct offline *o, const char *const *paths, size_t n,
                 const struct offline_settings *settings, const char **ret_missing);
/* From a plan in JSON instead ("-": standard input): no objects, so no statuses. ERR_ABSENT, ERR_PROTO: *ret_message (in a) tells. */
err offline_init_plan(struct offline *o, struct arena *a, const char *path, str *ret_message);
void offline_fini(struct offline *o);
