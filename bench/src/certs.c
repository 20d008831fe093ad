/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of many HTTPS listeners, each with a certificate of its own (P-256, made here).
 *   certs DIR N      DIR/gateways.yaml: GatewayClass, Gateways of 64 listeners on port 443, a route to Service b for each; listener i is for
 *                    c<i>.example.com and names Secret c<i>; DIR/secrets/c<i>.yaml for each
 *   certs DIR N one  the Secrets in one file, DIR/secrets.yaml
 *   certs DIR -I     writes DIR/secrets/c<I>.yaml anew, with another certificate; prints its serial number
 * Files are renamed into place. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PER_GATEWAY = 64 };

static void die(const char *what) {
    perror(what);
    exit(1);
}

static FILE *file_new(const char *dir, const char *name, char space[512]) {
    snprintf(space, 512, "%s/.%s.new", dir, name);
    FILE *f = fopen(space, "w");
    if (!f) die(space);
    return f;
}

static void file_done(FILE *f, const char *dir, const char *name, const char *from) {
    char to[512];
    snprintf(to, sizeof to, "%s/%s", dir, name);
    if (fclose(f) || rename(from, to)) die(to);
}

static void base64(FILE *f, BIO *b) {
    char *p;
    long n = BIO_get_mem_data(b, &p);
    unsigned char out[8192];
    if (n > 6000) abort();
    EVP_EncodeBlock(out, (unsigned char *)p, (int)n);
    fputs((char *)out, f);
    fputc('\n', f);
    BIO_free(b);
}

static long secret(FILE *f, unsigned i) {
    static long made;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    long serial = (t.tv_sec * 1000000 + t.tv_nsec / 1000) * 16 + made++ % 16;
    char name[64], san[80];
    snprintf(name, sizeof name, "c%u.example.com", i);
    snprintf(san, sizeof san, "DNS:%s", name);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    if (!key || !x) die("openssl");
    X509_set_version(x, 2);
    ASN1_INTEGER_set_int64(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 90L * 86400);
    X509_set_pubkey(x, key);
    X509_NAME *n = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, n);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    if (!X509_sign(x, key, EVP_sha256())) die("openssl");
    BIO *cert = BIO_new(BIO_s_mem()), *own = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(cert, x);
    PEM_write_bio_PrivateKey(own, key, NULL, NULL, 0, NULL, NULL);
    fprintf(f,
            "apiVersion: v1\nkind: Secret\nmetadata: {name: c%u, namespace: default}\ntype: "
            "kubernetes.io/tls\ndata:\n  tls.crt: ",
            i);
    base64(f, cert);
    fputs("  tls.key: ", f);
    base64(f, own);
    fputs("---\n", f);
    X509_free(x);
    EVP_PKEY_free(key);
    return serial;
}

static void gateways(const char *dir, unsigned n) {
    char space[512];
    FILE *f = file_new(dir, "gateways.yaml", space);
    fputs("apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: postern}\n"
          "spec: {controllerName: postern.dev/gateway-controller}\n---\n",
          f);
    for (unsigned g = 0; g * PER_GATEWAY < n; g++) {
        fprintf(f,
                "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw%u, namespace: "
                "default}\n"
                "spec:\n  gatewayClassName: postern\n  listeners:\n",
                g);
        for (unsigned i = g * PER_GATEWAY; i < n && i < (g + 1) * PER_GATEWAY; i++)
            fprintf(f,
                    "  - {name: l%u, port: 443, protocol: HTTPS, hostname: c%u.example.com, tls: "
                    "{certificateRefs: [{name: c%u}]}}\n",
                    i, i, i);
        fprintf(f,
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r%u, "
                "namespace: default}\n"
                "spec:\n  parentRefs: [{name: gw%u}]\n  rules: [{backendRefs: [{name: b, port: 80}]}]\n---\n",
                g, g);
    }
    file_done(f, dir, "gateways.yaml", space);
}

static long secret_file(const char *dir, unsigned i) {
    char space[512], folder[400], name[32];
    snprintf(folder, sizeof folder, "%s/secrets", dir);
    snprintf(name, sizeof name, "c%u.yaml", i);
    FILE *f = file_new(folder, name, space);
    long serial = secret(f, i);
    file_done(f, folder, name, space);
    return serial;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "certs: the first comment of certs.c tells the arguments\n");
        return 2;
    }
    const char *dir = argv[1];
    long n = strtol(argv[2], NULL, 10);
    if (argv[2][0] == '-') {
        printf("%ld\n", secret_file(dir, (unsigned)-n));
        return 0;
    }
    bool one = argc > 3 && strcmp(argv[3], "one") == 0;
    char space[512], folder[400];
    FILE *f = one ? file_new(dir, "secrets.yaml", space) : NULL;
    snprintf(folder, sizeof folder, "%s/secrets", dir);
    if (!one) mkdir(folder, 0755);
    for (unsigned i = 0; i < (unsigned)n; i++) {
        if (one)
            secret(f, i);
        else
            secret_file(dir, i);
    }
    if (one) file_done(f, dir, "secrets.yaml", space);
    gateways(dir, (unsigned)n);
    return 0;
}
