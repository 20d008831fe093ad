/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"
#include "control/control.h"

/* --sandbox and --user: who the two processes of `serve` are, and what the serving one may reach. */
struct serve_sandbox {
    bool on;
    char words[128]; /* what holds, once it does */
};
/* Becomes the user that is asked for. */
err serve_sandbox_read(const struct cli_options *o, struct serve_sandbox *s);
/* The supervisor, before it forks: ports it may open, nothing else. */
void serve_sandbox_supervisor(const struct serve_sandbox *s);
/* The serving process, before its first thread: what the settings name it reaches, and no more. c->sandbox tells. */
void serve_sandbox_serving(struct serve_sandbox *s, struct control_config *c);
