/* SPDX-License-Identifier: Apache-2.0 */
/* The table: what a worker looks requests up in. A spine per generation over immutable pieces, so that unchanged pieces are
 * shared with the table before. Made by compile/ alone.
 * In:    a socket's slot, a server name, a request.     Out: listener, rule, backend, endpoints, certificates.
 * Own:   the builder makes and frees (compile_home); workers read. A piece lives as long as a table that shows it. A worker keeps a
 *        rule, and with it the backends it names, past its table by counting it in its own array (rule->slot), see compile_retired.
 *        Doors beside this one: table_settings.h; to show endpoints: health_view.h census.h; for upstream/: walk.h; for compile/: spine.h names.h host.h; for filter/: dump.h; for proxy/: tracing.h.
 * Never: a lock, a copy or an allocation in a lookup (but for repeated fields joined in scratch); an API object. */
#pragma once
#include <stdatomic.h>

#include "base/buf.h"
#include "base/ip.h"
#include "base/key_kind.h"
#include "http/http_msg.h"
#include "table/health.h"
#include "table/table_settings.h"

enum table_filter_type {
    TABLE_REQUEST_HEADERS,
    TABLE_RESPONSE_HEADERS,
    TABLE_REDIRECT,
    TABLE_REWRITE,
    TABLE_MIRROR,
    TABLE_AUTH,
    TABLE_CORS,
};
enum table_path_change { TABLE_PATH_KEEP, TABLE_PATH_REPLACE_FULL, TABLE_PATH_REPLACE_PREFIX };
struct table_header {
    str name, value;
};
struct table_backend;
/* A copy of numerator in denominator requests.                                          [GW HTTPRequestMirrorFilter] */
struct table_mirror {
    const struct table_backend *backend;
    uint32_t numerator, denominator;
};
/* Who is asked whether a request may pass.                                               [GW HTTPExternalAuthFilter] */
struct table_auth {
    const struct table_backend *backend; /* NULL: nobody can be asked, `why` tells the reason; all get 500 */
    bool grpc;
    uint32_t request_headers_n, response_headers_n;
    const str *request_headers, *response_headers; /* lower case; see plan_auth for what none means */
    str path, why;
    uint64_t body_bytes_max; /* that it is told; 0 = none; 413 for a longer body */
};
/* Who may see the responses in a browser, and what it may send.                                   [GW HTTPCORSFilter] */
struct table_origin {
    str scheme, host; /* lower case; "*" or "*.x": whatever ends so */
    uint32_t port;
};
struct table_cors {
    bool any_origin, credentials;
    uint32_t origins_n;
    const struct table_origin *origins;
    str methods, headers, expose; /* as they are written: "GET, PUT", "*", "" */
    str max_age;
};
struct table_filter {
    uint8_t type;          /* enum table_filter_type */
    uint8_t path_change;   /* enum table_path_change */
    uint16_t port, status; /* REDIRECT; port 0 = by rule */
    uint32_t set_n, add_n, remove_n;
    const struct table_header *set, *add;
    const str *remove;
    str scheme, hostname, path;
    const struct table_mirror *mirror;
    const struct table_auth *auth;
    const struct table_cors *cors;
};

