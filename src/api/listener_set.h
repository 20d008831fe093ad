/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway.h"

/* [GW ListenerSet] */
struct listener_set {
    struct object obj;
    struct {
        struct object_ref parent_ref; /* ns not given: the ListenerSet's own */
        LIST_OF(struct listener) listeners;
    } spec;
};
