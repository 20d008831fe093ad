/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/proxy_protocol.h"

#include "../unit.h"

#define SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) ((str){text, sizeof(text) - 1})
#define V4          "\xc0\x00\x02\x01\xc6\x33\x64\x02\x10\x67\x01\xbb" /* 192.0.2.1:4199 to 198.51.100.2:443 */

static void takes(str in, size_t used, const char *source, unsigned source_port, const char *destination,
                  unsigned destination_port) {
    struct proxy_protocol p = {0};
    enum proxy_protocol_fault why;
    size_t n = 0;
    struct ip from, to;
    assert_int_equal(proxy_protocol_read(in, &p, &n, &why), OK);
    assert_int_equal(n, used);
    assert_int_equal(p.told, source != NULL);
    if (!source) return;
    assert_ok(ip_parse(str_of(source), &from));
    assert_ok(ip_parse(str_of(destination), &to));
    assert_true(ip_eq(&p.source, &from) && ip_eq(&p.destination, &to));
    assert_int_equal(p.source_port, source_port);
    assert_int_equal(p.destination_port, destination_port);
}

static void refuses(str in, enum proxy_protocol_fault wanted) {
    struct proxy_protocol p;
    enum proxy_protocol_fault why;
    size_t n;
    assert_int_equal(proxy_protocol_read(in, &p, &n, &why), ERR_PROTO);
    assert_int_equal(why, wanted);
    assert_true(proxy_protocol_words(why).n > 0);
}

static void waits(str in) {
    struct proxy_protocol p;
    enum proxy_protocol_fault why;
    size_t n;
    assert_int_equal(proxy_protocol_read(in, &p, &n, &why), ERR_AGAIN);
}

static void reads_lines(void **state) {
    (void)state;
    static const char v4[] = "PROXY TCP4 192.0.2.1 198.51.100.2 4199 443\r\n";
    takes(str_of(v4), sizeof v4 - 1, "192.0.2.1", 4199, "198.51.100.2", 443);
    static const char v6[] = "PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\nGET / HTTP/1.1\r\n";
    takes(str_of(v6), 44, "2001:db8::1", 65535, "2001:db8::2", 0);
    takes(S("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n"), 50, "192.0.2.1", 1, "192.0.2.2", 2);
    takes(S("PROXY UNKNOWN\r\nabc"), 15, NULL, 0, NULL, 0);
    takes(S("PROXY UNKNOWN whatever it 1 says\r\n"), 34, NULL, 0, NULL, 0);
    for (size_t n = 0; n < sizeof v4 - 1; n++) waits((str){v4, n});
}

