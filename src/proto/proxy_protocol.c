/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/proxy_protocol.h"

#include "base/num.h"

enum {
    HEAD_BYTES = 16, /* of version 2: signature, version and command, family, length */
    SIGNATURE_BYTES = 12,
    COMMAND_LOCAL = 0x20,
    COMMAND_PROXY = 0x21,
    FAMILY_INET = 1,
    FAMILY_INET6 = 2,
    FAMILY_UNIX = 3,
    TRANSPORT_STREAM = 1,
    TRANSPORT_DATAGRAM = 2,
    TLV_HEAD_BYTES = 3,
    TLV_CRC32C = 0x03,
    CRC_BYTES = 4,
};
static const str begin_v1 = S("PROXY ");
static const str begin_v2 = {"\r\n\r\n\0\r\nQUIT\n", SIGNATURE_BYTES};

static const struct {
    str name, words;
} faults[] = {
#define FAULT(id, name, words) {S(name), S(words)},
    PROXY_PROTOCOL_FAULTS(FAULT)
#undef FAULT
};

str proxy_protocol_name(enum proxy_protocol_fault f) { return faults[f].name; }
str proxy_protocol_words(enum proxy_protocol_fault f) { return faults[f].words; }

static err wrong(enum proxy_protocol_fault why, enum proxy_protocol_fault *ret_why) {
    *ret_why = why;
    return ERR_PROTO;
}

/* ::ffff:192.0.2.1 is 192.0.2.1, so that networks and pools meet one address in one form.              [RFC 4291 2.5.5.2] */
static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static struct ip plain(struct ip a) {
    if (a.family != 6 || memcmp(a.bytes, mapped, sizeof mapped) != 0) return a;
    struct ip v4 = {.family = 4};
    memcpy(v4.bytes, a.bytes + sizeof mapped, 4);
    return v4;
}

/* ---- version 1: a line                                                                     [PROXY 2.1] ---- */

static err read_port(str s, uint16_t *ret) {
    uint64_t v;
    if (s.n > 1 && s.p[0] == '0') return ERR_PROTO;
    TRY(num_parse(s, UINT16_MAX, &v));
    *ret = (uint16_t)v;
    return OK;
}

static err read_addresses(str line, uint8_t family, struct proxy_protocol *p) {
    TRY(ip_parse(str_cut(&line, ' '), &p->source));
    TRY(ip_parse(str_cut(&line, ' '), &p->destination));
    TRY(read_port(str_cut(&line, ' '), &p->source_port));
    TRY(read_port(line, &p->destination_port));
    if (p->source.family != family || p->destination.family != family) return ERR_PROTO;
    p->source = plain(p->source), p->destination = plain(p->destination);
    p->told = true;
    return OK;
}

static err read_line(str line, struct proxy_protocol *p, enum proxy_protocol_fault *ret_why) {
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < ' ' || line.p[i] > '~') return wrong(PROXY_PROTOCOL_ADDRESS, ret_why);
    str rest = str_from(line, begin_v1.n), family = str_upto(rest, str_find(rest, ' '));
    if (str_eq(family, S("UNKNOWN"))) return OK; /* the rest is to be ignored */
    bool v4 = str_eq(family, S("TCP4"));
    if (!v4 && !str_eq(family, S("TCP6"))) return wrong(PROXY_PROTOCOL_VERSION, ret_why);
    if (read_addresses(str_from(rest, family.n + 1), v4 ? 4 : 6, p) != OK)
        return wrong(PROXY_PROTOCOL_ADDRESS, ret_why);
    return OK;
}

