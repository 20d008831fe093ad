/* SPDX-License-Identifier: Apache-2.0 */
/* The contract between the planes: what the objects mean, as keyed, immutable, counted, content-hashed pieces.
 * In:    pieces made by resolve/ (later: received by stream/).     Out: the same, by key; the difference between two states.
 * Own:   the builder thread. A piece is one block, held by whoever counts it; freed with the last hold. Kinds that come in great numbers
 *        (all but listeners and certificates) are kept in few bytes, and read by plan_open().
 * Never: an API object, a pointer into the store; a secret in any print. Door beside this one: plan_settings.h. */
#pragma once
#include "base/index.h"
#include "base/ip.h"
#include "base/key_kind.h"
#include "base/map.h"
#include "plan/plan_settings.h"
#include "plan/plan_tracing.h"
#include "schema/schema.h"

enum plan_kind { PLAN_LISTENER, PLAN_ROUTE, PLAN_BACKEND, PLAN_ENDPOINTS, PLAN_CERTIFICATE, PLAN_KIND_COUNT };

/* Every piece begins with this; what follows is known to plan_open() alone. */
struct plan_piece {
    enum plan_kind kind;
    uint32_t holds;
    uint64_t hash; /* of the content: equal hash, same piece */
    str key;       /* unique within the kind; in the piece's block */
};

/* A listener that is served. Key: "Gateway/NS/NAME/SECTION" or "ListenerSet/NS/NAME/SECTION" of the object that holds it. */
enum plan_protocol { PLAN_PROTOCOL_UNSET, PLAN_HTTP, PLAN_HTTPS, PLAN_TLS, PLAN_TCP, PLAN_UDP };
enum plan_tls_mode { PLAN_TLS_MODE_UNSET, PLAN_TLS_TERMINATE, PLAN_TLS_PASSTHROUGH };
enum plan_tls_version { PLAN_TLS_UNSET, PLAN_TLS_1_2, PLAN_TLS_1_3 };
struct plan_filter; /* below */
/* Who asks must show a certificate that one of these signed; lenient: or none. [GW FrontendTLSValidation] */
struct plan_clients {
    str ca_pem;
    bool lenient;
};
struct plan_listener {
    struct plan_piece piece;
    str gateway;               /* attachment point: "NS/NAME" of the Gateway */
    str section;               /* the listener's name; of a ListenerSet: "NS/NAME/LISTENER" */
    str bind_address;          /* "" = all addresses, both families */
    int64_t bind_port;         /* where the socket listens */
    int64_t port;              /* spec.port: what redirects and port matches speak of */
    uint8_t protocol;          /* enum plan_protocol */
    str hostname;              /* lower case; "" = any; "*.x" = wildcard */
    uint8_t tls_mode;          /* enum plan_tls_mode; TLS only: HTTPS always terminates */
    uint8_t tls_min, tls_max;  /* enum plan_tls_version; HTTPS, and TLS that terminates; UNSET: 1.2, 1.3 */
    LIST_OF(str) ciphers;      /* of these alone, by OpenSSL's names; empty: the usual ones */
    LIST_OF(str) certificates; /* keys of PLAN_CERTIFICATE pieces, in order of preference */
    struct plan_settings *settings;      /* NULL: none is set */
    LIST_OF(struct plan_filter) filters; /* before its requests are matched, in this order: AUTH alone */
    struct plan_clients *clients;        /* NULL: nobody is asked; HTTPS */
    struct plan_tracing *tracing;        /* NULL: nothing is traced; HTTP, HTTPS */
    str client_certificate; /* the PLAN_CERTIFICATE that backends which speak TLS are shown; "" = none */
};

/* One route's rules and where they are attached. Key: "HTTPRoute/NS/NAME", by its kind. TLS, TCP and UDP: one rule without matches; on
 * a listener of TCP or UDP the first of all routes (plan_route_order) has all traffic.             [GW TCPRoute] */
