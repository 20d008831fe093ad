/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"

/* [GW ReferenceGrant] */
struct grant_from {
    str group, kind, ns;
};
struct grant_to {
    str group, kind, name; /* name not given: all of the kind */
};
struct reference_grant {
    struct object obj;
    struct {
        LIST_OF(struct grant_from) from;
        LIST_OF(struct grant_to) to;
    } spec;
};
