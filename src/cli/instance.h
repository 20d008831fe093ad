/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* The running instance that --admin names, or else $POSTERN_ADMIN, or else admin_default_address. */
struct cli_options;
/* Help of that option where a command asks an instance. */
extern const char instance_admin_help[];
const char *instance_admin(const struct cli_options *o);
/* Its control socket. ERR_PROTO: --admin is no address, said on standard error. */
err instance_socket(const struct cli_options *o, char ret[108]);
/* Where a socket of that name is when deploy/systemd has started the instance: in a folder of its own. ERR_LIMIT: the name is too long. */
err instance_service_socket(const char *path, char ret[108]);
/* Asks for a page. false: standard error says why there is no answer and how to start an instance; *ret_exit is the exit status. */
bool instance_get(const struct cli_options *o, str page_and_query, uint16_t *ret_status, struct buf *ret_body,
                  int *ret_exit);
