/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"
#include "http/access_format.h"

/* --access-log and --access-log-to. */
struct serve_access {
    enum access_form form;
    str program;    /* of ACCESS_OWN */
    const char *to; /* argv's */
    struct arena *words;
};
/* ERR_PROTO: said on standard error, with the place in a template. *ret is to be finished in any case. */
err serve_access_read(const struct cli_options *o, struct serve_access *ret);
void serve_access_fini(struct serve_access *s);
