/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/certs.h"

#include "api/core.h"
#include "resolve/grants.h"
#include "text/base64.h"
#include "text/x509.h"
#include "text/x509_ocsp.h"

/* A response from a clock that goes a little before ours is taken. */
enum { KEY_DIGITS = 32, SKEW_S = 300 };

/* The next of its dates that lies ahead; INT64_MAX: none. */
static int64_t next_date(const struct cert_state *c, int64_t now_s) {
    int64_t next = c->staple_s > now_s ? c->staple_s : INT64_MAX;
    if (c->not_before_s > now_s) return c->not_before_s < next ? c->not_before_s : next;
    if (c->not_after_s >= now_s && c->not_after_s + 1 < next) return c->not_after_s + 1;
    return next;
}

static void watch_dates(struct resolver *r, struct cert_state *c, int64_t now_s) {
    int64_t at = next_date(c, now_s);
    if (at != INT64_MAX) heap_set(&r->expiries, &c->expiry, (uint64_t)(at < 0 ? 0 : at));
}

static struct cert_state *add(struct pass *p, const char *key, const struct plan_certificate *piece,
                              const struct x509_info *info) {
    struct cert_state *c = base_zalloc(sizeof *c);
    memcpy(c->key, key, KEY_DIGITS);
    c->staple_s = INT64_MAX;
    c->not_before_s = info->not_before_s;
    c->not_after_s = info->not_after_s;
    str own_key = {c->key, KEY_DIGITS};
    map_put(&p->r->certs, own_key, c);
    plan_set(p->plan, PLAN_CERTIFICATE, own_key, plan_pack(piece), p->delta);
    return c;
}

static str key_of(struct arena *a, str chain, str key, str staple) {
    struct buf b;
    buf_init(&b, chain.n + key.n + staple.n + 2);
    buf_add(&b, chain);
    buf_add_char(&b, '\n');
    buf_add(&b, key);
    if (staple.n) buf_add_char(&b, '\n');
    buf_add(&b, staple);
    str digest = str_upto(base64_sha256_hex(a, buf_str(&b)), KEY_DIGITS);
    explicit_bzero(b.p, b.n);
    buf_fini(&b);
    return digest;
}

static str staple_of(const struct secret *s) { return schema_map_get(&s->data, S("tls.ocsp-staple")); }

const struct cert_state *certs_find(const struct resolver *r, struct arena *a, const struct secret *s) {
    str chain = schema_map_get(&s->data, S("tls.crt")), key = schema_map_get(&s->data, S("tls.key"));
    if (!chain.n || !key.n) return NULL;
    const struct cert_state *c = map_get(&r->certs, key_of(a, chain, key, staple_of(s)));
    return c ? c : map_get(&r->certs, key_of(a, chain, key, S("")));
}

/* The response to staple now; "" when there is none, or it must not be sent: then *ret_why says so. *ret_next_s: when that changes. */
static str judge_staple(struct pass *p, struct arena *a, const struct secret *s, str chain, str *ret_why,
                        int64_t *ret_next_s) {
    str der = staple_of(s), why = {0};
    struct x509_ocsp info;
    *ret_next_s = INT64_MAX;
    *ret_why = (str){0};
    if (!der.n) return S("");
    if (x509_ocsp_read(p->scratch, chain, der, &info, &why) != OK) {
        *ret_why = why;
    } else if (info.this_update_s - SKEW_S > p->now_s) {
        *ret_next_s = info.this_update_s - SKEW_S;
        *ret_why = arena_printf(p->scratch, "is not valid before " STR_FMT,
                                STR_ARG(certs_day(a, info.this_update_s)));
    } else if (info.next_update_s <= p->now_s) {
        *ret_why = arena_printf(p->scratch, "ended on " STR_FMT, STR_ARG(certs_day(a, info.next_update_s)));
    } else {
        *ret_next_s = info.next_update_s;
        return der;
    }
    *ret_why = arena_printf(a, "tls.ocsp-staple " STR_FMT "; it is not stapled: renew or remove it",
                            STR_ARG(*ret_why));
    return S("");
}

