/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"

/* [GW GatewayClass] */
struct parameters_reference {
    str group, kind, name, ns; /* ns: not given for cluster-scoped and local ones */
};
struct gateway_class {
    struct object obj;
    struct {
        str controller_name;
        struct parameters_reference *parameters_ref;
        str description;
    } spec;
};
