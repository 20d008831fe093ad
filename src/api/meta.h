/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"

/* [Kubernetes ObjectMeta] */
extern const struct schema meta_schema;
/* The same for a ClusterTrustBundle, whose name may have colons. */
extern const struct schema meta_bundle_schema;
/* The part that users write: what an object's hash is made of. */
extern const struct schema meta_hashed;
/* For kinds without `status`, too: people paste what `kubectl get -o yaml` prints. */
#define META_FIELDS(type) META_FIELDS_OF(type, meta_schema)
#define META_FIELDS_OF(type, table)                                                                          \
    {"apiVersion", FIELD_STR, AT(type, obj.api_version), .flags = FIELD_REQUIRED},                           \
        {"kind", FIELD_STR, AT(type, obj.kind_name), .flags = FIELD_REQUIRED},                               \
        {"metadata", FIELD_STRUCT, AT(type, obj.meta), .flags = FIELD_REQUIRED, .of = &table},               \
        {NULL, FIELD_STR, AT(type, obj.source)}, {                                                           \
        "status", FIELD_IGNORED, 0                                                                           \
    }
enum { META_FIELDS_N = 5 };