/* What a TLS client or one of HTTP/2 says at once is not touched. */
static void leaves_what_follows(void **state) {
    (void)state;
    takes(BYTES("PROXY TCP4 192.0.2.1 198.51.100.2 4199 443\r\n\x16\x03\x01\x02\x00"), 44, "192.0.2.1", 4199,
          "198.51.100.2", 443);
    takes(S("PROXY TCP4 192.0.2.1 198.51.100.2 4199 443\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 44,
          "192.0.2.1", 4199, "198.51.100.2", 443);
    takes(BYTES(SIGNATURE "\x21\x11\x00\x0c" V4 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 28, "192.0.2.1", 4199,
          "198.51.100.2", 443);
}

static void refuses_lines(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum proxy_protocol_fault why;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", PROXY_PROTOCOL_ABSENT},
        {"PRI * HTTP/2.0\r\n", PROXY_PROTOCOL_ABSENT},
        {"PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_ABSENT},
        {"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_ABSENT},
        {"\x16\x03\x01", PROXY_PROTOCOL_ABSENT},
        {"PROXY \r\n", PROXY_PROTOCOL_VERSION},
        {"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_VERSION},
        {"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_VERSION},
        {"PROXY TCP4\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY UNKNOWN\n", PROXY_PROTOCOL_ADDRESS},
        {"PROXY UNKNOWN \x01\r\n", PROXY_PROTOCOL_ADDRESS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) refuses(str_of(cases[i].line), cases[i].why);
}

static void bounds_lines(void **state) {
    (void)state;
    char line[PROXY_PROTOCOL_V1_BYTES + 2];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    waits((str){line, PROXY_PROTOCOL_V1_BYTES - 1});
    refuses((str){line, PROXY_PROTOCOL_V1_BYTES}, PROXY_PROTOCOL_LENGTH);
    memcpy(line + PROXY_PROTOCOL_V1_BYTES - 2, "\r\n", 2);
    takes((str){line, sizeof line}, PROXY_PROTOCOL_V1_BYTES, NULL, 0, NULL, 0);
    memcpy(line + PROXY_PROTOCOL_V1_BYTES - 2, "x\r\n", 3);
    refuses((str){line, sizeof line}, PROXY_PROTOCOL_LENGTH);
}

static void reads_binary(void **state) {
    (void)state;
    str v4 = BYTES(SIGNATURE "\x21\x11\x00\x0c" V4);
    takes(v4, 28, "192.0.2.1", 4199, "198.51.100.2", 443);
    for (size_t n = 0; n < v4.n; n++) waits(str_upto(v4, n));
    takes(BYTES(SIGNATURE "\x21\x21\x00\x24"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01\x00\x02"),
          52, "2001:db8::1", 1, "2001:db8::2", 2);
    takes(BYTES(SIGNATURE "\x21\x21\x00\x24"
                          "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
                          "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x02\x00\x01\x00\x02"),
          52, "192.0.2.1", 1, "192.0.2.2", 2);
    /* without an address to tell: LOCAL whatever it holds, UNSPEC, datagrams, a unix socket */
    takes(BYTES(SIGNATURE "\x20\x00\x00\x00"), 16, NULL, 0, NULL, 0);
    takes(BYTES(SIGNATURE "\x20\x11\x00\x0c" V4), 28, NULL, 0, NULL, 0);
    takes(BYTES(SIGNATURE "\x20\xff\x00\x02zz"), 18, NULL, 0, NULL, 0);
    takes(BYTES(SIGNATURE "\x21\x00\x00\x00"), 16, NULL, 0, NULL, 0);
    takes(BYTES(SIGNATURE "\x21\x12\x00\x0c" V4), 28, NULL, 0, NULL, 0);
    char local[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
    takes((str){local, sizeof local}, sizeof local, NULL, 0, NULL, 0);
}

static void refuses_binary(void **state) {
    (void)state;
    refuses(BYTES("\r\n\r\n\0\r\nQUIT\r"), PROXY_PROTOCOL_ABSENT);
    refuses(BYTES(SIGNATURE "\x11"), PROXY_PROTOCOL_VERSION); /* told as soon as it is seen */
    refuses(BYTES(SIGNATURE "\x22\x11\x00\x0c" V4), PROXY_PROTOCOL_VERSION);
    refuses(BYTES(SIGNATURE "\x21\x41\x00\x0c" V4), PROXY_PROTOCOL_VERSION);
    refuses(BYTES(SIGNATURE "\x21\x13\x00\x0c" V4), PROXY_PROTOCOL_VERSION);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x0b" V4), PROXY_PROTOCOL_LENGTH);
    refuses(BYTES(SIGNATURE "\x21\x21\x00\x0c" V4), PROXY_PROTOCOL_LENGTH);
    refuses(BYTES(SIGNATURE "\x21\x11\x10\x00"), PROXY_PROTOCOL_LENGTH); /* 4 kB and 16 bytes */
    waits(BYTES(SIGNATURE "\x21\x11\x0f\xf0"));
}

static void checks_extensions(void **state) {
    (void)state;
    takes(BYTES(SIGNATURE "\x21\x11\x00\x13" V4 "\x02\x00\x01z\x04\x00\x00"), 35, "192.0.2.1", 4199,
          "198.51.100.2", 443);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x0e" V4 "\x02\x00"), PROXY_PROTOCOL_EXTENSION);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x10" V4 "\x02\x00\x02z"), PROXY_PROTOCOL_EXTENSION);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x12" V4 "\x03\x00\x03\0\0\0"), PROXY_PROTOCOL_EXTENSION);
}

/* The sums were made by another program. */
static void checks_the_sum(void **state) {
    (void)state;
    takes(BYTES(SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\x35\xa0\xd2\xd9"), 35, "192.0.2.1", 4199,
          "198.51.100.2", 443);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x13" V4 "\x03\x00\x04\x00\x00\x00\x00"), PROXY_PROTOCOL_CHECKSUM);
    takes(BYTES(SIGNATURE "\x21\x11\x00\x17" V4 "\x03\x00\x04\x11\xcc\x0b\x5c\x04\x00\x01z"), 39, "192.0.2.1",
          4199, "198.51.100.2", 443);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x17" V4 "\x03\x00\x04\x11\xcc\x0b\x5c\x04\x00\x01y"),
            PROXY_PROTOCOL_CHECKSUM);
    refuses(BYTES(SIGNATURE "\x21\x11\x00\x1a" V4 "\x03\x00\x04\x4c\xcf\x0a\xb4\x03\x00\x04"
                            "abcd"),
            PROXY_PROTOCOL_EXTENSION);
}

static str printed(const struct proxy_protocol *p, char *space) {
    return (str){space, proxy_protocol_print(p, space)};
}

static void prints(void **state) {
    (void)state;
    char space[PROXY_PROTOCOL_PRINT_BYTES];
    struct proxy_protocol p = {.version = 1};
    assert_str(printed(&p, space), "PROXY UNKNOWN\r\n");
    p.version = 2;
    assert_true(str_eq(printed(&p, space), BYTES(SIGNATURE "\x20\x00\x00\x00")));
    p.told = true, p.source_port = 4199, p.destination_port = 443;
    assert_ok(ip_parse(S("192.0.2.1"), &p.source));
    assert_ok(ip_parse(S("198.51.100.2"), &p.destination));
    assert_true(str_eq(printed(&p, space), BYTES(SIGNATURE "\x21\x11\x00\x0c" V4)));
    p.version = 1;
    assert_str(printed(&p, space), "PROXY TCP4 192.0.2.1 198.51.100.2 4199 443\r\n");
    assert_ok(ip_parse(S("2001:db8::2"), &p.destination));
    assert_str(printed(&p, space), "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4199 443\r\n");
    const char *longest = "1111:2222:3333:4444:5555:6666:7777:8888";
    p.source_port = p.destination_port = 65535;
    assert_ok(ip_parse(str_of(longest), &p.source));
    assert_ok(ip_parse(str_of(longest), &p.destination));
    str line = printed(&p, space);
    assert_true(line.n <= PROXY_PROTOCOL_V1_BYTES && line.n < sizeof space);
    takes(line, line.n, longest, 65535, longest, 65535);
    p.version = 2;
    line = printed(&p, space);
    takes(line, 52, longest, 65535, longest, 65535);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(leaves_what_follows),
        cmocka_unit_test(refuses_lines),
        cmocka_unit_test(bounds_lines),
        cmocka_unit_test(reads_binary),
        cmocka_unit_test(refuses_binary),
        cmocka_unit_test(checks_extensions),
        cmocka_unit_test(checks_the_sum),
        cmocka_unit_test(prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