/* Where a share of a rule's requests goes. */
struct table_backend {
    uint32_t holds; /* the builder's: by rules that live or may be in use, and by the plan */
    /* Index of a worker's own state about it; reused only after the backend's end is known to all workers. */
    uint32_t slot;
    uint64_t id; /* never reused: tells whether what stands in the slot is of this backend */
    str name;    /* "ns/name:port" */
};
/* A client's requests go to one endpoint of the backend.                                       [GW SessionPersistence] */
struct table_session {
    bool header;         /* else a cookie */
    bool permanent;      /* the cookie lives for absolute_s */
    uint64_t absolute_s; /* the session's end, from its begin; 0: none */
    str name, path;      /* path: the cookie's */
};
struct table_target {
    const struct table_backend *backend; /* NULL: `answer` */
    const struct table_session *session; /* NULL: none */
    uint16_t answer, filters_n;
    uint32_t weight;
    const struct table_filter *filters;
};
/* When a request is tried again.                                                                   [GW HTTPRouteRetry] */
enum { TABLE_ATTEMPTS_MAX = 1000, TABLE_BACKOFF_US = 25000, TABLE_CODE_MIN = 400, TABLE_CODE_MAX = 599 };
struct table_retry {
    uint64_t
        codes[(TABLE_CODE_MAX - TABLE_CODE_MIN) / 64 + 1]; /* a bit for each status from TABLE_CODE_MIN on */
    uint32_t attempts;                                     /* after the first; 0 = never again */
    uint64_t backoff_us;                                   /* before the second attempt */
};
static inline void table_retry_add(struct table_retry *r, uint32_t status) {
    assert(status >= TABLE_CODE_MIN && status <= TABLE_CODE_MAX);
    r->codes[(status - TABLE_CODE_MIN) / 64] |= UINT64_C(1) << (status - TABLE_CODE_MIN) % 64;
}
static inline bool table_retry_has(const struct table_retry *r, uint32_t status) {
    return status >= TABLE_CODE_MIN && status <= TABLE_CODE_MAX &&
           (r->codes[(status - TABLE_CODE_MIN) / 64] >> (status - TABLE_CODE_MIN) % 64 & 1);
}
#define TABLE_TIME_UNSET UINT64_MAX
/* Whose requests are counted together: each of so many routes apart, those of all others, and those that no route takes. */
enum { TABLE_TALLY_NONE, TABLE_TALLY_OTHER, TABLE_TALLY_FIRST };
struct table_rule {              /* one for each rule there is: every byte counts */
    uint32_t slot;               /* index of a worker's count of exchanges that use it */
    uint32_t tally, tally_epoch; /* its route's number, and which of the routes that had the number it is */
    int16_t index;               /* in its route; -1: a listener's gate */
    bool mirrors : 1, asks : 1;  /* a filter of it or of a target is a mirror, an authorization */
    uint8_t share;               /* of a worker's turn: 1 to 63, that of its namespace */
    uint64_t hash;               /* of the content but for what it matches */
    str route;                   /* "HTTPRoute/ns/name"; a gate's: the listener's key */
    str name;
    uint32_t weight_sum;
    uint16_t filters_n, targets_n;
    const struct table_filter *filters;
    const struct table_target *targets;
    uint64_t request_timeout_us,
        backend_timeout_us;          /* 0 = none; TABLE_TIME_UNSET: as the listener's settings say */
    const struct table_retry *retry; /* NULL: as every proxy does */
};

struct table_certificate {
    uint64_t id; /* never reused */
    str chain_pem, key_pem;
    uint32_t names_n;
    const str *names; /* lower case, wildcards as "*.x" */
    uint8_t key_kind; /* enum key_kind */
    str ocsp;         /* a response to staple, DER; "" = none */
};
/* Who may connect: whose certificate one of these has signed; lenient: others as well, but everyone is asked. */
struct table_clients {
    str id; /* of the content: a digest */
    str ca_pem;
    bool lenient;
};

/* How a backend is reached. A piece of its own, shared by all that are reached in the same way. */
enum table_protocol { TABLE_HTTP1, TABLE_HTTP2, TABLE_BYTES, TABLE_DATAGRAMS };
struct table_alt_name {
    bool uri; /* else a DNS name */
    str value;
};
struct table_backend_tls {
    str hostname; /* the server name, and the name to verify unless there are alt_names */
    uint32_t alt_names_n;
    const struct table_alt_name *alt_names; /* the certificate must have one of them */
    str ca_pem;                             /* who may have signed; "" = the system's */
    const struct table_certificate *client; /* to show, rather than the listener's; NULL: none */
};
struct table_reach {
    uint64_t id;      /* never reused: tells one content from another */
    uint8_t protocol; /* enum table_protocol */
    uint8_t proxy;    /* the version of the PROXY protocol that connections begin with; 0: none */
    const struct table_backend_tls *tls; /* NULL: in the clear */
    str refused;                         /* not "": no connection may be made, and this is why */
};

struct budget;
/* The endpoints of a backend in one state. version: never reused, so that a worker knows whether its own state is of this one. */
struct table_endpoints {
    uint64_t version;
    const struct table_reach *reach; /* NULL: HTTP/1.1 in the clear */
    const struct budget *budget;     /* of retries; NULL: none */
    struct gate_state *gate;         /* the backend's */
    uint32_t n;
    struct table_endpoint v[];
};

