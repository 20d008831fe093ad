/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/dns.h"
#include "io/loop.h"
#include "io/sock.h"

enum { BYTES_MAX = 4096, TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, NXDOMAIN = 3, SERVFAIL = 2 };

/* A DNS server on loopback, in the loop of who asks. By the first label of the name it knows what to say. */
struct world {
    struct loop loop;
    struct loop_fd server;
    struct dns *dns;
    char servers[64];
    uint32_t questions;
    struct {
        uint32_t n;
        struct dns_answer last;
        uint8_t family;
        void *asker;
    } got;
};

static size_t put16(uint8_t *to, unsigned v) {
    to[0] = (uint8_t)(v >> 8), to[1] = (uint8_t)v;
    return 2;
}

/* name: 0xc000 | offset of one that stands in the message */
static size_t put_record(uint8_t *to, unsigned name, unsigned type, unsigned ttl, const void *data,
                         unsigned n) {
    size_t at = put16(to, name);
    at += put16(to + at, type);
    at += put16(to + at, 1);
    at += put16(to + at, ttl >> 16);
    at += put16(to + at, ttl & 0xffff);
    at += put16(to + at, n);
    memcpy(to + at, data, n);
    return at + n;
}

static unsigned answer_records(str label, unsigned type, uint8_t *to, size_t *at) {
    enum { QUESTION = 0xc00c };
    static const uint8_t v4[2][4] = {{192, 0, 2, 1}, {127, 0, 0, 9}}, one[16] = {[15] = 1},
                         alias[] = {3, 'c', 'd', 'n', 0};
    if (str_eq(label, S("two")) && type == TYPE_A) {
        *at += put_record(to + *at, QUESTION, TYPE_A, 300, (uint8_t[]){127, 0, 0, 8}, 4);
        *at += put_record(to + *at, QUESTION, TYPE_A, 60, v4[1], 4);
        return 2;
    }
    if (str_eq(label, S("alias")) && type == TYPE_A) {
        unsigned target = 0xc000 | (unsigned)(*at + 12);
        *at += put_record(to + *at, QUESTION, TYPE_CNAME, 20, alias, sizeof alias);
        *at += put_record(to + *at, target, TYPE_A, 300, v4[1], 4);
        return 2;
    }
    if (str_eq(label, S("six")) && type == TYPE_AAAA) {
        *at += put_record(to + *at, QUESTION, TYPE_AAAA, 30, one, 16);
        return 1;
    }
    if (str_eq(label, S("many")) && type == TYPE_A) {
        for (unsigned i = 0; i < 70; i++)
            *at += put_record(to + *at, QUESTION, TYPE_A, 60, (uint8_t[]){127, 0, 1, (uint8_t)i}, 4);
        return 70;
    }
    return 0;
}

static void serve(struct loop_fd *f, uint32_t events) {
    struct world *w = container_of(f, struct world, server);
    uint8_t in[BYTES_MAX], out[BYTES_MAX];
    struct sockaddr_in from;
    socklen_t from_n = sizeof from;
    (void)events;
    ssize_t n = recvfrom(f->fd, in, sizeof in, 0, (struct sockaddr *)&from, &from_n);
    if (n < 17) return;
    w->questions++;
    str label = {(const char *)in + 13, in[12]};
    size_t end = 12;
    while (in[end]) end += in[end] + 1u;
    unsigned type = (unsigned)in[end + 1] << 8 | in[end + 2];
    end += 5;
    memcpy(out, in, end);
    unsigned code = str_eq(label, S("gone")) ? NXDOMAIN : str_eq(label, S("broken")) ? SERVFAIL : 0;
    if (str_eq(label, S("silent"))) return;
    put16(out + 2, 0x8180 | code);
    memset(out + 6, 0, 6);
    size_t at = end;
    put16(out + 6, code ? 0 : answer_records(label, type, out, &at));
    assert_int_equal(sendto(f->fd, out, at, 0, (struct sockaddr *)&from, from_n), at);
}

static void on_told(void *arg, void *asker, uint8_t family, const struct dns_answer *a) {
    struct world *w = arg;
    w->got.n++;
    w->got.last = *a;
    w->got.family = family;
    w->got.asker = asker;
}

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    loop_init(&w->loop);
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof me;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof me), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&me, &n), 0);
    w->server = (struct loop_fd){.fd = -1, .on_ready = serve};
    assert_ok(loop_add_level(&w->loop, &w->server, fd));
    snprintf(w->servers, sizeof w->servers, "127.0.0.1:%u", ntohs(me.sin_port));
    w->dns = dns_new(&w->loop, w->servers, on_told, w);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    dns_free(w->dns);
    loop_close(&w->loop, &w->server);
    loop_fini(&w->loop);
    free(w);
    return 0;
}

