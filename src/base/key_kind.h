/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The keys that certificates of ours may have, the cheaper to sign with the earlier. A set of them is bits by 1u << kind. */
enum key_kind { KEY_UNKNOWN, KEY_P256, KEY_ED25519, KEY_P384, KEY_P521, KEY_RSA, KEY_RSA_PSS };
/* Of all but KEY_UNKNOWN. */
#define KEY_KIND_NAMES "P-256", "Ed25519", "P-384", "P-521", "RSA", "RSA-PSS"
