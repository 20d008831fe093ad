/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* An IP address as bytes in network order. */
struct ip {
    uint8_t family;    /* 0: none, 4, 6 */
    uint8_t bytes[16]; /* IPv4 in the first four; the rest is zero */
};
/* "192.0.2.1", "2001:db8::1" [RFC 4291 2.2]; no zone, no port, no leading zeros in IPv4. ERR_PROTO otherwise. */
err ip_parse(str s, struct ip *ret);
enum { IP_TEXT_BYTES = 46 }; /* room for one, printed */
/* In the canonical form [RFC 5952]; IPv6 without brackets. */
void ip_print(struct buf *b, const struct ip *ip);
/* "192.0.2.1:80", "[2001:db8::1]:80". */
void ip_print_port(struct buf *b, const struct ip *ip, uint16_t port);
bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *ip);   /* 127/8, ::1 */
bool ip_is_link_local(const struct ip *ip); /* 169.254/16, fe80::/10 */
bool ip_is_unspecified(const struct ip *ip);
bool ip_is_multicast(const struct ip *ip);
/* A network as "10.0.0.0/8"; a bare address is its own network. */
struct ip_net {
    struct ip ip;
    uint8_t bits;
};
err ip_parse_net(str s, struct ip_net *ret);
bool ip_in_net(const struct ip *ip, const struct ip_net *net);
