/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* The header of the PROXY protocol, versions 1 and 2: whose connection a proxy passes on. It stands before everything else, TLS included.
 *                                                                              [PROXY 2] the specification by HAProxy */
enum {
    PROXY_PROTOCOL_V1_BYTES = 107,      /* at most, with its CR LF                       [PROXY 2.1] */
    PROXY_PROTOCOL_BYTES_MAX = 4 << 10, /* of version 2, which could be of 64 kB: clients' certificates fit */
    PROXY_PROTOCOL_PRINT_BYTES = 112,   /* room for what is printed */
};
struct proxy_protocol {
    uint8_t version; /* 1 or 2 */
    /* The addresses are those of the proxy's client. Else the connection is the proxy's own, or its client has no IP address: what the
     * socket says holds. */
    bool told;
    struct ip source, destination;
    uint16_t source_port, destination_port;
};
/* Why there was no good header. X(ID, "name", words). The first three are for who waits for one. */
#define PROXY_PROTOCOL_FAULTS(X)                                                                             \
    X(CLOSED, "closed", "the peer ended before")                                                             \
    X(TIMEOUT, "timeout", "it did not come in time")                                                         \
    X(STRANGER, "stranger", "the peer is none of proxyProtocol.trusted")                                     \
    X(ABSENT, "absent", "it begins otherwise")                                                               \
    X(VERSION, "version", "its version, command or family is none of the specification's")                   \
    X(LENGTH, "length", "it is too long, or too short for its addresses")                                    \
    X(ADDRESS, "address", "an address or a port in it can not be read")                                      \
    X(EXTENSION, "extension", "what follows its addresses is broken")                                        \
    X(CHECKSUM, "checksum", "its checksum is wrong")
enum proxy_protocol_fault {
#define PROXY_PROTOCOL_ID(id, name, words) PROXY_PROTOCOL_##id,
    PROXY_PROTOCOL_FAULTS(PROXY_PROTOCOL_ID)
#undef PROXY_PROTOCOL_ID
        PROXY_PROTOCOL_FAULT_COUNT,
    PROXY_PROTOCOL_NONE = PROXY_PROTOCOL_FAULT_COUNT
};
str proxy_protocol_name(enum proxy_protocol_fault f);
str proxy_protocol_words(enum proxy_protocol_fault f);
/* Reads the header that `in` begins with; *ret_used bytes are its. ERR_AGAIN: as far as it has come it may be one. ERR_PROTO: it is none,
 * *ret_why says why. */
err proxy_protocol_read(str in, struct proxy_protocol *ret, size_t *ret_used,
                        enum proxy_protocol_fault *ret_why);
/* Prints one, into PROXY_PROTOCOL_PRINT_BYTES; returns how many. Addresses of two families are printed as of IPv6. */
size_t proxy_protocol_print(const struct proxy_protocol *p, char *to);
