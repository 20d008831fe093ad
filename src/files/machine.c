/* SPDX-License-Identifier: Apache-2.0 */
#include "files/machine.h"

#include <ifaddrs.h>
#include <netinet/in.h>

static bool address_of(const struct ifaddrs *i, struct ip *ret) {
    struct ip ip = {0};
    if (!i->ifa_addr) return false;
    if (i->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, i->ifa_addr, sizeof v4);
        ip.family = 4;
        memcpy(ip.bytes, &v4.sin_addr, 4);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, i->ifa_addr, sizeof v6);
        ip.family = 6;
        memcpy(ip.bytes, &v6.sin6_addr, 16);
    } else {
        return false;
    }
    *ret = ip;
    return true;
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, sizeof(struct ip)); }

struct ip *machine_addresses(size_t *ret_n) {
    struct ifaddrs *all = NULL;
    struct ip *list = NULL;
    size_t n = 0, cap = 0;
    if (getifaddrs(&all) != 0) all = NULL;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        struct ip ip;
        if (!address_of(i, &ip)) continue;
        if (n == cap) list = base_realloc(list, (cap = cap ? cap * 2 : 16) * sizeof *list);
        list[n++] = ip;
    }
    if (all) freeifaddrs(all);
    if (n) qsort(list, n, sizeof *list, by_bytes);
    *ret_n = n;
    return list;
}
