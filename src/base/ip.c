/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include "base/num.h"

/* Four decimal numbers without leading zeros. */
static err parse_v4(str s, uint8_t out[4]) {
    for (int i = 0; i < 4; i++) {
        str part = i < 3 ? str_cut(&s, '.') : s;
        uint64_t v;
        if (part.n == 0 || part.n > 3 || (part.n > 1 && part.p[0] == '0')) return ERR_PROTO;
        if (i < 3 && !s.p) return ERR_PROTO;
        if (num_parse(part, 255, &v) != OK) return ERR_PROTO;
        out[i] = (uint8_t)v;
    }
    return OK;
}

static err parse_group(str s, uint8_t out[2]) {
    unsigned v = 0;
    if (s.n == 0 || s.n > 4) return ERR_PROTO;
    for (size_t i = 0; i < s.n; i++) {
        int d = num_hex(s.p[i]);
        if (d < 0) return ERR_PROTO;
        v = v << 4 | (unsigned)d;
    }
    out[0] = (uint8_t)(v >> 8), out[1] = (uint8_t)v;
    return OK;
}

/* Groups from s into out, at most 16 bytes; an IPv4 tail counts as two groups. *ret_n: bytes written. */
static err parse_groups(str s, uint8_t *out, size_t *ret_n) {
    size_t n = 0;
    *ret_n = 0;
    if (s.n == 0) return OK;
    for (;;) {
        size_t at = str_find(s, ':');
        str group = str_upto(s, at);
        if (at == s.n && str_find(group, '.') < group.n) {
            if (n > 12 || parse_v4(group, out + n) != OK) return ERR_PROTO;
            n += 4;
        } else {
            if (n > 14 || parse_group(group, out + n) != OK) return ERR_PROTO;
            n += 2;
        }
        if (at == s.n) break;
        s = str_from(s, at + 1);
    }
    *ret_n = n;
    return OK;
}

static err parse_v6(str s, uint8_t out[16]) {
    size_t gap = s.n;
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == ':' && s.p[i + 1] == ':') {
            gap = i;
            break;
        }
    uint8_t head[16] = {0}, tail[16] = {0};
    size_t head_n, tail_n = 0;
    str before = str_upto(s, gap);
    if (gap < s.n && str_find(before, '.') < before.n) return ERR_PROTO;
    TRY(parse_groups(before, head, &head_n));
    if (gap < s.n) TRY(parse_groups(str_from(s, gap + 2), tail, &tail_n));
    if (gap == s.n ? head_n != 16 : head_n + tail_n > 14) return ERR_PROTO;
    memset(out, 0, 16);
    memcpy(out, head, head_n);
    if (tail_n) memcpy(out + 16 - tail_n, tail, tail_n);
    return OK;
}

err ip_parse(str s, struct ip *ret) {
    struct ip ip = {0};
    if (s.n == 0 || s.n > 45) return ERR_PROTO;
    ip.family = str_find(s, ':') < s.n ? 6 : 4;
    TRY(ip.family == 6 ? parse_v6(s, ip.bytes) : parse_v4(s, ip.bytes));
    *ret = ip;
    return OK;
}

static unsigned group_at(const struct ip *ip, int i) {
    return (unsigned)ip->bytes[2 * i] << 8 | ip->bytes[2 * i + 1];
}

/* The longest run of zero groups, at least two, the first of equals [RFC 5952 4.2]. */
static int longest_zeros(const struct ip *ip, int *ret_length) {
    int at = -1, length = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group_at(ip, i + n) == 0) n++;
        if (n > length) at = i, length = n;
        i += n;
    }
    *ret_length = length;
    return at;
}

void ip_print(struct buf *b, const struct ip *ip) {
    const uint8_t *p = ip->bytes;
    if (ip->family != 6) {
        if (ip->family == 4) buf_printf(b, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
        return;
    }
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(p, mapped, sizeof mapped) == 0) {
        buf_printf(b, "::ffff:%u.%u.%u.%u", p[12], p[13], p[14], p[15]);
        return;
    }
    int zeros_n, zeros = longest_zeros(ip, &zeros_n);
    for (int i = 0; i < 8; i++) {
        if (i == zeros) {
            buf_add(b, S("::"));
            i += zeros_n - 1;
            continue;
        }
        if (i && i != zeros + zeros_n)
            buf_add_char(b, ':');
        else if (i && zeros < 0)
            buf_add_char(b, ':');
        buf_printf(b, "%x", group_at(ip, i));
    }
}

void ip_print_port(struct buf *b, const struct ip *ip, uint16_t port) {
    if (ip->family == 6) buf_add_char(b, '[');
    ip_print(b, ip);
    buf_printf(b, "%s:%u", ip->family == 6 ? "]" : "", port);
}

bool ip_eq(const struct ip *a, const struct ip *b) {
    return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

bool ip_is_loopback(const struct ip *ip) {
    static const uint8_t one[16] = {[15] = 1};
    return ip->family == 4 ? ip->bytes[0] == 127 : ip->family == 6 && memcmp(ip->bytes, one, 16) == 0;
}

bool ip_is_link_local(const struct ip *ip) {
    const uint8_t *p = ip->bytes;
    return ip->family == 4 ? p[0] == 169 && p[1] == 254
                           : ip->family == 6 && p[0] == 0xfe && (p[1] & 0xc0) == 0x80;
}

bool ip_is_unspecified(const struct ip *ip) {
    static const uint8_t zero[16] = {0};
    return ip->family && memcmp(ip->bytes, zero, 16) == 0;
}

bool ip_is_multicast(const struct ip *ip) {
    return ip->family == 4 ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->family == 6 && ip->bytes[0] == 0xff;
}

err ip_parse_net(str s, struct ip_net *ret) {
    struct ip_net net;
    str address = str_cut(&s, '/');
    uint64_t bits;
    TRY(ip_parse(address, &net.ip));
    uint64_t most = net.ip.family == 4 ? 32 : 128;
    bits = most;
    if (s.p && num_parse(s, most, &bits) != OK) return ERR_PROTO;
    net.bits = (uint8_t)bits;
    *ret = net;
    return OK;
}

bool ip_in_net(const struct ip *ip, const struct ip_net *net) {
    if (ip->family != net->ip.family) return false;
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(ip->bytes, net->ip.bytes, whole) != 0) return false;
    if (!rest) return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (ip->bytes[whole] & mask) == (net->ip.bytes[whole] & mask);
}
