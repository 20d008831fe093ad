/* SPDX-License-Identifier: Apache-2.0 */
/* Proxy: from a request that has arrived to a response that has left. One exchange is one request and its response: checked, routed by the
 * table, filtered, sent to an endpoint, tried again where that is safe, relayed with back-pressure, told of.
 * In:    accepted sockets, a table, turns of the loop.     Out: bytes to both sides; one access record an exchange; counts.
 * Own:   client connections (downstream.h) and exchanges (exchange.h), pooled; the count of exchanges by rule. All of one worker.
 * Never: a question to the version of HTTP: both sides are codecs with streams; a field or a path sent on that was not understood; more
 *        read from one side than the other takes. */
#pragma once
#include "http/access.h"
#include "io/loop.h"
#include "io/tls.h"
#include "io/tls_seed.h"
#include "proto/proxy_protocol.h"
#include "proxy/retry.h"
#include "table/table.h"

struct proxy;
struct crowd;
struct tls_trust;
/* How long what may take, in microseconds, and how much there may be. */
struct proxy_limits {
    uint64_t head_us; /* from its first byte to the end of a head: 408 */
    uint64_t handshake_us;
    uint64_t idle_us;       /* a client's connection between requests */
    uint64_t drain_idle_us; /* the same once the worker drains */
    uint64_t progress_us;   /* a body of which nothing moves */
    uint64_t look_us;       /* how often it is looked at how fast bodies move */
    uint32_t least_bytes; /* a second that a client sends or takes; below it: 408, or its end. 0: no bound */
    uint64_t
        half_closed_us; /* a client that has shut its side still gets an answer that comes soon; most are gone */
    uint64_t connect_us; /* to an endpoint: 504 */
    uint64_t upstream_idle_us;
    uint64_t auth_us;        /* one question of authorization, all in all: 503 */
    uint64_t tunnel_idle_us; /* an upgraded connection on which nothing moves */
    uint32_t exchanges_max;  /* at once: 503 */
    uint32_t mirrors_max;    /* at once: further ones are left out */
    uint64_t
        mirror_us; /* a mirror without progress while its request comes; until its answer is over after that */
};
extern const struct proxy_limits proxy_limits_usual;
struct proxy_config {
    struct loop *loop;
    const struct tls_seed *seed; /* of the keys of TLS tickets; for the call */
    const uint8_t *session_key;  /* SEAL_KEY_BYTES, for the call; NULL: nobody else's sessions are known */
    struct crowd *crowd;         /* of all workers; outlives the proxy; NULL: nobody is counted */
    struct tls_trust *trust;     /* whom the system trusts; outlives the proxy; NULL: nobody */
    /* An exchange is over. Borrowed for the call. */
    void (*finished)(void *arg, const struct access_record *r);
    /* A client's handshake failed: a record without a request. May be NULL. */
    void (*handshake_failed)(void *arg, const struct access_record *r);
    void *arg;
    uint32_t workers;                  /* that share the backends with this one, itself among them; 0: one */
    const struct proxy_limits *limits; /* for the call; NULL: the usual ones */
    bool
        records; /* exchanges of Gateways that say nothing are printed: what it costs to know all of the record is paid */
};
struct proxy_counts {
    uint64_t connections_accepted, connections_open;
    uint64_t connections_refused, connections_shed; /* for their address; idle, for others */
    uint64_t handshakes_full, handshakes_resumed, handshakes_failed[TLS_REASON_COUNT];
    uint64_t handshakes_untold;                                      /* of those, how many have no record */
    uint64_t headers[2], headers_failed[PROXY_PROTOCOL_FAULT_COUNT]; /* of the PROXY protocol, by version */
    uint64_t requests_open, tunnels_open;                            /* tunnels are among the requests */
    uint64_t pressure_closed;      /* idle connections of clients, for want of memory */
    uint64_t expressions_given_up; /* searches that reached the bound of their request */
    uint64_t mirrors, mirrors_dropped,
        mirrors_failed; /* begun; not begun or cut at a bound; cut by their backend */
    uint64_t retries, retries_stopped[RETRY_STOP_COUNT];
    uint64_t upstream_connects, upstream_connect_failures, upstream_tls_failures, upstream_reused,
        upstream_idle;
    uint64_t checks_good, checks_bad;
    uint64_t upstream_open;
    uint64_t endpoints_put_out, endpoints_back, endpoint_trials, balancing_panics;
    uint64_t upstream_waited, upstream_waiting; /* requests for a connection: so far, and now */
    /* made; taken by a collector; not: it is away, too slow, or says no */
    uint64_t spans, spans_sent, spans_dropped, exports, exports_failed;
    uint64_t allocations; /* times a pool or an arena asked the system */
};
struct proxy *proxy_new(const struct proxy_config *c);
/* After proxy_cut(). */
void proxy_free(struct proxy *p);
/* Requests are routed by t from now on; exchanges that run keep what they hold by rule. NULL: by nothing, every request gets 404. */
void proxy_adopt(struct proxy *p, const struct table *t);
/* Serves an accepted socket of the table's port. */
void proxy_accept(struct proxy *p, int fd, const struct ip *peer, uint16_t peer_port, uint32_t port_slot);
/* May another socket be accepted? When as many are open as may be, the one that is idle makes room, of those clients first that have the
 * most. */
bool proxy_has_room(struct proxy *p);
/* The same when the system is out of descriptors. false: none is idle. */
bool proxy_make_room(struct proxy *p);
/* Between two turns. true: there is work that must not wait for an event. */
bool proxy_turn(struct proxy *p);
/* Exchanges that use the rule of a slot. */
uint32_t proxy_uses(const struct proxy *p, uint32_t rule_slot);
/* No table shows these certificates any more: what was made of them goes, their keys above all. */
void proxy_forget_certificates(struct proxy *p, const uint64_t *ids, uint32_t n);
/* Did a rule's last exchange end since the last call? */
bool proxy_freed_a_rule(struct proxy *p);
/* Idle connections end now, the others after their response. */
void proxy_drain(struct proxy *p);
bool proxy_is_idle(
    const struct proxy *p); /* no connection of a client is open, no mirror and no export under way */
/* Everything ends at once. */
void proxy_cut(struct proxy *p);
void proxy_count(const struct proxy *p, struct proxy_counts *ret);
struct census;
/* Some of what is known of the backends' endpoints; true: that was all. */
bool proxy_census(const struct proxy *p, struct census *c);