/* The times that hold for a rule: its own, or the listener's where it has none; 0 = none. */
static inline uint64_t table_request_timeout_us(const struct table_rule *r, const struct table_settings *s) {
    return r->request_timeout_us != TABLE_TIME_UNSET ? r->request_timeout_us : s->request_timeout_us;
}
static inline uint64_t table_backend_timeout_us(const struct table_rule *r, const struct table_settings *s) {
    return r->backend_timeout_us != TABLE_TIME_UNSET ? r->backend_timeout_us : s->backend_timeout_us;
}
struct table_tracing;
struct table_listener {
    uint32_t id;   /* never reused; stable while the key is there: what a TLS connection remembers */
    uint32_t slot; /* where a spine has its routes */
    str key, gateway, section, hostname;
    uint16_t port; /* spec.port */
    bool tls;
    uint8_t tls_min, tls_max; /* 12 or 13 */
    str tls_ciphers,
        tls_suites; /* of TLS 1.2 and of 1.3, between colons, by OpenSSL's names; "" = the usual ones */
    /* A digest of the key and of `clients`: what a session began with is what it may be resumed with, in all processes. */
    char session[24];
    uint32_t certificates_n;
    const struct table_certificate *const *certificates;
    const struct table_clients *clients;    /* NULL: nobody is asked for a certificate */
    const struct table_certificate *client; /* shown to backends that speak TLS; NULL: none */
    const struct table_settings *settings;  /* never NULL */
    /* Filters of the listener's own: who asks whether a request may pass before it is matched. A rule without targets, which is counted and
     * kept like any other; NULL: there are none.                                                    [GW Listener.filters] */
    const struct table_rule *gate;
    const struct table_tracing *tracing; /* tracing.h; NULL: a request's trace is none of ours */
};

struct table_port;
struct table {           /* owner: builder; immutable once published */
    uint64_t revision;   /* the plan's */
    uint64_t generation; /* of tables, from 1 */
    uint64_t
        clients_version; /* another one when a listener came or went, or asks another thing of its clients than in the table before */
    atomic_uint workers; /* that have not let go of it yet */
    uint32_t rule_slots, backend_slots,
        port_slots;    /* one past the highest in use in this generation or any before */
    bool system_trust; /* some backend's certificate is to be signed by whom the system trusts */
    bool budgets;      /* some backend has a budget of retries */
    bool checks;       /* some listener wants endpoints to be checked */
    /* Backends whose endpoints are not those of the table before (or that are gone), so that workers close what is idle to them. */
    const uint32_t *touched;
    uint32_t touched_n;
};

/* The port that a socket belongs to; NULL when the table has none such. Slots are stable for (bind address, bind port). */
const struct table_port *table_port(const struct table *t, uint32_t port_slot);
bool table_port_tls(const struct table_port *p);
uint16_t table_port_number(const struct table_port *p); /* that the socket is bound to */
const struct table_port_settings *table_port_settings(const struct table_port *p);
/* All ports, for whoever opens sockets. */
struct table_socket {
    uint32_t slot;
    str address; /* "" = all */
    uint16_t port;
    bool tls;
};
uint32_t table_sockets(const struct table *t, const struct table_socket **ret);

/* The listener of the port with the most specific hostname for host (lower case, no port; "" when none was given):
 * exact, then the wildcard with most labels, then the one without. NULL: none.                              [GW 11.4: Listener.hostname] */
const struct table_listener *table_listener_for(const struct table_port *p, str host);
/* The certificate of the listener for a server name, of those whose key is of `kinds` (what the client can verify): by SAN, an exact name
 * before a wildcard, then what costs less to sign with, then the order given; of those without the name the first. With none that the client
 * can verify, the one that would have been. NULL: it has none. */
const struct table_certificate *table_certificate_for(const struct table_listener *l, str server_name,
                                                      uint32_t kinds);

struct table_match {
    const struct table_rule *rule;
    uint32_t
        prefix; /* bytes of the path that a PathPrefix match took (without a trailing "/"); UINT32_MAX for other matches */
    bool
        closed; /* the rule keeps requests out, and whether it takes this one could not be told: nobody may have it */
};
/* What expressions need while they are matched; one thread's, for all its lookups. */
struct table_work {
    struct regex_work *regex;
    uint64_t searches;
    uint64_t spent;    /* of the budget of expressions (text/regex.h); the caller's to lower */
    uint64_t given_up; /* searches that reached the bound of their request: they count as no match */
};
struct table_work *table_work_new(void);
void table_work_free(struct table_work *w); /* NULL is fine */
/* The first rule in the order of precedence that takes the request. host: lower case without port. scratch: for values to compare.
 * w: NULL makes one for the call when it is needed. false: none.                                 [GW HTTPRouteRule.matches] */
bool table_match(const struct table *t, const struct table_listener *l, str host, const struct http_msg *m,
                 struct arena *scratch, struct table_work *w, struct table_match *ret);
/* The endpoints of a backend slot in this generation; NULL: none known. */
const struct table_endpoints *table_endpoints(const struct table *t, uint32_t backend_slot);

/* The whole table as text, in the order in which it is matched; what goldens show. */
void table_dump(const struct table *t, struct buf *b);