enum plan_route_kind { PLAN_ROUTE_HTTP, PLAN_ROUTE_GRPC, PLAN_ROUTE_TLS, PLAN_ROUTE_TCP, PLAN_ROUTE_UDP };
/* Of one hostname's paths Exact goes first, then Regex, longer expressions before shorter ones, then Prefix. An expression is
 * PCRE2's, on bytes, and must match the whole text: of the path without its query, of a value, of a service or method.
 *                                                                         [GW HTTPPathMatch.type RegularExpression] */
enum plan_path { PLAN_PATH_UNSET, PLAN_PATH_EXACT, PLAN_PATH_PREFIX, PLAN_PATH_REGEX };
enum plan_value { PLAN_VALUE_UNSET, PLAN_VALUE_EXACT, PLAN_VALUE_REGEX };
struct plan_value_match {
    uint8_t type; /* enum plan_value */
    str name;     /* headers: lower case */
    str value;
};
struct plan_match {
    uint8_t path_type; /* enum plan_path */
    str path;          /* PREFIX: without a trailing "/", "" = everything */
    str method;        /* "" = any */
    LIST_OF(struct plan_value_match) headers, query;
    uint8_t call_type; /* GRPC, enum plan_value, of service and call; UNSET = any. No path, no method then. */
    str service, call; /* "" = any */
};
enum plan_filter_type {
    PLAN_FILTER_UNSET,
    PLAN_FILTER_REQUEST_HEADERS,
    PLAN_FILTER_RESPONSE_HEADERS,
    PLAN_FILTER_REDIRECT,
    PLAN_FILTER_REWRITE,
    PLAN_FILTER_MIRROR,
    PLAN_FILTER_CORS,
    PLAN_FILTER_AUTH,
};
enum plan_path_change { PLAN_PATH_KEEP, PLAN_PATH_REPLACE_FULL, PLAN_PATH_REPLACE_PREFIX };
/* A copy of numerator in denominator requests to one endpoint; what it answers is nobody's.   [GW HTTPRequestMirrorFilter] */
struct plan_mirror {
    str backend; /* key of a PLAN_BACKEND */
    int64_t numerator, denominator;
};
/* Lists may be "*" alone, and empty: nothing is allowed then.                              [GW HTTPCORSFilter] */
struct plan_cors {
    LIST_OF(str) origins; /* lower case; a host may begin with "*." */
    LIST_OF(str) methods, headers, expose;
    bool credentials;
    int64_t max_age_s;
};
enum plan_auth_protocol { PLAN_AUTH_UNSET, PLAN_AUTH_HTTP, PLAN_AUTH_GRPC };
/* Nobody passes whom the backend does not let in: no answer from it, no entry.             [GW HTTPExternalAuthFilter] */
struct plan_auth {
    uint8_t protocol; /* enum plan_auth_protocol */
    str backend;      /* key of a PLAN_BACKEND; "": nobody can be asked, every request gets 500, and */
    str why;          /* this is what is wrong */
    str path;         /* HTTP: what goes before the request's path, "" or "/..." without a "/" at its end */
    /* Lower case. Fields of the request that it is told; HTTP: besides Host, Content-Length and Authorization; GRPC: empty = all. */
    LIST_OF(str) request_headers;
    LIST_OF(str) response_headers; /* HTTP: of its answer, into the request; empty = all but Host */
    int64_t body_bytes_max;        /* of the request's body that it is told; 0 = none; 413 for a longer one */
};
struct plan_filter {
    uint8_t type;                         /* enum plan_filter_type */
    LIST_OF(struct plan_header) set, add; /* the two header filters */
    LIST_OF(str) remove;
    str scheme, hostname; /* REDIRECT; hostname also REWRITE; "" = keep */
    uint8_t path_change;  /* enum plan_path_change: REDIRECT, REWRITE */
    str path;             /* the replacement */
    int64_t port;         /* REDIRECT; 0 = by the rules of [GW HTTPRequestRedirectFilter.port] */
    int64_t status;       /* REDIRECT */
    struct plan_mirror *mirror;
    struct plan_cors *cors;
    struct plan_auth *auth;
};
/* A request that follows another of its client goes to the same endpoint of the backend, which is chosen by weight first and each
 * time. The token names the endpoint and, with absolute_timeout, its end.                  [GW SessionPersistence] */
