/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "base/heap.h"
#include "base/index.h"
#include "resolve/features.h"
#include "resolve/resolve.h"

/* What the passes keep between passes (struct resolver) and share within one (struct pass). Nothing here points into
 * the store: an object is looked up again when it is needed. */

#define RESOLVE_GROUP "gateway.networking.k8s.io"

/* One judgement; reason == NULL: it is good. reason is static. */
struct verdict {
    const char *reason;
    str message;
};

/* A certificate that listeners use, by content. */
struct cert_state {
    struct heap_item expiry; /* while not_after lies ahead */
    uint32_t uses;
    int64_t not_before_s, not_after_s;
    int64_t staple_s; /* when its OCSP response begins to count or no longer does; INT64_MAX: never */
    char key[33];
};

/* A listener's wish for one socket. */
struct claim {
    struct listener_state *listener;
    struct socket_state *socket;
    uint32_t address; /* index into the Gateway's */
    bool lost;
    char *why; /* while lost: the message */
};

struct socket_state {
    struct claim **claims;
    uint32_t n, cap;
    bool dirty;
    bool udp;
    uint16_t port;
    str address;
    char key[]; /* "address:port", "address:port/udp" */
};

/* One listener of one of our Gateways or of a ListenerSet on it. Strings live in the Gateway's arena but for the name. */
struct listener_state {
    struct gateway_state *gateway;
    struct set_state *set; /* that it belongs to; NULL: the Gateway's own */
    uint32_t attached;     /* routes; kept over passes */
    uint32_t pieces;       /* of the plan: how many addresses it was last written for */
    uint32_t index;        /* in spec.listeners of its object */
    uint32_t place;        /* in gateway->listeners: the order of right */
    uint32_t kinds;        /* of routes it takes: bits by enum api_kind */
    bool present;
    bool selects; /* namespaces by their labels */
    bool served;
    uint8_t protocol;         /* enum plan_protocol; UNSET: not one of ours */
    uint8_t tls_mode;         /* enum plan_tls_mode; TLS alone */
    uint8_t tls_min, tls_max; /* enum plan_tls_version */
    str *ciphers;             /* OpenSSL's names, static; none: the usual ones */
    uint32_t ciphers_n;
    uint16_t port, bind_port;
    uint64_t revision; /* of the plan that first has it as it is now */
    str hostname;      /* lower case */
    struct verdict accepted, refs, conflict;
    str overlap; /* message of OverlappingTLSConfig, or not given */
    bool overlap_certs;
    str notice;                         /* what a good ResolvedRefs should tell, or not given */
    const struct plan_clients *clients; /* in the Gateway's arena; NULL: clients are not asked who they are */
    struct cert_state **certs;
    uint32_t certs_n;
    struct backend_state **backends; /* that its filters ask; counted */
    uint32_t backends_n;
    struct claim *claims; /* one for each address, or none */
    uint32_t claims_n;
    str name;
    char name_bytes[];
};

/* A ListenerSet that names one of our Gateways. It is resolved with that Gateway: their listeners are one list. */
struct set_state {
    struct gateway_state *gateway;
    int64_t generation, created_s;
    struct verdict allowed;             /* may it attach? Its message lives in the Gateway's arena */
    uint32_t first, listeners_n;        /* its part of gateway->listeners */
    uint64_t view;                      /* hash of what routes see of it */
    struct listener_set_status *status; /* packed; NULL: none yet */
    uint64_t status_hash;
    bool kept; /* while sets are matched */
    str ns, name, key;
    char key_bytes[]; /* "ns/name" */
};

struct gateway_state {
    bool dirty, restatus, emit;
    struct arena *arena; /* of the last own pass */
    int64_t generation, created_s;
    struct verdict accepted, refs, address; /* address: a requested one that can not be had */
    bool is_default;                        /* in resolver.defaults */
    struct verdict kept;  /* its parameters are wrong, and it goes on by those that were good last */
    uint8_t service;      /* enum settings_service: of its own or its class's settings */
    struct settings *own; /* of its own parametersRef, good ones, packed; NULL: none were yet */
    struct plan_settings *settings;  /* with its class's, for its listeners; NULL: none */
    struct plan_tracing *tracing;    /* as the settings say; a policy goes before; NULL: none */
    struct backend_state *collector; /* of its spans; counted; NULL: nothing is traced */
    struct cert_state *client;       /* shown to backends that speak TLS; counted; NULL: none */
    struct frontend *frontends;      /* frontend.h */
    uint32_t frontends_n;
    str notice;  /* what a good ResolvedRefs should tell, or not given */
    bool stands; /* a listener of its own is accepted: else its ListenerSets are not served */
    struct listener_state **listeners; /* its own, then those of its sets, in the order of right */
    uint32_t listeners_n, own_n;
    struct set_state **sets; /* in the order of right, allowed or not */
    uint32_t sets_n;
    str *addresses; /* to bind; one "" = all */
    uint32_t addresses_n;
    str *shown;                  /* of each, for status.addresses; "": the machine's */
    str *scopes;                 /* of each, the routability that was asked for */
    uint32_t asked_n, missed_n;  /* entries of spec.addresses, and those that stay without one */
    str missed;                  /* where these are, why, and what to do */
    struct need_address *wishes; /* in a cluster: the others, which are the Gateway's Services' to find */
    uint32_t wishes_n;
    uint64_t claimed;              /* hash of what its claims were made of */
    uint64_t view;                 /* hash of what routes see of it */
    struct gateway_status *status; /* packed; NULL: none yet */
    uint64_t status_hash;
    str ns, name, key;
    char key_bytes[]; /* "ns/name" */
};

