/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

/* May an object of that kind in from_ns name the core object (to_kind, to_ns, to_name)? Within one
 * namespace always; else when a ReferenceGrant beside the target says so.                    [GW ReferenceGrant] */
bool grants_allow(const struct pass *p, enum api_kind from, str from_ns, str to_kind, str to_ns, str to_name);
