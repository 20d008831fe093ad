/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"

struct schema_check;

/* A listener of a Gateway, and of a ListenerSet. */
extern const struct schema listener_schema_listener;
extern const struct schema listener_schema_entry;
extern const struct schema listener_schema_selector;
/* Listeners differ in port, protocol or hostname. */
void listener_schema_check(struct schema_check *c, const struct listener *p, uint32_t n);