static err read_v1(str in, struct proxy_protocol *ret, size_t *ret_used, enum proxy_protocol_fault *ret_why) {
    struct proxy_protocol p = {.version = 1};
    str seen = str_upto(in, PROXY_PROTOCOL_V1_BYTES);
    size_t end = str_find(seen, '\n');
    if (end == seen.n)
        return seen.n < PROXY_PROTOCOL_V1_BYTES ? ERR_AGAIN : wrong(PROXY_PROTOCOL_LENGTH, ret_why);
    if (seen.p[end - 1] != '\r') return wrong(PROXY_PROTOCOL_ADDRESS, ret_why);
    TRY(read_line(str_upto(seen, end - 1), &p, ret_why));
    *ret = p;
    *ret_used = end + 1;
    return OK;
}

/* ---- version 2: binary                                                                     [PROXY 2.2] ---- */

static uint8_t byte_at(str s, size_t at) { return (uint8_t)s.p[at]; }
static uint16_t number_at(str s, size_t at) { return (uint16_t)(byte_at(s, at) << 8 | byte_at(s, at + 1)); }

/* Of the whole header, the checksum itself taken as zeros. Bit by bit: it is a hundred bytes, once a connection. [RFC 9260 A] */
static uint32_t checksum(str header, size_t own_at) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < header.n; i++) {
        bool own = i >= own_at && i < own_at + CRC_BYTES;
        crc ^= own ? 0 : byte_at(header, i);
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82F63B78) : crc >> 1;
    }
    return ~crc;
}

static err check_extensions(str header, size_t at, enum proxy_protocol_fault *ret_why) {
    bool summed = false;
    while (at < header.n) {
        if (header.n - at < TLV_HEAD_BYTES) return wrong(PROXY_PROTOCOL_EXTENSION, ret_why);
        uint8_t type = byte_at(header, at);
        uint16_t n = number_at(header, at + 1);
        at += TLV_HEAD_BYTES;
        if (n > header.n - at) return wrong(PROXY_PROTOCOL_EXTENSION, ret_why);
        if (type == TLV_CRC32C) {
            if (summed || n != CRC_BYTES) return wrong(PROXY_PROTOCOL_EXTENSION, ret_why);
            summed = true;
            uint32_t said = (uint32_t)number_at(header, at) << 16 | number_at(header, at + 2);
            if (checksum(header, at) != said) return wrong(PROXY_PROTOCOL_CHECKSUM, ret_why);
        }
        at += n;
    }
    return OK;
}

static struct ip address_at(str s, size_t at, size_t n) {
    struct ip a = {.family = n == 4 ? 4 : 6};
    memcpy(a.bytes, s.p + at, n);
    return plain(a);
}

static void take_addresses(str header, size_t n, struct proxy_protocol *p) {
    size_t at = HEAD_BYTES;
    p->source = address_at(header, at, n);
    p->destination = address_at(header, at + n, n);
    p->source_port = number_at(header, at + 2 * n);
    p->destination_port = number_at(header, at + 2 * n + 2);
    p->told = true;
}

/* Datagrams do not come by a connection, and a unix socket is no IP address: the checks are made, the addresses are not taken. */
static err read_proxied(str header, struct proxy_protocol *p, enum proxy_protocol_fault *ret_why) {
    static const size_t bytes[] = {0, 12, 36, 216};
    uint8_t family = byte_at(header, 13) >> 4, transport = byte_at(header, 13) & 15;
    if (family > FAMILY_UNIX || transport > TRANSPORT_DATAGRAM) return wrong(PROXY_PROTOCOL_VERSION, ret_why);
    if (bytes[family] > header.n - HEAD_BYTES) return wrong(PROXY_PROTOCOL_LENGTH, ret_why);
    TRY(check_extensions(header, HEAD_BYTES + bytes[family], ret_why));
    if (transport != TRANSPORT_STREAM) return OK;
    if (family == FAMILY_INET) take_addresses(header, 4, p);
    if (family == FAMILY_INET6) take_addresses(header, 16, p);
    return OK;
}

