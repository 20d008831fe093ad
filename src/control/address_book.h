/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "base/arena.h"
#include "resolve/needs.h"
#include "store/facts.h"

/* Per Gateway a Service and its EndpointSlices: what they should be, what the API server has of them, what is to be written, and what follows
 * from it for the Gateway (its ports and addresses, as facts). No clock, thread or socket: time comes in, writes go out by a callback.
 * A Service has no selector: EndpointSlices of ours mirror the addresses of postern's own pods, so that it can be in the Gateway's namespace.
 * Each port of a Gateway has a container port of its own, recorded as the Service's targetPort: the server's object is the only record, so
 * that every replica reads the same, and a restart changes nothing. One leader writes. */

#define ADDRESS_TYPES(X)                                                                                     \
    X(LOAD_BALANCER, "LoadBalancer")                                                                         \
    X(NODE_PORT, "NodePort")                                                                                 \
    X(CLUSTER_IP, "ClusterIP")                                                                               \
    X(HOST_PORT, "HostPort") /* no Service: pods in the nodes' network have the listeners' own ports */
#define ADDRESS_ID(id, name) ADDRESS_##id,
enum address_type { ADDRESS_TYPES(ADDRESS_ID) ADDRESS_TYPE_COUNT };
#undef ADDRESS_ID
const char *address_book_type_name(enum address_type t);

/* What a Gateway of ours asks for. */
struct address_demand {
    str ns, name, uid, class_name;
    bool accepted; /* not: what there is stays, nothing is made */
    enum address_type type;
    const struct need_port *ports;
    uint32_t ports_n;
    const struct str_pair *labels, *annotations; /* of spec.infrastructure */
    uint32_t labels_n, annotations_n;
    const struct need_address *addresses; /* none: whatever there is */
    uint32_t addresses_n;
};
struct address_pod {
    str ip, node_name, zone;
    bool ready, serving, terminating;
};
/* An object to be written; borrowed for the call. kind: SERVICE or ENDPOINT_SLICE. */
struct address_write {
    enum api_kind kind;
    str ns, name;
    bool remove;
    bool fresh; /* the book has not seen it: whoever writes looks first whether a stranger's has the name */
    str uid;    /* remove: of the one that is meant */
    str json;   /* to be applied */
};
enum address_outcome {
    ADDRESS_WRITTEN,
    ADDRESS_FOREIGN, /* the name is taken by an object that is not ours */
    ADDRESS_INVALID, /* the server will not have it so (422): it is tried again when the demand or the object changes */
    ADDRESS_FAILED, /* tried again, with backoff */
};

struct address_book;
struct address_book_config {
    str controller_name; /* of labels and field manager; outlives the book */
    const str *host_ips; /* of this pod's node; outlive the book */
    uint32_t host_ips_n;
    uint16_t port_first, port_last; /* of container ports; 0, 0: 10000 to 29999 */
    void (*write)(void *arg, const struct address_write *w);
    void (*tell)(void *arg, str gateway_key, const struct fact_gateway *f); /* NULL: nothing any more */
    void *arg;
};
struct address_book *address_book_new(const struct address_book_config *c);
void address_book_free(struct address_book *b); /* NULL is fine */
/* The value of the label app.kubernetes.io/managed-by that is on all of ours. */
str address_book_label(const struct address_book *b);

/* Each replaces what was given before; copied. */
void address_book_demand(struct address_book *b, const struct address_demand *v, size_t n);
void address_book_pods(struct address_book *b, const struct address_pod *v, size_t n);
/* Of objects with our label. Texts are JSON, status may be "". */
void address_book_seen(struct address_book *b, enum api_kind kind, str ns, str name, str uid, str version,
                       str object, str status);
void address_book_gone(struct address_book *b, enum api_kind kind, str ns, str name);
/* Everything there is was seen once, pods as well: before, nothing is written and nothing told. */
void address_book_synced(struct address_book *b);
/* It was, and so was a first demand: until both are there nothing is written either. */
bool address_book_ready(const struct address_book *b);
void address_book_lead(struct address_book *b, bool leads);
/* Writes and tells what is due. Returns when to call again although nothing happens; UINT64_MAX: never. */
uint64_t address_book_work(struct address_book *b, uint64_t now_us);
/* message: for people, of what went wrong. version: of the object as it was written, or not given. */
void address_book_done(struct address_book *b, enum api_kind kind, str ns, str name,
                       enum address_outcome outcome, str version, str message, uint64_t now_us);

/* ---- address_leave.c ---- */
/* Whether no more connections are meant for these addresses: each Gateway's EndpointSlice, as the server has it, that names one of them does
 * so as not ready, and names another that is. Before, whoever listens there is the only one who can answer. */
bool address_leave_may(const struct address_book *b, const str *ips, uint32_t n);
