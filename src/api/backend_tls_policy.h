/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/reference.h"

/* [GW BackendTLSPolicy] Enum members follow the order of the `values` of their fields, 0 = not given. */
enum alt_name_type { ALT_NAME_UNSET, ALT_NAME_HOSTNAME, ALT_NAME_URI };
struct subject_alt_name {
    uint8_t type; /* enum alt_name_type */
    str hostname, uri;
};
/* Either the references or the well-known set is given. */
struct backend_tls_validation {
    LIST_OF(struct local_ref) ca_certificate_refs;
    str well_known_ca_certificates; /* System, example.com/name */
    str hostname;
    LIST_OF(struct subject_alt_name) subject_alt_names;
};
struct policy_target {
    str group, kind, name, section_name;
};
struct backend_tls_policy {
    struct object obj;
    struct {
        LIST_OF(struct policy_target) target_refs;
        struct backend_tls_validation validation;
        struct str_map options;
    } spec;
};