static err read_v2(str in, struct proxy_protocol *ret, size_t *ret_used, enum proxy_protocol_fault *ret_why) {
    struct proxy_protocol p = {.version = 2};
    if (in.n > SIGNATURE_BYTES && byte_at(in, 12) != COMMAND_LOCAL && byte_at(in, 12) != COMMAND_PROXY)
        return wrong(PROXY_PROTOCOL_VERSION, ret_why);
    if (in.n < HEAD_BYTES) return ERR_AGAIN;
    size_t all = HEAD_BYTES + (size_t)number_at(in, 14);
    if (all > PROXY_PROTOCOL_BYTES_MAX) return wrong(PROXY_PROTOCOL_LENGTH, ret_why);
    if (in.n < all) return ERR_AGAIN;
    /* of LOCAL nothing but the length counts */
    if (byte_at(in, 12) == COMMAND_PROXY) TRY(read_proxied(str_upto(in, all), &p, ret_why));
    *ret = p;
    *ret_used = all;
    return OK;
}

err proxy_protocol_read(str in, struct proxy_protocol *ret, size_t *ret_used,
                        enum proxy_protocol_fault *ret_why) {
    *ret_why = PROXY_PROTOCOL_NONE;
    if (str_starts(in, begin_v1)) return read_v1(in, ret, ret_used, ret_why);
    if (str_starts(in, begin_v2)) return read_v2(in, ret, ret_used, ret_why);
    if (str_starts(begin_v1, in) || str_starts(begin_v2, in)) return ERR_AGAIN;
    return wrong(PROXY_PROTOCOL_ABSENT, ret_why);
}

/* ---- printing ---- */

static struct ip widened(const struct ip *a, bool v6) {
    if (a->family == 6 || !v6) return *a;
    struct ip wide = {.family = 6};
    memcpy(wide.bytes, mapped, sizeof mapped);
    memcpy(wide.bytes + sizeof mapped, a->bytes, 4);
    return wide;
}

static size_t print_v1(const struct proxy_protocol *p, char *to) {
    struct buf b = {.p = to, .cap = PROXY_PROTOCOL_PRINT_BYTES, .max = PROXY_PROTOCOL_PRINT_BYTES};
    if (!p->told) {
        buf_add(&b, S("PROXY UNKNOWN\r\n"));
        return b.n;
    }
    bool v6 = p->source.family == 6 || p->destination.family == 6;
    struct ip source = widened(&p->source, v6), destination = widened(&p->destination, v6);
    buf_add(&b, v6 ? S("PROXY TCP6 ") : S("PROXY TCP4 "));
    ip_print(&b, &source);
    buf_add_char(&b, ' ');
    ip_print(&b, &destination);
    buf_printf(&b, " %u %u\r\n", p->source_port, p->destination_port);
    return b.n;
}

static size_t put_number(char *to, uint16_t v) {
    to[0] = (char)(v >> 8), to[1] = (char)(v & 0xff);
    return 2;
}

static size_t print_v2(const struct proxy_protocol *p, char *to) {
    bool v6 = p->source.family == 6 || p->destination.family == 6;
    size_t n = v6 ? 16 : 4, at = HEAD_BYTES;
    memcpy(to, begin_v2.p, SIGNATURE_BYTES);
    to[12] = (char)(p->told ? COMMAND_PROXY : COMMAND_LOCAL);
    to[13] = (char)(p->told ? (v6 ? FAMILY_INET6 : FAMILY_INET) << 4 | TRANSPORT_STREAM : 0);
    put_number(to + 14, (uint16_t)(p->told ? 2 * n + 4 : 0));
    if (!p->told) return at;
    struct ip source = widened(&p->source, v6), destination = widened(&p->destination, v6);
    memcpy(to + at, source.bytes, n);
    memcpy(to + at + n, destination.bytes, n);
    at += 2 * n;
    at += put_number(to + at, p->source_port);
    return at + put_number(to + at, p->destination_port);
}

size_t proxy_protocol_print(const struct proxy_protocol *p, char *to) {
    assert(p->version == 1 || p->version == 2);
    return p->version == 1 ? print_v1(p, to) : print_v2(p, to);
}
