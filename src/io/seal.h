/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* Small messages to ourselves that a stranger keeps: he can neither read nor change them. AES-256-GCM with a random nonce, in base64.
 * One thread's. */
enum { SEAL_KEY_BYTES = 32, SEAL_PLAIN_MAX = 44, SEAL_TEXT_MAX = (12 + SEAL_PLAIN_MAX + 16) / 3 * 4 };
struct seal;
/* The key of a purpose, from a secret of any length: whoever has the same secret has the same keys. */
void seal_key(str secret, const char *purpose, uint8_t ret_key[SEAL_KEY_BYTES]);
struct seal *seal_new(const uint8_t key[SEAL_KEY_BYTES]);
void seal_free(struct seal *s); /* NULL is fine */
/* plain: at most SEAL_PLAIN_MAX bytes, two more than a multiple of three, so that the text has no "=". context: must be the same when it is
 * opened. The text is in `to`. */
str seal_close(struct seal *s, str plain, str context, char to[SEAL_TEXT_MAX]);
/* ERR_PROTO: not ours, of another context, or not so long. */
err seal_open(struct seal *s, str text, str context, void *ret_plain, size_t plain_n);