/* The two texts of the Secret; false: *ret_why. */
static bool read_secret(struct arena *a, const struct secret *s, str *ret_chain, str *ret_key, str *ret_why) {
    if (!str_eq(s->type, S("kubernetes.io/tls"))) {
        *ret_why = arena_printf(a, "is of type \"" STR_FMT "\"; make it one of type kubernetes.io/tls",
                                STR_ARG(s->type));
        return false;
    }
    *ret_chain = schema_map_get(&s->data, S("tls.crt"));
    *ret_key = schema_map_get(&s->data, S("tls.key"));
    if (ret_chain->n && ret_key->n) return true;
    *ret_why = arena_printf(a, "has no %s; put the PEM of the %s there", ret_chain->n ? "tls.key" : "tls.crt",
                            ret_chain->n ? "private key" : "certificate chain");
    return false;
}

static bool read_pair(struct pass *p, struct arena *a, str chain, str key, struct x509_info *ret_info,
                      str *ret_why) {
    str message = {0};
    if (x509_read_pair(p->scratch, chain, key, ret_info, &message) == OK) return true;
    *ret_why =
        arena_printf(a, "can not be used: " STR_FMT "; put a matching pair of PEM into tls.crt and tls.key",
                     STR_ARG(message));
    return false;
}

bool certs_check(struct pass *p, const struct secret *s, str *ret_why) {
    str chain, key;
    struct x509_info info = {0};
    return read_secret(p->scratch, s, &chain, &key, ret_why) &&
           read_pair(p, p->scratch, chain, key, &info, ret_why);
}

struct cert_state *certs_use(struct pass *p, struct arena *a, const struct secret *s, str *ret_why,
                             str *ret_notice) {
    str chain, key, staple = {0};
    int64_t staple_s = INT64_MAX;
    if (!read_secret(a, s, &chain, &key, ret_why)) return NULL;
    if (ret_notice) staple = judge_staple(p, a, s, chain, ret_notice, &staple_s);
    str digest = key_of(p->scratch, chain, key, staple);
    struct cert_state *c = map_get(&p->r->certs, digest);
    if (!c) {
        struct x509_info info = {0};
        if (!read_pair(p, a, chain, key, &info, ret_why)) return NULL;
        struct plan_certificate piece = {.piece = {.kind = PLAN_CERTIFICATE, .key = digest},
                                         .chain_pem = chain,
                                         .key_pem = key,
                                         .names = {info.names, info.names_n},
                                         .key_kind = (uint8_t)info.key_kind,
                                         .ocsp = staple,
                                         .not_after_s = info.not_after_s};
        c = add(p, digest.p, &piece, &info);
    }
    if (staple_s < c->staple_s) c->staple_s = staple_s;
    watch_dates(p->r, c, p->now_s);
    c->uses++;
    return c;
}

static str notice_of(struct pass *p, struct arena *a, const struct certs_user *u, str ns, str name,
                     const struct cert_state *c, str staple) {
    str dates = certs_dates(c, a, p->now_s);
    if (!dates.n && staple.n)
        return arena_printf(a, STR_FMT ": Secret " STR_FMT "/" STR_FMT ": " STR_FMT, STR_ARG(u->path),
                            STR_ARG(ns), STR_ARG(name), STR_ARG(staple));
    if (!dates.n) return dates;
    return arena_printf(a, STR_FMT ": the certificate in Secret " STR_FMT "/" STR_FMT " " STR_FMT,
                        STR_ARG(u->path), STR_ARG(ns), STR_ARG(name), STR_ARG(dates));
}

