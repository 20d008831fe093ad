/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* Addresses of names, by DNS, without waiting for them; /etc/hosts goes first. One thread's. c-ares speaks the protocol: a fresh port and id for
 * each question, tries again over all servers, TCP when an answer is cut. It is set up anew, /etc/resolv.conf read again, whenever no question is
 * open.                                                                                      [RFC 1035] [RFC 3596] [RFC 5452] */
enum dns_outcome {
    DNS_FOUND,
    DNS_NO_NAME,    /* there is no such name                                          [RFC 8020] */
    DNS_NO_ADDRESS, /* it has none of this family, or none that this machine has a way to */
    DNS_FAILED,     /* nobody gave an answer: nothing is known */
};
enum { DNS_ADDRESSES_MAX = 64 }; /* of one family; more are left out */
struct dns_answer {
    enum dns_outcome outcome;
    const char *words; /* for people, static; "" when FOUND */
    uint32_t ttl_s;    /* FOUND: for so long, by those who said it */
    uint32_t n;
    struct ip ips[DNS_ADDRESSES_MAX];
};
struct dns;
struct loop;
/* The answer to dns_ask(), once for each; it may come during the call. family: 4 or 6. */
typedef void dns_told(void *arg, void *asker, uint8_t family, const struct dns_answer *a);
/* servers: "ADDRESS" or "ADDRESS:PORT", between commas (dns_parse_server() says which); NULL: as the machine does it. Outlives it. */
struct dns *dns_new(struct loop *l, const char *servers, dns_told *told, void *arg);
void dns_free(struct dns *d); /* open questions are not answered any more; NULL is fine */
/* name: absolute, with or without the last dot. asker: given back with the answer. */
void dns_ask(struct dns *d, void *asker, str name, uint8_t family);
/* "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353". ERR_PROTO: none of these. */
err dns_parse_server(str s);
