/* SPDX-License-Identifier: Apache-2.0 */
#include "api/pattern.h"

#define LABEL     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN LABEL "(\\." LABEL ")*"
#define PATH_TAIL "\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_lower(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }
static bool is_alnum(char c) { return is_lower(str_lower(c)); }
static bool is_any(char c, const char *set) { return c && strchr(set, c); }

static bool label_holds(str s) {
    if (s.n == 0 || !is_lower(s.p[0]) || !is_lower(s.p[s.n - 1])) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_lower(s.p[i]) && s.p[i] != '-') return false;
    return true;
}

static bool namespace_holds(str s) { return s.n == 0 || label_holds(s); }

static bool subdomain_holds(str s) {
    if (!s.p) return false;
    while (s.p)
        if (!label_holds(str_cut(&s, '.'))) return false;
    return true;
}

static bool group_holds(str s) { return s.n == 0 || subdomain_holds(s); }

static bool kind_holds(str s) {
    if (s.n == 0 || !is_alnum(s.p[0]) || is_digit(s.p[0]) || !is_alnum(s.p[s.n - 1])) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-') return false;
    return true;
}

static bool hostname_holds(str s) { return subdomain_holds(str_starts(s, S("*.")) ? str_from(s, 2) : s); }

static bool is_path_tail(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !is_any(s.p[i], "/-._~%!$&'()*+,;=:")) return false;
    return s.n > 0;
}

static bool controller_holds(str s) {
    str domain = str_cut(&s, '/');
    return subdomain_holds(domain) && is_path_tail(s);
}

/* The second alternative is anchored at its end alone, so one character before the slash is enough. */
static bool protocol_holds(str s) {
    bool word = s.n && is_alnum(s.p[0]) && is_alnum(s.p[s.n - 1]);
    for (size_t i = 0; i < s.n; i++) word = word && (is_alnum(s.p[i]) || s.p[i] == '-');
    if (word) return true;
    size_t slash = str_rfind(s, '/');
    if (slash == s.n || slash == 0 || !is_lower(s.p[slash - 1]) || slash + 1 == s.n) return false;
    for (size_t i = slash + 1; i < s.n; i++)
        if (!is_alnum(s.p[i])) return false;
    return true;
}

/* Each alternative is anchored on one side at most, as in the CRD. */
static bool address_type_holds(str s) {
    if (str_starts(s, S("Hostname")) || (s.n && memmem(s.p, s.n, "IPAddress", 9)) ||
        (s.n && memmem(s.p, s.n, "NamedAddress", 12)))
        return true;
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] == '/' && is_lower(s.p[i - 1]) && is_path_tail(str_from(s, i + 1))) return true;
    return false;
}

static bool header_name_holds(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !is_any(s.p[i], "!#$%&'*+-.^_`|~")) return false;
    return s.n > 0;
}

static bool header_value_holds(str s) {
    bool visible = false;
    for (size_t i = 0; i < s.n; i++) {
        bool is_space = s.p[i] == ' ' || s.p[i] == '\t';
        if (is_space ? !visible : s.p[i] < '!' || s.p[i] > '~') return false;
        visible = !is_space;
    }
    return visible;
}

static bool is_hex(char c) { return is_digit(c) || (str_lower(c) >= 'a' && str_lower(c) <= 'f'); }

static bool path_holds(str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            if (i + 2 >= s.n || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2])) return false;
            i += 2;
        } else if (!is_alnum(s.p[i]) && !is_any(s.p[i], "-/._~!$&'()*+,;=:@"))
            return false;
    }
    return s.n > 0;
}

/* ((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*) */
static bool is_origin_host(str s) {
    if (str_eq(s, S("*"))) return true;
    if (str_starts(s, S("*."))) s = str_from(s, 2);
    bool empty = true; /* the name since the last dot */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? empty : !is_alnum(s.p[i]) && s.p[i] != '-') return false;
        empty = s.p[i] == '.';
    }
    return !empty;
}

