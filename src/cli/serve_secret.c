/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_secret.h"

#include <errno.h>
#include <stdio.h>

#include "io/clock.h"
#include "io/tls.h"

enum { SECRET_BYTES_MIN = 32, SECRET_BYTES_MAX = 4096 };

/* What is in the file but for the end of its last line, which editors add and kubectl does not. */
static err read_file(const struct cli_options *o, const char *path, char *to, str *ret) {
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(to, 1, SECRET_BYTES_MAX + 1, f) : 0;
    bool read = f && !ferror(f);
    int why = errno;
    if (f) fclose(f);
    if (!read) {
        return options_refuse(o->command, "--secret-file \"%s\": %s", path, strerror(why));
    }
    *ret = str_trim((str){to, n});
    if (ret->n >= SECRET_BYTES_MIN && n <= SECRET_BYTES_MAX) return OK;
    return options_refuse(
        o->command,
        "--secret-file \"%s\" has %zu bytes; it needs %d to %d, as `openssl rand -base64 32` makes", path,
        ret->n, SECRET_BYTES_MIN, SECRET_BYTES_MAX);
}

err serve_secret_read(const struct cli_options *o, uint8_t ret_session_key[SEAL_KEY_BYTES],
                      struct tls_seed *ret_ticket_seed) {
    char bytes[SECRET_BYTES_MAX + 1];
    str secret = {bytes, SECRET_BYTES_MIN};
    const char *path = options_get(o, "secret-file", NULL);
    err e = OK;
    if (path)
        e = read_file(o, path, bytes, &secret);
    else
        tls_random(bytes, SECRET_BYTES_MIN);
    if (e == OK) seal_key(secret, "postern sessions 1", ret_session_key);
    if (path && e == OK)
        tls_seed_share(ret_ticket_seed, secret);
    else
        tls_seed_make(ret_ticket_seed, clock_wall_s());
    explicit_bzero(bytes, sizeof bytes);
    return e;
}
