/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"
#include "files/files.h"

/* What the command line says of where objects come from: -f, --infra, --tenant, --tenant-endpoints, --tls. */
struct serve_files {
    struct files_config config;
    struct files_root *roots;
    struct files_pair *pairs;
    struct ip_net *nets;
    struct arena *words;
};
/* ERR_PROTO: it was used wrongly, standard error says how. In both, finish *f. */
err serve_files_read(const struct cli_options *o, struct serve_files *f);
void serve_files_fini(struct serve_files *f);