enum plan_session_type { PLAN_SESSION_UNSET, PLAN_SESSION_COOKIE, PLAN_SESSION_HEADER };
struct plan_session {
    uint8_t type;   /* enum plan_session_type */
    str name;       /* of the cookie or the header; no two targets of a rule share it */
    str path;       /* COOKIE */
    bool permanent; /* COOKIE: the client keeps it until its end; else until it forgets its session */
    struct opt_int absolute_timeout; /* microseconds; not set: none */
};
struct plan_target {
    str backend; /* key of a PLAN_BACKEND; "" when `answer` is set */
    int64_t weight;
    int64_t answer; /* HTTP status instead of a backend (500 for an invalid reference), 0 = none */
    str why;        /* with answer: what is wrong, for logs and explain */
    LIST_OF(struct plan_filter) filters;
    struct plan_session *session; /* NULL: none */
};
/* Requests that no backend has processed are tried again, and those that got one of the codes.  [GW HTTPRouteRetry] */
struct plan_retry {
    LIST_OF(int64_t) codes;
    int64_t attempts;       /* after the first; 0 = never again */
    struct opt_int backoff; /* microseconds, before the second attempt; not set: the default */
};
struct plan_rule {
    int64_t index; /* in the route's rules */
    str name;
    LIST_OF(struct plan_match) matches;
    LIST_OF(struct plan_filter) filters;
    LIST_OF(struct plan_target) targets;
    struct opt_int request_timeout, backend_timeout; /* microseconds; not set = the defaults; 0 = none */
    struct plan_retry *retry;                        /* NULL: the defaults */
};
/* What a plan that is read may have: 32 parents of 64 listeners; as many endpoints as fit into one document, however long their addresses. */
enum { PLAN_ATTACHMENTS_MAX = 32 * 64, PLAN_RULES_MAX = 1024, PLAN_ENDPOINTS_MAX = 16384 };
struct plan_attachment {
    str listener;           /* key of a PLAN_LISTENER */
    LIST_OF(str) hostnames; /* the route's own that meet the listener's; one "" when the route has none */
};
struct plan_route {
    struct plan_piece piece;
    uint8_t kind; /* enum plan_route_kind */
    str ns, name;
    int64_t created_s; /* for precedence; 0 = not known */
    LIST_OF(struct plan_attachment) attachments;
    LIST_OF(struct plan_rule) rules;
};

/* A backend that rules name. Key: "NS/NAME:PORT" of a Service, "XBackend/NS/NAME:PORT" of an XBackend, and "+h2c", "+tls", "+tcp" or
 * "+udp" for what is not HTTP/1.1. */
enum plan_backend_protocol {
    PLAN_BACKEND_UNSET,
    PLAN_BACKEND_HTTP, /* of HTTPRoutes: HTTP/1.1 */
    PLAN_BACKEND_H2C,  /* HTTP/2: of GRPCRoutes, or as the Service's port says */
    PLAN_BACKEND_TLS,  /* of TLSRoutes: bytes; `tls` holds for connections that a listener terminates */
    PLAN_BACKEND_TCP,  /* of TCPRoutes: bytes, whatever policies say; `tls` is an XBackend's own then */
    PLAN_BACKEND_UDP,
};
enum plan_alt_name { PLAN_ALT_NAME_UNSET, PLAN_ALT_NAME_DNS, PLAN_ALT_NAME_URI };
struct plan_alt_name_wanted {
    uint8_t type; /* enum plan_alt_name */
    str value;
};
/* TLS towards a backend.                                                 [GW BackendTLSPolicy] [GW XBackend.tls] */
struct plan_backend_tls {
    str policy;   /* "NS/NAME" of the BackendTLSPolicy; "": the XBackend itself says so */
    str hostname; /* the server name, and the name to verify unless alt_names are given */
    LIST_OF(struct plan_alt_name_wanted) alt_names; /* the certificate must have one of them */
    str ca_pem;                                     /* who may have signed; "" = the system's */
    str client_certificate;                         /* key of a PLAN_CERTIFICATE to show; "" = none */
};
/* Retries may be so many percent of a backend's requests of the last interval, and at_least_n in each at_least_interval in any case; a
 * retry past that is answered 503 instead.                                           [GW RetryConstraint] */
