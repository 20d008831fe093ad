/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/map.h"
#include "control/address_book.h"
#include "text/node.h"

/* What the files of the address book share. */

/* One object of ours: as it should be, as the server has it, or both. */
struct address_thing {
    enum api_kind kind;
    bool flying, invalid;
    bool keep; /* neither written nor taken away for now */
    uint8_t failures;
    uint64_t paid_us, after_us;
    char *json;                /* as it should be; NULL: it should not be */
    const struct node *wanted; /* the same, in the book's own arena of what should be */
    uint64_t json_hash;
    struct arena *seen_arena;         /* of what the server has */
    const struct node *seen, *status; /* seen NULL: it has none */
    str uid;
    char version[24], applied[24]; /* resourceVersion now, and after our last write */
    uint64_t sent_hash, applied_hash;
    char *trouble; /* of the last write; NULL: none */
    uint16_t ns_n, key_n;
    char key[]; /* the kind as one byte, "ns/name" */
};

struct address_port {
    struct need_port want;
    uint16_t to;   /* 0: none yet */
    bool recorded; /* the server's Service says so */
};
/* One Service with its EndpointSlices. */
enum { ADDRESS_EACH = UINT32_MAX };
struct address_part {
    enum address_type type;
    uint32_t
        wish; /* the address it is for, of the demand's; ADDRESS_EACH: all that have no Service of their own */
    str service;                     /* its name */
    struct address_thing *thing;     /* of the Service; NULL: there is to be none */
    struct address_thing *slices[2]; /* of IPv4, IPv6; NULL: there is to be none */
};
struct address_gateway {
    struct address_demand d; /* in the book's demand arena */
    struct address_port *ports;
    uint32_t ports_n;
    /* A load balancer gives a Service one address that is asked for: there is a Service for each. So it is with cluster IPs, whatever the type
     * of the others, which have one Service together. The first has the record of the container ports. */
    struct address_part *parts;
    uint32_t parts_n;
    uint64_t waits_since_us; /* without an address; 0: it has one, or was not looked at */
    uint64_t told;           /* hash of the fact that was told */
    uint64_t asked;          /* hash of type and addresses */
    bool kept;
    uint16_t key_n;
    char key[]; /* "ns/name" */
};

struct address_book {
    struct address_book_config c;
    char label[64];
    struct arena *wanted;  /* of what should be */
    struct arena *demands; /* of the last address_book_demand() */
    struct arena *pods_arena;
    struct address_pod *pods;
    size_t pods_n;
    struct map gateways, things;
    uint8_t *taken;                      /* each container port, from port_first */
    bool synced, demanded, leads, stale; /* stale: what should be is to be made anew */
};

/* ---- address_ports.c ---- */
/* Ports as the Gateways' Services have them; the leader gives those that are missing. */
void address_ports_assign(struct address_book *b, struct address_gateway **sorted, size_t n);

/* ---- address_book.c ---- */
/* Is the address to be a cluster IP, of a Service of its own? */
bool address_book_is_inner(const struct address_demand *d, const struct need_address *w);

/* ---- gateway_service.c ---- */
/* "GATEWAY-CLASS", the ones after the first "GATEWAY-CLASS-2" and so on, as a Service may be called: cut, with a hash, when it can not. In a. */
str gateway_service_name(struct arena *a, str gateway, str class_name, uint32_t part);
/* A label's value: cut, with a hash, when it is longer than 63. In a. */
str gateway_service_label(struct arena *a, str value);
/* As it should be, in a; NULL: there should be none. */
struct node *gateway_service_make(struct arena *a, const struct address_book *b,
                                  const struct address_gateway *g, uint32_t part);
struct node *gateway_service_make_slice(struct arena *a, const struct address_book *b,
                                        const struct address_gateway *g, uint32_t part, bool v6);

/* ---- address_facts.c ---- */
/* What follows for the Gateway; in a. Returns when time alone changes it; UINT64_MAX: never. */
uint64_t address_facts_make(struct arena *a, const struct address_book *b, struct address_gateway *g,
                            uint64_t now_us, struct fact_gateway *ret);