static bool cors_origin_holds(str s) {
    if (str_eq(s, S("*"))) return true;
    if (str_starts(s, S("http://")))
        s = str_from(s, 7);
    else if (str_starts(s, S("https://")))
        s = str_from(s, 8);
    else
        return false;
    str host = str_cut(&s, ':');
    if (!is_origin_host(host)) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_digit(s.p[i])) return false;
    return !s.p || (s.n >= 1 && s.n <= 5);
}

static bool label_value_holds(str s) {
    if (s.n == 0) return true;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !is_any(s.p[i], "-_.")) return false;
    return is_alnum(s.p[0]) && is_alnum(s.p[s.n - 1]);
}

static bool qualified_holds(str s) {
    size_t slash = str_find(s, '/');
    if (slash < s.n) {
        if (slash > 253 || !subdomain_holds(str_upto(s, slash))) return false;
        s = str_from(s, slash + 1);
    }
    return s.n > 0 && s.n <= 63 && label_value_holds(s);
}

static bool data_key_holds(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !is_any(s.p[i], "-._")) return false;
    return s.n > 0 && s.n <= 253;
}

static bool port_name_holds(str s) {
    bool letter = false;
    for (size_t i = 0; i < s.n; i++) {
        letter |= is_lower(s.p[i]) && !is_digit(s.p[i]);
        if (i && s.p[i] == '-' && s.p[i - 1] == '-') return false;
    }
    return letter && s.n <= 15 && label_holds(s);
}

static bool bundle_name_holds(str s) {
    if (!s.p) return false;
    while (s.p)
        if (!subdomain_holds(str_cut(&s, ':'))) return false;
    return true;
}

/* Anchored at its beginning alone. */
static bool uri_holds(str s) {
    size_t scheme = 0;
    while (scheme < s.n && !is_any(s.p[scheme], ":/?#")) scheme++;
    return scheme > 0 && str_starts(str_from(s, scheme), S("://"));
}

static bool well_known_holds(str s) {
    return str_eq(s, S("System")) || (str_find(s, '/') < s.n && qualified_holds(s));
}

static bool is_word_of(str s, const char *also) {
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && !is_any(s.p[i], also)) return false;
    return s.n > 0;
}

static bool grpc_method_holds(str s) { return is_word_of(s, "_") && !is_digit(s.p[0]); }

static bool grpc_service_holds(str s) {
    if (s.n && s.p[0] == '.') s = str_from(s, 1);
    if (s.n == 0) return false;
    while (s.p)
        if (!grpc_method_holds(str_cut(&s, '.'))) return false;
    return true;
}

static bool telemetry_name_holds(str s) { return is_word_of(s, "_.:/-"); }

static bool span_name_holds(str s) {
    if (s.n == 0) return false;
    while (s.p)
        if (!telemetry_name_holds(str_cut(&s, ' '))) return false;
    return true;
}

static bool attribute_key_holds(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!is_lower(s.p[i]) && !is_any(s.p[i], "_.-")) return false;
    return s.n > 0;
}

const struct pattern pattern_label = {"^" LABEL "$", label_holds,
                                      "must be lower-case letters, digits and '-', as my-name"};
const struct pattern pattern_namespace = {"^$|^" LABEL "$", namespace_holds,
                                          "must be lower-case letters, digits and '-', as my-name"};
const struct pattern pattern_subdomain = {
    "^" SUBDOMAIN "$", subdomain_holds,
    "must be lower-case letters, digits, '-' and '.', as my-name or example.com"};
const struct pattern pattern_group = {"^$|^" SUBDOMAIN "$", group_holds,
                                      "must be empty or a lower-case domain, as gateway.networking.k8s.io"};
const struct pattern pattern_kind = {
    "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", kind_holds,
    "must be letters, digits and '-', beginning with a letter, as HTTPRoute"};
