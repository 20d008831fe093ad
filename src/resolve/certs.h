/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

struct secret;
/* The certificate in the Secret, counted once more and in the plan; NULL: *ret_why (in a) tells what is wrong with it. ret_notice: not NULL
 * for one that is shown to clients, with its OCSP response; what is wrong with that, else "". */
struct cert_state *certs_use(struct pass *p, struct arena *a, const struct secret *s, str *ret_why,
                             str *ret_notice);
/* Who names a Secret, and where: for its permission and for messages, which live in a. */
struct certs_user {
    enum api_kind kind; /* Gateway, ListenerSet */
    str ns, path;
    const char *reason; /* of what is wrong but for RefNotPermitted */
    bool staples;       /* it is shown to clients, with its OCSP response */
};
/* *ret: counted, NULL when it can not be used. *ret_notice (may be NULL): what is worth telling of a good
 * one's dates and OCSP response, else "". */
struct verdict certs_judge(struct pass *p, struct arena *a, const struct certs_user *u,
                           const struct secret_ref *ref, struct cert_state **ret, str *ret_notice);
/* Would certs_use() find one? */
bool certs_check(struct pass *p, const struct secret *s, str *ret_why);
void certs_release(struct pass *p, struct cert_state *c);
/* The state of the certificate in the Secret while it is in use, or NULL. */
const struct cert_state *certs_find(const struct resolver *r, struct arena *a, const struct secret *s);
/* "2026-11-23" in a. */
str certs_day(struct arena *a, int64_t seconds);
/* "" or a word about its dates, in a. */
str certs_dates(const struct cert_state *c, struct arena *a, int64_t now_s);
/* Takes off the list of those whose end is ahead a certificate that ended by now_s; NULL: none (left). */
struct cert_state *certs_take_ended(struct resolver *r, int64_t now_s);
/* Every certificate counts as ended for certs_take_ended(): the clock went back, and dates that were past may lie ahead. */
void certs_look_again(struct resolver *r);
/* The next moment at which a certificate's dates change what is said of it; INT64_MAX: never. */
int64_t certs_next(const struct resolver *r);
void certs_fini(struct resolver *r);