struct plan_retry_budget {
    int64_t percent, at_least_n;
    struct opt_int interval, at_least_interval; /* microseconds, always set */
};
struct plan_backend {
    struct plan_piece piece;
    str ns, name;
    int64_t port;
    uint8_t protocol;                       /* enum plan_backend_protocol */
    uint8_t proxy_protocol;                 /* the version that connections begin with; 0: none */
    struct plan_backend_tls *tls;           /* NULL: in the clear */
    struct plan_retry_budget *retry_budget; /* NULL: none */
    str external; /* a hostname outside, whose addresses are the endpoints; "" = the endpoints are those of the cluster */
    /* Not "": no connection that would be TLS may be made, and this is why. The endpoints are empty then (503), but for PLAN_BACKEND_TLS,
     * where connections of listeners that do not terminate are none of the policy's. */
    str refused;
};
/* The endpoints of a backend, ready ones only, ordered by address and port. Same key as the backend. */
struct plan_endpoint {
    str address;
    int64_t port;
};
struct plan_endpoints {
    struct plan_piece piece;
    LIST_OF(struct plan_endpoint) endpoints;
};

/* A certificate chain with its key. Key: 32 hex digits of the SHA-256 of all its texts. */
struct plan_certificate {
    struct plan_piece piece;
    str chain_pem;
    str key_pem;        /* FIELD_SECRET */
    LIST_OF(str) names; /* DNS names it is good for, lower case */
    int64_t not_after_s;
    uint8_t key_kind; /* enum key_kind */
    str ocsp;         /* response to staple, DER; "" = none */
};

/* The state: pieces by key. */
struct plan {
    uint64_t revision;
    struct index pieces[PLAN_KIND_COUNT]; /* struct plan_piece */
};
void plan_init(struct plan *p);
void plan_fini(struct plan *p);
const struct schema *plan_schema(enum plan_kind kind);
/* The order of right among routes: age, unknown last, then namespace and name: <0, 0, >0.       [GW HTTPRouteRule.matches] */
int plan_route_order(const struct plan_route *x, const struct plan_route *y);
/* "listener", "route", ... */
const char *plan_kind_name(enum plan_kind kind);
/* A counted piece (one hold, the caller's) from a struct whose piece.kind and piece.key are set: one block, hash computed. */
struct plan_piece *plan_pack(const void *piece);
/* The struct of its kind, in a or in the piece, which must outlive it; NULL of NULL. a: may be NULL for listeners and certificates. */
const void *plan_open(struct arena *a, const struct plan_piece *p);
struct plan_piece *plan_hold(struct plan_piece *p);
void plan_release(struct plan_piece *p); /* NULL is fine */

/* What changed: in order of kinds, each with the piece before and after (one may be NULL), both held by the delta. */
struct plan_change {
    enum plan_kind kind;
    struct plan_piece *before, *after;
};
struct plan_delta {
    struct plan_change *p;
    uint32_t n, cap;
    uint32_t of_kind[PLAN_KIND_COUNT];  /* how many of p are of each kind */
    struct map places[PLAN_KIND_COUNT]; /* key -> 1 + index into p */
};
void plan_delta_fini(struct plan_delta *d);
/* Puts the piece (its hold passes to the plan), or with piece == NULL removes the key. Writes the change into d unless the content is the
 * same. Two changes to one key within a delta become one; one that returns to the start vanishes. d may be NULL. */
void plan_set(struct plan *p, enum plan_kind kind, str key, struct plan_piece *piece, struct plan_delta *d);
const struct plan_piece *plan_get(const struct plan *p, enum plan_kind kind, str key);
/* The whole plan as JSON, pieces ordered by kind and key, secrets as hashes. */
void plan_json(const struct plan *p, struct buf *b);
