/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"
#include "control/pipeline.h"

/* What an API server has, read once with the caller's own rights, and resolved without a data plane: for `status --kube` and `explain --kube`. */
struct snapshot {
    struct arena *arena;
    struct pipeline pipeline;
    struct findings findings;
    struct map statuses; /* as the server has them: key of an object -> JSON */
    struct buf notes;    /* lines for people: what could not be read, and what was taken for it */
};
/* Of --kubeconfig and --context. ns: what to be content with when the whole cluster is not to be read; "" = nothing. false: standard error says
 * why, *ret_exit is the exit status. */
bool snapshot_init(const struct cli_options *o, str ns, struct snapshot *s, int *ret_exit);
void snapshot_fini(struct snapshot *s);
/* The `status` of an object as the server has it; "" = none. arg: the snapshot. */
str snapshot_status(void *arg, enum api_kind kind, str ns, str name);
