/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "resolve/resolver.h"

/* Sources of trust: who may have signed a certificate is told by a ConfigMap's ca.crt or by a ClusterTrustBundle. */
enum { TRUST_PEM_BYTES_MAX = 16 << 20 };
struct trust_source {
    str group, kind, ns, name; /* ns: of the ConfigMap */
};
/* Adds the source's PEM. where: what messages call the reference. bad_kind: the reason of a kind that is none; others are
 * InvalidCACertificateRef. */
struct verdict trust_read(struct pass *p, const struct trust_source *source, str where, const char *bad_kind,
                          struct buf *pem);
