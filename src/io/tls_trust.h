/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Whom the system trusts: its bundle of authorities, parsed once for all threads, and anew when the file has changed. */
struct tls_trust;
struct tls_trust *tls_trust_new(void);
void tls_trust_free(struct tls_trust *t); /* NULL is fine */
/* Reads a file: not for a worker. ERR_ABSENT: the system has none that can be read; what was read before stays. */
err tls_trust_load(struct tls_trust *t);
