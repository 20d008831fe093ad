/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"

/* All subcommands, in the order in which help tells of them. */
struct commands_entry {
    const struct cli_command *command;
    const char *summary; /* as help lists it */
    int (*run)(int argc, char **argv);
};
const struct commands_entry *commands_all(size_t *ret_n);
const struct commands_entry *commands_find(const char *name); /* NULL: there is none */
