/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/tls_options.h"

#define MIN_KEY     "postern.dev/min-tls-version"
#define MAX_KEY     "postern.dev/max-tls-version"
#define CIPHERS_KEY "postern.dev/tls-ciphers"

/* Those of Mozilla's "intermediate" profile, in its order: an option takes some away, none can be added. */
static const struct suite {
    const char *name, *iana; /* OpenSSL's and the registry's; the same for TLS 1.3 */
} suites[] = {
    {"TLS_AES_128_GCM_SHA256", NULL},
    {"TLS_AES_256_GCM_SHA384", NULL},
    {"TLS_CHACHA20_POLY1305_SHA256", NULL},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {"ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    {"ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    {"ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
};

static struct verdict read_version(struct arena *a, const struct str_pair *o, uint8_t *to) {
    if (str_eq(o->value, S("1.3")))
        *to = PLAN_TLS_1_3;
    else if (str_eq(o->value, S("1.2")))
        *to = PLAN_TLS_1_2;
    else
        return resolver_refuse(a, "UnsupportedValue",
                               "tls.options: " STR_FMT ": \"" STR_FMT "\"; use 1.2 or 1.3", STR_ARG(o->key),
                               STR_ARG(o->value));
    return (struct verdict){0};
}

static bool is_between(char c) {
    return c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word of a list; "": none. */
static str take_word(str *rest) {
    size_t n = 0;
    while (rest->n && is_between(rest->p[0])) *rest = str_from(*rest, 1);
    while (n < rest->n && !is_between(rest->p[n])) n++;
    str word = str_upto(*rest, n);
    *rest = str_from(*rest, n);
    return word;
}

static struct verdict read_ciphers(struct arena *a, const struct str_pair *o, struct listener_state *l) {
    bool wanted[COUNT_OF(suites)] = {0};
    str rest = o->value;
    for (str word; (word = take_word(&rest)).n;) {
        size_t i = 0;
        while (i < COUNT_OF(suites) && !str_eq(word, str_of(suites[i].name)) &&
               !(suites[i].iana && str_eq(word, str_of(suites[i].iana))))
            i++;
        if (i == COUNT_OF(suites))
            return resolver_refuse(a, "UnsupportedValue",
                                   "tls.options: " CIPHERS_KEY ": \"" STR_FMT
                                   "\" is none of the ciphers that are served (docs/tls.md)",
                                   STR_ARG(word));
        wanted[i] = true;
    }
    l->ciphers = arena_array(a, str, COUNT_OF(suites));
    for (size_t i = 0; i < COUNT_OF(suites); i++)
        if (wanted[i]) l->ciphers[l->ciphers_n++] = str_of(suites[i].name);
    if (l->ciphers_n) return (struct verdict){0};
    return resolver_refuse(a, "UnsupportedValue",
                           "tls.options: " CIPHERS_KEY " names no cipher; name some or remove the option");
}

/* A version without a cipher can not be agreed on. */
static struct verdict settle(struct arena *a, struct listener_state *l) {
    bool has[2] = {!l->ciphers_n, !l->ciphers_n};
    for (uint32_t i = 0; i < l->ciphers_n; i++) has[str_starts(l->ciphers[i], S("TLS_"))] = true;
    uint8_t min = l->tls_min ? l->tls_min : PLAN_TLS_1_2, max = l->tls_max ? l->tls_max : PLAN_TLS_1_3;
    if (!has[0] && min < PLAN_TLS_1_3) min = PLAN_TLS_1_3;
    if (!has[1] && max > PLAN_TLS_1_2) max = PLAN_TLS_1_2;
    l->tls_min = min;
    l->tls_max = max == PLAN_TLS_1_3 ? PLAN_TLS_UNSET : max;
    if (min <= max) return (struct verdict){0};
    return resolver_refuse(
        a, "UnsupportedValue",
        "tls.options: no version is left: %s; correct " MIN_KEY ", " MAX_KEY " or " CIPHERS_KEY,
        has[0] && has[1] ? "the lowest is above the highest" : "the ciphers are those of another version");
}

struct verdict tls_options_judge(struct arena *a, struct listener_state *l, const struct str_map *options) {
    struct verdict v = {0};
    for (uint32_t i = 0; i < options->n && !v.reason; i++) {
        const struct str_pair *o = &options->p[i];
        if (str_eq(o->key, S(MIN_KEY)))
            v = read_version(a, o, &l->tls_min);
        else if (str_eq(o->key, S(MAX_KEY)))
            v = read_version(a, o, &l->tls_max);
        else if (str_eq(o->key, S(CIPHERS_KEY)))
            v = read_ciphers(a, o, l);
        else
            v = resolver_refuse(a, "UnsupportedValue",
                                "tls.options: \"" STR_FMT "\" is unknown; the options are " MIN_KEY
                                ", " MAX_KEY " and " CIPHERS_KEY,
                                STR_ARG(o->key));
    }
    return v.reason ? v : settle(a, l);
}
