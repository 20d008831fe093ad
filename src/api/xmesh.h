/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/gateway_class.h"

/* [GW XMesh] */
struct xmesh {
    struct object obj;
    struct {
        str controller_name;
        struct parameters_reference *parameters_ref;
        str description;
    } spec;
};
