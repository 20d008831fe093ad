/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_trust.h"

#include <openssl/err.h>
#include <pthread.h>
#include <sys/stat.h>

#include "io/tls_inside.h"

struct
    tls_trust { /* any thread, by the lock: taken when a context is made or a table published, never for a request */
    pthread_mutex_t lock;
    X509_STORE *store; /* counted by each context; NULL: not read */
    uint64_t version;  /* of the store */
    struct timespec changed;
    ino_t inode;
    off_t bytes;
};

struct tls_trust *tls_trust_new(void) {
    struct tls_trust *t = base_zalloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void tls_trust_free(struct tls_trust *t) {
    if (!t) return;
    X509_STORE_free(t->store);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Where distributions keep the bundle, but for what the environment or OpenSSL's own build says. */
static const char *find_bundle(struct stat *ret) {
    const char *const places[] = {getenv(X509_get_default_cert_file_env()),
                                  X509_get_default_cert_file(),
                                  "/etc/ssl/certs/ca-certificates.crt",
                                  "/etc/pki/tls/certs/ca-bundle.crt",
                                  "/etc/ssl/ca-bundle.pem",
                                  "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (places[i] && stat(places[i], ret) == 0 && S_ISREG(ret->st_mode) && ret->st_size > 0)
            return places[i];
    return NULL;
}

static bool is_same(const struct tls_trust *t, const struct stat *s) {
    return t->store && t->inode == s->st_ino && t->bytes == s->st_size &&
           t->changed.tv_sec == s->st_mtim.tv_sec && t->changed.tv_nsec == s->st_mtim.tv_nsec;
}

err tls_trust_load(struct tls_trust *t) {
    struct stat s;
    const char *path = find_bundle(&s);
    if (!path) return ERR_ABSENT;
    pthread_mutex_lock(&t->lock);
    bool same = is_same(t, &s);
    pthread_mutex_unlock(&t->lock);
    if (same) return OK;
    X509_STORE *store = X509_STORE_new();
    if (!store) base_out_of_memory(0);
    bool ok = X509_STORE_load_file(store, path) == 1;
    ERR_clear_error();
    if (!ok) {
        X509_STORE_free(store);
        return ERR_ABSENT;
    }
    pthread_mutex_lock(&t->lock);
    X509_STORE *before = t->store;
    t->store = store;
    t->version++;
    t->changed = s.st_mtim, t->inode = s.st_ino, t->bytes = s.st_size;
    pthread_mutex_unlock(&t->lock);
    X509_STORE_free(before);
    return OK;
}

X509_STORE *tls_trust_hold(struct tls_trust *t, uint64_t *ret_version) {
    pthread_mutex_lock(&t->lock);
    X509_STORE *store = t->store;
    if (store) X509_STORE_up_ref(store);
    *ret_version = t->version;
    pthread_mutex_unlock(&t->lock);
    return store;
}
