/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* Judges a class that changed; returns true when its Gateways are to be looked at again. */
bool classes_resolve(struct pass *p, str name);
/* The settings of a class whose Gateways are served; NULL: it is none of those. */
struct settings;
const struct settings *classes_settings(const struct resolver *r, str name);
const struct gateway_class_status *classes_status(const struct resolver *r, str name);
void classes_fini(struct resolver *r);
