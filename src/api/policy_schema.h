/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/backend_tls_policy.h"

/* How the certificate of a backend is judged: a BackendTLSPolicy's and an XBackend's. */
extern const struct schema policy_schema_validation;
