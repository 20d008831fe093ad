/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* [RFC 4648 4], padded; line breaks between groups are skipped, as Kubernetes does. ERR_PROTO otherwise. */
err base64_decode(struct arena *a, str text, str *ret);
str base64_encode(struct arena *a, str bytes);
/* SHA-256 as 64 lower-case hex digits. */
str base64_sha256_hex(struct arena *a, str bytes);
