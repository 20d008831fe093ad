/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"
#include "control/control.h"

/* What the command line and a pod's environment say of `serve --kube`. */
struct serve_kube {
    struct cluster_config config;
    str *words; /* namespaces, then addresses */
    char identity[256];
};
/* false: --kube is not given, and nothing that needs it. ERR_PROTO: standard error says what is wrong. */
err serve_kube_read(const struct cli_options *o, struct serve_kube *k, bool *ret_given);
/* After `upgrades` of them: a name that the processes before have not. */
void serve_kube_rename(struct serve_kube *k, uint32_t upgrades);
void serve_kube_fini(struct serve_kube *k);
