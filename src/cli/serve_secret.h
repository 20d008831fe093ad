/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cli/cli.h"
#include "io/seal.h"
#include "io/tls_seed.h"

/* --secret-file: what all replicas of an installation know and nobody else, over restarts. Without it there is one of this start alone, which a
 * serving process that is started again has, too. ERR_PROTO: said on standard error. */
err serve_secret_read(const struct cli_options *o, uint8_t ret_session_key[SEAL_KEY_BYTES],
                      struct tls_seed *ret_ticket_seed);
