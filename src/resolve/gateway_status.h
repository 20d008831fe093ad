/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Writes the statuses of the Gateways on r->restatus anew; those that differ are noted. */
void gateway_status_write(struct pass *p);
