/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/pipeline.h"
#include "files/files.h"

/* Manifests read and resolved once, with no data plane: for check and explain. */
struct offline {
    struct arena *arena;
    struct files *files;
    struct pipeline pipeline;
    struct findings findings;
    struct files_work work;
};
extern const char offline_controller_name[]; /* unless told otherwise */
/* ERR_ABSENT: *ret_missing is the path that is not there. */
err offline_init(struct offline *o, const char *const *paths, size_t n, const char *controller_name,
                 const char **ret_missing);
void offline_fini(struct offline *o);
