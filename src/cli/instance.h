/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Asks the running instance that --admin names (admin_default_address unless given) for a page. false: standard error says why there is no
 * answer and how to start one; *ret_exit is the exit status. */
struct cli_options;
bool instance_get(const struct cli_options *o, str page_and_query, uint16_t *ret_status, struct buf *ret_body,
                  int *ret_exit);
