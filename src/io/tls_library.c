/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_library.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "base/base.h"
#include "io/tls_schedule.h"

struct tls_library { /* owner: worker */
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *usual, *schedule;
};

/* What an administrator has set for the whole process goes before speed. */
static bool process_is_usual(void) {
    return OSSL_PROVIDER_available(NULL, "default") && !EVP_default_properties_is_fips_enabled(NULL);
}

static bool load(struct tls_library *l) {
    l->context = OSSL_LIB_CTX_new();
    return l->context && OSSL_PROVIDER_add_builtin(l->context, TLS_SCHEDULE_NAME, tls_schedule_provider) &&
           (l->usual = OSSL_PROVIDER_load(l->context, "default")) &&
           (l->schedule = OSSL_PROVIDER_load(l->context, TLS_SCHEDULE_NAME)) &&
           EVP_set_default_properties(l->context, "?provider=" TLS_SCHEDULE_NAME);
}

static void unload(struct tls_library *l) {
    if (l->schedule) OSSL_PROVIDER_unload(l->schedule);
    if (l->usual) OSSL_PROVIDER_unload(l->usual);
    OSSL_LIB_CTX_free(l->context);
    *l = (struct tls_library){0};
}

struct tls_library *tls_library_new(void) {
    struct tls_library *l = base_zalloc(sizeof *l);
    if (process_is_usual() && !load(l)) unload(l);
    ERR_clear_error();
    return l;
}

void tls_library_free(struct tls_library *l) {
    if (!l) return;
    unload(l);
    free(l);
}

OSSL_LIB_CTX *tls_library_context(const struct tls_library *l) { return l->context; }
