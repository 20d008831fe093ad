/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_authorities.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/link.h"
#include "base/map.h"

/* Names are a help to clients with several certificates. A message with more than so many bytes of them is refused by some: then none is sent,
 * which means any [RFC 8446 4.2.4]. */
enum { SETS_MAX = 1000, NAMES_BYTES_MAX = 16 << 10 };

struct set {
    struct link recency;
    X509_STORE *store;
    STACK_OF(X509_NAME) * names;
    str id;
    char bytes[];
};
struct tls_authorities { /* owner: worker */
    struct map by_id;    /* struct set */
    struct link recent;  /* the most recent last */
};

struct tls_authorities *tls_authorities_new(void) {
    struct tls_authorities *t = base_zalloc(sizeof *t);
    map_init(&t->by_id);
    link_init(&t->recent);
    return t;
}

static void drop(struct tls_authorities *t, struct set *s) {
    map_take(&t->by_id, s->id);
    link_remove(&s->recency);
    X509_STORE_free(s->store);
    sk_X509_NAME_pop_free(s->names, X509_NAME_free);
    free(s);
}

void tls_authorities_free(struct tls_authorities *t) {
    if (!t) return;
    list_each (struct set, s, &t->recent, recency) drop(t, s);
    map_fini(&t->by_id);
    free(t);
}

static void add_name(struct set *s, X509 *x, size_t *bytes) {
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));
    int n = name ? i2d_X509_NAME(name, NULL) : -1;
    if (n > 0) *bytes += (size_t)n + 2;
    if (n <= 0 || !sk_X509_NAME_push(s->names, name)) X509_NAME_free(name);
}

/* Whoever is given is trusted for itself, whether it has signed itself or was signed by another. */
static bool fill(struct set *s, str pem) {
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    size_t bytes = 0, n = 0;
    if (!b || !s->store || !s->names) base_out_of_memory(sizeof *s);
    X509_STORE_set_flags(s->store, X509_V_FLAG_PARTIAL_CHAIN);
    for (X509 *x; (x = PEM_read_bio_X509(b, NULL, NULL, NULL)); X509_free(x), n++) {
        if (X509_STORE_add_cert(s->store, x) != 1) break;
        add_name(s, x, &bytes);
    }
    BIO_free(b);
    if (bytes > NAMES_BYTES_MAX)
        while (sk_X509_NAME_num(s->names) > 0) X509_NAME_free(sk_X509_NAME_pop(s->names));
    return n > 0;
}

static struct set *find(struct tls_authorities *t, str id, str ca_pem) {
    struct set *s = map_get(&t->by_id, id);
    if (s) {
        link_remove(&s->recency);
        link_append(&t->recent, &s->recency);
        return s;
    }
    if (t->by_id.n >= SETS_MAX) drop(t, container_of(t->recent.next, struct set, recency));
    s = base_zalloc(sizeof *s + id.n);
    memcpy(s->bytes, id.p, id.n);
    s->id = (str){s->bytes, id.n};
    s->store = X509_STORE_new();
    s->names = sk_X509_NAME_new_null();
    bool good = fill(s, ca_pem);
    ERR_clear_error(); /* the end of the PEM is one */
    map_put(&t->by_id, s->id, s);
    link_append(&t->recent, &s->recency);
    if (good) return s;
    drop(t, s);
    return NULL;
}

err tls_authorities_use(struct tls_authorities *t, str id, str ca_pem, SSL *ssl) {
    const struct set *s = find(t, id, ca_pem);
    if (!s || SSL_set1_verify_cert_store(ssl, s->store) != 1) return ERR_PROTO;
    SSL_set0_CA_list(ssl, SSL_dup_CA_list(s->names));
    return OK;
}
