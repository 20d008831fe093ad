/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Writes the statuses of the Gateway's ListenerSets anew; those that differ are noted. programmed: how the Gateway stands. Returns
 * how many sets are attached. */
uint32_t set_status_write(struct pass *p, struct gateway_state *g, struct verdict programmed);
