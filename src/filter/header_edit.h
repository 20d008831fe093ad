/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "table/table.h"

/* Removes, sets, then adds [GW HTTPHeaderFilter]. ERR_PROTO: at least one entry can not be sent or is not a user's to set (framing, hop-by-hop,
 * Host); such are left out, the others done. */
err header_edit_apply(const struct table_filter *f, struct http_msg *m);
