/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* An OCSP response as it is stapled to a certificate                                             [RFC 6960] [RFC 6066 8] */
struct x509_ocsp {
    int64_t this_update_s;
    int64_t next_update_s; /* INT64_MAX: it does not say */
};
/* Reads the response (DER) for the leaf of the chain (PEM). ERR_PROTO: it must not be sent, and *ret_message (in a) says why: it is broken, of
 * another certificate, not signed by the issuer or by one it has named, or says anything but good. Whether it is of this time is the
 * caller's to see. */
err x509_ocsp_read(struct arena *a, str chain_pem, str der, struct x509_ocsp *ret, str *ret_message);
