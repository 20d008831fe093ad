/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

static const struct commands_entry all[] = {
    {&demo_command, "Start a gateway with example manifests and backends, and show requests to try.",
     demo_main},
    {&serve_command, "Serve traffic by the manifests in files and folders, followed as they change.",
     serve_main},
    {&check_command, "Read manifests and say what is wrong with them, without serving.", check_main},
    {&status_command, "Show what a running instance says of its objects, problems first.", status_main},
    {&explain_cmd_command, "Show what would become of a request: listener, route, filters, backends.",
     explain_cmd_main},
    {&diff_command, "Show what a change of manifests would do to traffic and statuses.", diff_main},
    {&top_command, "Show a running instance's traffic by route: rates, errors, latencies.", top_main},
    {&upgrade_cmd_command, "Let a running instance go on as another binary, without losing a connection.",
     upgrade_cmd_main},
    {&echo_command, "Be a small HTTP backend that answers with what it was asked.", echo_main},
    {&completion_command, "Print completions for bash, zsh or fish.", completion_main},
};

const struct commands_entry *commands_all(size_t *ret_n) {
    *ret_n = COUNT_OF(all);
    return all;
}

const struct commands_entry *commands_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (strcmp(all[i].command->name, name) == 0) return &all[i];
    return NULL;
}