static const struct dns_answer *ask(struct world *w, const char *name, uint8_t family) {
    uint32_t before = w->got.n;
    int asker = 0;
    dns_ask(w->dns, &asker, str_of(name), family);
    while (w->got.n == before) loop_turn(&w->loop, true);
    assert_int_equal(w->got.n, before + 1);
    assert_int_equal(w->got.family, family);
    assert_ptr_equal(w->got.asker, &asker);
    return &w->got.last;
}

static void assert_ip(const struct ip *ip, const char *wanted) {
    struct buf b;
    buf_init(&b, 64);
    ip_print(&b, ip);
    assert_str(buf_str(&b), wanted);
    buf_fini(&b);
}

static void addresses_and_their_ttl(void **state) {
    struct world *w = *state;
    const struct dns_answer *a = ask(w, "two.example", 4);
    assert_int_equal(a->outcome, DNS_FOUND);
    assert_int_equal(a->n, 2);
    assert_ip(&a->ips[0], "127.0.0.8");
    assert_ip(&a->ips[1], "127.0.0.9");
    assert_int_equal(a->ttl_s, 60); /* the shortest */
    a = ask(w, "two.example.", 4);
    assert_int_equal(a->n, 2);
    a = ask(w, "alias.example", 4);
    assert_int_equal(a->n, 1);
    assert_int_equal(a->ttl_s, 20); /* the alias is as good as its own */
}

static void families_apart(void **state) {
    struct world *w = *state;
    const struct dns_answer *a = ask(w, "two.example", 6);
    assert_int_equal(a->outcome, DNS_NO_ADDRESS);
    assert_int_equal(a->n, 0);
    struct ip one;
    assert_ok(ip_parse(S("::1"), &one));
    a = ask(w, "six.example", 6);
    assert_int_equal(a->outcome, sock_has_way(&one) ? DNS_FOUND : DNS_NO_ADDRESS);
    if (a->outcome == DNS_FOUND) assert_ip(&a->ips[0], "::1");
}

static void no_such_name(void **state) {
    struct world *w = *state;
    const struct dns_answer *a = ask(w, "gone.example", 4);
    assert_int_equal(a->outcome, DNS_NO_NAME);
    assert_string_equal(a->words, "no such name");
}

static void servers_that_fail(void **state) {
    struct world *w = *state;
    const struct dns_answer *a = ask(w, "broken.example", 4);
    assert_int_equal(a->outcome, DNS_FAILED);
    assert_true(strlen(a->words) > 0);
    assert_true(w->questions >= 2); /* it was tried again */
}

static void more_addresses_than_are_kept(void **state) {
    struct world *w = *state;
    const struct dns_answer *a = ask(w, "many.example", 4);
    assert_int_equal(a->n, DNS_ADDRESSES_MAX);
}

static void names_that_are_none(void **state) {
    struct world *w = *state;
    assert_int_equal(ask(w, "", 4)->outcome, DNS_FAILED);
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(ask(w, longest, 4)->outcome, DNS_FAILED);
    assert_int_equal(w->questions, 0);
}

static bool in_hosts(const char *name) {
    FILE *f = fopen("/etc/hosts", "re");
    char line[1024];
    bool found = false;
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "#\n")] = 0;
        for (char *rest = line, *word; (word = strsep(&rest, " \t"));) found |= strcmp(word, name) == 0;
    }
    if (f) fclose(f);
    return found;
}

/* The machine's own file goes first; what it does not have is asked. */
static void hosts_go_first(void **state) {
    struct world *w = *state;
    bool known = in_hosts("localhost");
    const struct dns_answer *a = ask(w, "localhost", 4);
    assert_int_equal(w->questions == 0, known);
    if (!known) return;
    assert_int_equal(a->outcome, DNS_FOUND);
    assert_ip(&a->ips[0], "127.0.0.1");
}

/* Questions nobody answers keep nobody from ending. */
static void open_questions_end_with_it(void **state) {
    struct world *w = *state;
    for (unsigned i = 0; i < 20; i++) dns_ask(w->dns, NULL, S("silent.example"), i & 1 ? 4 : 6);
    while (!w->questions) loop_turn(&w->loop, true);
    assert_int_equal(w->got.n, 0);
}

static void servers_as_text(void **state) {
    (void)state;
    static const char *const good[] = {"192.0.2.53", "192.0.2.53:5353", "2001:db8::53",
                                       "[2001:db8::53]:5353"};
    static const char *const bad[] = {"",
                                      "dns.example",
                                      "192.0.2.53:",
                                      "192.0.2.53:0",
                                      "192.0.2.53:99999",
                                      "[192.0.2.53]:53",
                                      "[2001:db8::53]",
                                      "192.0.2.53,192.0.2.54",
                                      " 192.0.2.53",
                                      "::1]:53"};
    for (size_t i = 0; i < COUNT_OF(good); i++) assert_ok(dns_parse_server(str_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(dns_parse_server(str_of(bad[i])), ERR_PROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_and_their_ttl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(families_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_such_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(servers_that_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_addresses_than_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hosts_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_questions_end_with_it, set_up, tear_down),
        cmocka_unit_test(servers_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
