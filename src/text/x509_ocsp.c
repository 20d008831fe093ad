/* SPDX-License-Identifier: Apache-2.0 */
#include "text/x509_ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

enum { DER_BYTES_MAX = 64 << 10, CHAIN_MAX = 32 };

static STACK_OF(X509) * read_chain(str pem) {
    BIO *bio = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    STACK_OF(X509) *all = sk_X509_new_null();
    for (X509 *one; sk_X509_num(all) < CHAIN_MAX && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        sk_X509_push(all, one);
    BIO_free(bio);
    return all;
}

/* Who has signed the leaf: the next of the chain, or itself. */
static X509 *issuer_of(const STACK_OF(X509) * chain) {
    X509 *leaf = sk_X509_value(chain, 0);
    if (!leaf || X509_get_extension_flags(leaf) & EXFLAG_SS) return leaf;
    X509 *next = sk_X509_value(chain, 1);
    return next && X509_check_issued(next, leaf) == X509_V_OK ? next : NULL;
}

static bool seconds_of(const ASN1_GENERALIZEDTIME *t, int64_t *ret) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool good = t && epoch && ASN1_TIME_diff(&days, &seconds, epoch, t);
    ASN1_TIME_free(epoch);
    *ret = (int64_t)days * 86400 + seconds;
    return good;
}

/* The one answer about the leaf. NULL: it is good, and its times are in *ret. */
static const char *read_answer(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer, struct x509_ocsp *ret) {
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);
        const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(one);
        ASN1_OBJECT *digest = NULL;
        if (!OCSP_id_get0_info(NULL, &digest, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id)) continue;
        OCSP_CERTID *own = OCSP_cert_to_id(EVP_get_digestbyobj(digest), leaf, issuer);
        bool same = own && OCSP_id_cmp(own, id) == 0;
        OCSP_CERTID_free(own);
        if (!same) continue;
        ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
        int status = OCSP_single_get0_status(one, NULL, NULL, &from, &until);
        if (status == V_OCSP_CERTSTATUS_REVOKED) return "says that the certificate is revoked";
        if (status != V_OCSP_CERTSTATUS_GOOD) return "does not know the certificate";
        if (!seconds_of(from, &ret->this_update_s)) return "has no readable time";
        if (!until)
            ret->next_update_s = INT64_MAX;
        else if (!seconds_of(until, &ret->next_update_s))
            return "has no readable time";
        return NULL;
    }
    return "is of another certificate";
}

/* Signed by the issuer, or by whom the issuer has certified for it [RFC 6960 4.2.2.2]. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer, STACK_OF(X509) * chain) {
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
    /* The certificates' own times are the caller's clock's matter, and roots need not be known: the chain is the user's own. */
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    X509_STORE_add_cert(store, issuer);
    bool good = OCSP_basic_verify(basic, chain, store, 0) == 1;
    X509_STORE_free(store);
    return good;
}

static const char *judge(str der, STACK_OF(X509) * chain, struct x509_ocsp *ret) {
    const unsigned char *at = (const unsigned char *)der.p, *end = at + der.n;
    OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)der.n);
    OCSP_BASICRESP *basic = r && at == end ? OCSP_response_get1_basic(r) : NULL;
    X509 *issuer = issuer_of(chain);
    const char *why = NULL;
    if (!r || at != end)
        why = "is no OCSP response in DER";
    else if (OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL || !basic)
        why = "is an OCSP response without an answer";
    else if (!issuer)
        why = "can not be checked: the chain has no certificate of the issuer";
    else if (!(why = read_answer(basic, sk_X509_value(chain, 0), issuer, ret)) &&
             !is_signed(basic, issuer, chain))
        why = "is not signed by the certificate's issuer";
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(r);
    return why;
}

err x509_ocsp_read(struct arena *a, str chain_pem, str der, struct x509_ocsp *ret, str *ret_message) {
    struct x509_ocsp info = {0};
    const char *why = "is larger than 64 KiB";
    if (der.n <= DER_BYTES_MAX) {
        STACK_OF(X509) *chain = read_chain(chain_pem);
        why = judge(der, chain, &info);
        sk_X509_pop_free(chain, X509_free);
    }
    ERR_clear_error();
    if (why) {
        *ret_message = arena_str(a, str_of(why));
        return ERR_PROTO;
    }
    *ret = info;
    return OK;
}