struct route_state { /* in one block, for there may be 100,000 of them */
    bool dirty;
    uint8_t kind; /* enum api_kind */
    uint8_t ns_n, name_n;
    uint16_t listeners_n, backends_n;
    uint32_t status_n;
    /* The key: the kind as one byte, then "ns/name". The status (verdicts.h). Where pointers may lie, struct listener_state that it is counted
     * at, then struct backend_state that it uses. */
    char bytes[];
};

struct backend_state {
    uint32_t uses;
    bool dirty;
    uint8_t kind;            /* enum api_kind: a Service or an XBackend */
    uint8_t protocol;        /* enum plan_backend_protocol */
    uint8_t proxy;           /* version of the PROXY protocol that it wants; 0: none */
    struct cert_state *cert; /* that it shows to the backend, or NULL */
    uint16_t port, ns_at, ns_n, name_n, key_n;
    char key[]; /* that of the plan */
};

/* Of a policy, an XBackend or an XMesh: what is said of it. */
struct policy_state {
    bool dirty;
    uint8_t kind; /* enum api_kind */
    void *status; /* packed; NULL: none */
    uint64_t hash;
    char *targets; /* "KIND name", each ended by a newline; NULL: none */
    bool sessions; /* routes depend on it */
    uint16_t ns_n, name_n;
    char key[]; /* the kind as one byte, then "ns/name" */
};

/* Things to look at in this pass, each once (a flag in the thing says whether it is here). */
struct worklist {
    void **p;
    size_t n, cap;
};

struct resolver {
    struct map classes, gateways, sets, backends, sockets, certs, policies;
    struct index routes;                        /* struct route_state */
    struct heap expiries;                       /* of certificates */
    int64_t now_s;                              /* of the last pass */
    uint32_t selectors;                         /* listeners that select namespaces by label */
    uint32_t collectors;                        /* Gateways that have one */
    uint64_t features[FACTS_FEATURES_MAX / 64]; /* as of the last pass */
    char bundle[sizeof((struct facts *)0)->bundle];
    uint64_t facts_hash; /* of facts that change more than Programmed */
    str controller_name;
    char *controller_bytes;
    struct worklist dirty_gateways, dirty_routes, dirty_backends, dirty_sockets, dirty_policies;
    struct worklist emit, restatus; /* Gateways */
    struct worklist defaults;       /* Gateways that claim routes unasked, ordered by key; kept over passes */
    struct worklist ended, gone, gone_sets; /* listeners, Gateways and ListenerSets that end with this pass */
    struct store_change *changed;
    size_t changed_n, changed_cap;
    struct arena *told;     /* the keys in `changed` */
    struct arena *expanded; /* statuses given out */
};

struct pass {
    struct resolver *r;
    const struct store *store;
    const struct facts *facts;
    struct plan *plan;
    struct plan_delta *delta;
    struct resolve_work *work;
    struct arena *scratch; /* for one object */
    size_t regex_bytes;    /* of the route at hand, so far */
    int64_t now_s;
};

void resolver_push(struct worklist *w, void *thing);
/* Everything in it has been looked at. */
void resolver_empty(struct worklist *w);
/* Notes that the status of an object is another one. */
void resolver_note_status(struct pass *p, enum api_kind kind, str ns, str name);
__attribute__((format(printf, 3, 4))) struct verdict resolver_refuse(struct arena *a, const char *reason,
                                                                     const char *fmt, ...);
/* "an HTTPRoute", "a TLSRoute": a kind in a sentence. */
str resolver_a_kind(struct arena *a, enum api_kind kind);
/* "ns/name" in a. */
str resolver_key(struct arena *a, str ns, str name);
str resolver_lower(struct arena *a, str s);
/* The key of a route's or a policy's state: its kind, "ns/name". Not given (p == NULL) for names that the store would not hold. */
enum { RESOLVER_STATE_KEY_BYTES_MAX = 512 };
str resolver_state_key(char space[RESOLVER_STATE_KEY_BYTES_MAX], enum api_kind kind, str ns, str name);