const struct pattern pattern_hostname = {
    "^(\\*\\.)?" SUBDOMAIN "$", hostname_holds,
    "must be a lower-case DNS name, with \"*.\" in front if all names below it are meant"};
const struct pattern pattern_controller = {"^" SUBDOMAIN PATH_TAIL, controller_holds,
                                           "must be a domain and a path, as example.com/gateway-controller"};
const struct pattern pattern_protocol = {
    "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|" SUBDOMAIN "\\/[A-Za-z0-9]+$", protocol_holds,
    "must be HTTP, HTTPS, TLS, TCP, UDP or a domain and a name, as example.com/name"};
const struct pattern pattern_address_type = {
    "^Hostname|IPAddress|NamedAddress|" SUBDOMAIN PATH_TAIL, address_type_holds,
    "must be IPAddress, Hostname or a domain and a path, as example.com/name"};
const struct pattern pattern_header_name = {"^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", header_name_holds,
                                            "must be letters, digits and !#$%&'*+-.^_`|~"};
const struct pattern pattern_header_value = {
    "^[!-~]+([\\t ]?[!-~]+)*$", header_value_holds,
    "must be printable ASCII, without spaces at the ends or two in a row"};
const struct pattern pattern_path = {"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$", path_holds,
                                     "must be letters, digits, -/._~!$&'()*+,;=:@ and %XX"};
const struct pattern pattern_cors_origin = {
    "(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)$)",
    cors_origin_holds, "must be * or a scheme and a host without a path, as https://*.example.com:8443"};
const struct pattern pattern_label_value = {
    "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", label_value_holds,
    "must be letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"};
const struct pattern pattern_qualified = {"^(" SUBDOMAIN "/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$",
                                          qualified_holds,
                                          "must be a name of up to 63 letters, digits, '-', '_' and '.', "
                                          "after an optional domain, as example.com/name"};
const struct pattern pattern_data_key = {"^[-._a-zA-Z0-9]{1,253}$", data_key_holds,
                                         "must be letters, digits, '-', '_' and '.', as tls.crt"};
const struct pattern pattern_port_name = {
    "^(?=.{1,15}$)(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?$", port_name_holds,
    "must be up to 15 lower-case letters, digits and single '-', with a letter among them, as http"};
const struct pattern pattern_bundle_name = {
    "^" SUBDOMAIN "(:" SUBDOMAIN ")*$", bundle_name_holds,
    "must be lower-case names, joined by ':', as example.com:signer:name"};
const struct pattern pattern_uri = {
    "^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\\?([^#]*))?(#(.*))?", uri_holds,
    "must be a URI with a scheme and an authority, as spiffe://example.com/name"};
const struct pattern pattern_well_known = {
    "^(System|(" SUBDOMAIN "/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$", well_known_holds,
    "must be System or a domain and a name, as example.com/name"};
const struct pattern pattern_grpc_service = {
    "^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$", grpc_service_holds,
    "must be a full name of letters, digits, '_' and '.', as package.Service"};
const struct pattern pattern_grpc_method = {"^[A-Za-z_][A-Za-z_0-9]*$", grpc_method_holds,
                                            "must be letters, digits and '_', not beginning with a digit"};
const struct pattern pattern_telemetry_name = {"^[a-zA-Z0-9_.:/-]+$", telemetry_name_holds,
                                               "must be letters, digits, '_', '.', ':', '/' and '-'"};
const struct pattern pattern_span_name = {
    "^[a-zA-Z0-9_.:/-]+( [a-zA-Z0-9_.:/-]+)*$", span_name_holds,
    "must be words of letters, digits, '_', '.', ':', '/' and '-', with single spaces between"};
const struct pattern pattern_attribute_key = {"^[a-z0-9_.-]+$", attribute_key_holds,
                                              "must be lower-case letters, digits, '_', '.' and '-'"};