struct verdict certs_judge(struct pass *p, struct arena *a, const struct certs_user *u,
                           const struct secret_ref *ref, struct cert_state **ret, str *ret_notice) {
    str ns = ref->ns.n ? ref->ns : u->ns;
    *ret = NULL;
    if (ref->group.n || (ref->kind.n && !str_eq(ref->kind, S("Secret"))))
        return resolver_refuse(
            a, u->reason, STR_FMT ": " STR_FMT "%s" STR_FMT " is not served; name a Secret", STR_ARG(u->path),
            STR_ARG(ref->group), ref->group.n ? "/" : "", STR_ARG(ref->kind));
    if (!grants_allow(p, u->kind, u->ns, S("Secret"), ns, ref->name))
        return resolver_refuse(a, "RefNotPermitted",
                               STR_FMT ": no ReferenceGrant in namespace " STR_FMT " lets a %s of " STR_FMT
                                       " use Secret " STR_FMT "; add one there",
                               STR_ARG(u->path), STR_ARG(ns), api_type_of(u->kind)->name, STR_ARG(u->ns),
                               STR_ARG(ref->name));
    const struct secret *s = (const void *)store_get(p->store, p->scratch, KIND_SECRET, ns, ref->name);
    if (!s)
        return resolver_refuse(a, u->reason,
                               STR_FMT ": Secret " STR_FMT "/" STR_FMT
                                       " does not exist; create it or correct the name",
                               STR_ARG(u->path), STR_ARG(ns), STR_ARG(ref->name));
    str why = {0}, staple = {0};
    *ret = certs_use(p, a, s, &why, u->staples ? &staple : NULL);
    if (!*ret)
        return resolver_refuse(a, u->reason, STR_FMT ": Secret " STR_FMT "/" STR_FMT " " STR_FMT,
                               STR_ARG(u->path), STR_ARG(ns), STR_ARG(ref->name), STR_ARG(why));
    if (ret_notice) *ret_notice = notice_of(p, a, u, ns, ref->name, *ret, staple);
    return (struct verdict){0};
}

void certs_release(struct pass *p, struct cert_state *c) {
    assert(c->uses);
    if (--c->uses) return;
    str key = {c->key, KEY_DIGITS};
    plan_set(p->plan, PLAN_CERTIFICATE, key, NULL, p->delta);
    map_take(&p->r->certs, key);
    heap_remove(&p->r->expiries, &c->expiry);
    free(c);
}

/* The day of a time, by the proleptic Gregorian calendar, counted in eras of 400 years from 1 March 0000. */
str certs_day(struct arena *a, int64_t seconds) {
    int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400 + 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t in_era = days - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153; /* 0 = March */
    int64_t day = in_year - (153 * month + 2) / 5 + 1;
    int64_t shown_month = month < 10 ? month + 3 : month - 9;
    int64_t shown_year = year + era * 400 + (shown_month <= 2);
    return arena_printf(a, "%04lld-%02lld-%02lld", (long long)shown_year, (long long)shown_month,
                        (long long)day);
}

str certs_dates(const struct cert_state *c, struct arena *a, int64_t now_s) {
    if (c->not_before_s > now_s)
        return arena_printf(a, "is not valid before " STR_FMT, STR_ARG(certs_day(a, c->not_before_s)));
    if (c->not_after_s < now_s)
        return arena_printf(a, "expired on " STR_FMT "; replace it", STR_ARG(certs_day(a, c->not_after_s)));
    return S("");
}

struct cert_state *certs_take_ended(struct resolver *r, int64_t now_s) {
    struct heap_item *first = heap_first(&r->expiries);
    if (!first || first->key > (uint64_t)now_s) return NULL;
    struct cert_state *c = container_of(first, struct cert_state, expiry);
    heap_remove(&r->expiries, first);
    watch_dates(r, c, now_s);
    return c;
}

void certs_look_again(struct resolver *r) {
    map_each (e, &r->certs) heap_set(&r->expiries, &((struct cert_state *)e->value)->expiry, 0);
}

int64_t certs_next(const struct resolver *r) {
    const struct heap_item *first = heap_first(&r->expiries);
    return first ? (int64_t)first->key : INT64_MAX;
}

void certs_fini(struct resolver *r) {
    map_each (e, &r->certs) free(e->value);
    map_fini(&r->certs);
    heap_fini(&r->expiries);
}
