/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/commands.h"

/* Prints the manual page of a subcommand, postern-NAME(1), or of the program, postern(1), when it is NULL; made from the tables of options. */
int man_print(const struct commands_entry *e);
