/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/key_kind.h"
#include "base/str.h"

/* Which keys the sender of a ClientHello can verify signatures of, from its own words. Each list as in its extension, "" when the extension
 * is not there.                                                       [RFC 8446 4.2.3, 4.2.7] [RFC 5246 7.4.1.4.1] [RFC 8422 5.1] */
struct tls_offer {
    str ciphers;    /* of the ClientHello: two bytes each */
    str signatures; /* signature_algorithms */
    str groups;     /* supported_groups */
    str versions;   /* supported_versions */
};
bool tls_offer_has_tls13(const struct tls_offer *o);
/* Bits by enum key_kind, for a handshake of TLS 1.3 or of 1.2. */
uint32_t tls_offer_kinds(const struct tls_offer *o, bool tls13);
