/* SPDX-License-Identifier: Apache-2.0 */
#include "io/dns.h"

#include <ares.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/link.h"
#include "base/num.h"
#include "io/loop.h"
#include "io/sock.h"

enum {
    TIMEOUT_MS = 1500, /* of the first try with one server; doubles with each round */
    TRIES = 3,
    UDP_BYTES = 1232,      /* what crosses networks in one piece            [DNS flag day 2020] */
    HOSTS_TTL_S = 10,      /* how soon a change of /etc/hosts counts */
    NAME_BYTES_MAX = 255,  /* [RFC 1035 3.1] */
    TTL_S_MAX = 0x7fffffff /* [RFC 2181 8] */
};

struct dns {
    struct loop *loop;
    const char *servers;
    dns_told *told;
    void *arg;
    bool open; /* the channel is there */
    ares_channel channel;
    struct link sockets; /* struct dns_socket */
    struct timer timer;
    uint32_t questions; /* open ones */
    bool ends;
};
struct dns_socket {
    struct loop_fd fd;
    struct link on;
    struct dns *of;
};
struct dns_question {
    struct dns *of;
    void *asker;
    uint8_t family;
};

/* ---- the channel ---- */

static void settle(struct dns *d);

static void on_ready(struct loop_fd *f, uint32_t events) {
    struct dns *d = container_of(f, struct dns_socket, fd)->of;
    bool broken = events & (LOOP_ERR | LOOP_HUP);
    int in = events & LOOP_IN || broken ? f->fd : ARES_SOCKET_BAD;
    int out = events & LOOP_OUT || broken ? f->fd : ARES_SOCKET_BAD;
    ares_process_fd(d->channel, in, out); /* f may be gone */
    settle(d);
}

static void on_due(struct timer *t, uint64_t now_us) {
    (void)now_us;
    struct dns *d = container_of(t, struct dns, timer);
    timer_clear(t);
    if (d->open) ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    settle(d);
}

static struct dns_socket *socket_of(struct dns *d, int fd) {
    list_each (struct dns_socket, s, &d->sockets, on)
        if (s->fd.fd == fd) return s;
    return NULL;
}

static void end_socket(struct dns_socket *s) {
    loop_remove(s->of->loop, &s->fd);
    link_remove(&s->on);
    free(s);
}

/* Told before c-ares closes one, too. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable) {
    struct dns *d = arg;
    struct dns_socket *s = socket_of(d, fd);
    uint32_t events = (readable ? LOOP_IN : 0u) | (writable ? LOOP_OUT : 0u);
    if (!events) {
        if (s) end_socket(s);
        return;
    }
    if (s) {
        loop_want(d->loop, &s->fd, events);
        return;
    }
    s = base_zalloc(sizeof *s);
    s->fd = (struct loop_fd){.fd = -1, .on_ready = on_ready};
    s->of = d;
    link_append(&d->sockets, &s->on);
    if (loop_add_wanted(d->loop, &s->fd, fd, events) != OK) { /* its questions end by their time */
        link_remove(&s->on);
        free(s);
    }
}

static int open_channel(struct dns *d) {
    struct ares_options o = {.flags = ARES_FLAG_EDNS,
                             .timeout = TIMEOUT_MS,
                             .tries = TRIES,
                             .ednspsz = UDP_BYTES,
                             .sock_state_cb = on_socket,
                             .sock_state_cb_data = d};
    int mask =
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&d->channel, &o, mask);
    if (status != ARES_SUCCESS) return status;
    d->open = true;
    return d->servers ? ares_set_servers_ports_csv(d->channel, d->servers) : ARES_SUCCESS;
}

static void close_channel(struct dns *d) {
    if (d->open) ares_destroy(d->channel);
    d->open = false;
    list_each (struct dns_socket, s, &d->sockets, on) end_socket(s);
    timer_clear(&d->timer);
}

/* Not within a call of c-ares: with the last question the channel goes, else it says when to look again. */
static void settle(struct dns *d) {
    struct timeval space, *left;
    if (!d->open) return;
    if (!d->questions) {
        close_channel(d);
    } else if ((left = ares_timeout(d->channel, NULL, &space))) {
        uint64_t us = (uint64_t)left->tv_sec * 1000000 + (uint64_t)left->tv_usec;
        timer_set(&d->loop->timers, &d->timer, d->loop->now_us + us + 1000);
    }
}

struct dns *dns_new(struct loop *l, const char *servers, dns_told *told, void *arg) {
    struct dns *d = base_zalloc(sizeof *d);
    *d = (struct dns){.loop = l, .servers = servers, .told = told, .arg = arg};
    link_init(&d->sockets);
    timer_init(&d->timer, on_due);
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    assert(status == ARES_SUCCESS);
    return d;
}

void dns_free(struct dns *d) {
    if (!d) return;
    d->ends = true;
    close_channel(d);
    timer_forget(&d->loop->timers, &d->timer);
    ares_library_cleanup();
    free(d);
}

/* ---- answers ---- */

static void add(struct dns_answer *a, uint8_t family, const void *bytes, uint32_t ttl_s) {
    struct ip ip = {.family = family};
    memcpy(ip.bytes, bytes, family == 6 ? 16 : 4);
    if (a->n == DNS_ADDRESSES_MAX) return;
    if (!a->n || ttl_s < a->ttl_s) a->ttl_s = ttl_s;
    if (sock_has_way(&ip)) a->ips[a->n++] = ip;
    a->outcome = a->n ? DNS_FOUND : DNS_NO_ADDRESS;
    a->words = a->n ? "" : "this machine has no way to its addresses";
}

static uint32_t ttl_of(int ttl) { return ttl < 0 || ttl > TTL_S_MAX ? 0 : (uint32_t)ttl; }

static int parse(uint8_t family, const unsigned char *bytes, int n, struct dns_answer *a) {
    int got = DNS_ADDRESSES_MAX, status;
    if (family == 6) {
        struct ares_addr6ttl v[DNS_ADDRESSES_MAX];
        status = ares_parse_aaaa_reply(bytes, n, NULL, v, &got);
        for (int i = 0; status == ARES_SUCCESS && i < got; i++) add(a, 6, &v[i].ip6addr, ttl_of(v[i].ttl));
    } else {
        struct ares_addrttl v[DNS_ADDRESSES_MAX];
        status = ares_parse_a_reply(bytes, n, NULL, v, &got);
        for (int i = 0; status == ARES_SUCCESS && i < got; i++) add(a, 4, &v[i].ipaddr, ttl_of(v[i].ttl));
    }
    return status == ARES_SUCCESS && !a->words ? ARES_ENODATA : status;
}

static void tell(struct dns *d, void *asker, uint8_t family, int status, struct dns_answer *a) {
    if (status == ARES_ENOTFOUND) {
        a->outcome = DNS_NO_NAME, a->words = "no such name";
    } else if (status == ARES_ENODATA) {
        a->outcome = DNS_NO_ADDRESS, a->words = "it has no address";
    } else if (status != ARES_SUCCESS) {
        a->outcome = DNS_FAILED, a->words = ares_strerror(status);
    }
    d->told(d->arg, asker, family, a);
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int n) {
    struct dns_question q = *(struct dns_question *)arg;
    struct dns_answer a = {0};
    (void)timeouts;
    free(arg);
    q.of->questions--;
    if (q.of->ends) return;
    if (status == ARES_SUCCESS) status = parse(q.family, bytes, n, &a);
    tell(q.of, q.asker, q.family, status, &a);
}

/* ares_query() does not look there. A name that the file has is not asked for anywhere else. */
static bool in_hosts(struct dns *d, void *asker, const char *name, uint8_t family) {
    struct hostent *h[2] = {0};
    struct dns_answer a = {0};
    int mine = family == 6;
    for (int i = 0; i < 2; i++)
        if (ares_gethostbyname_file(d->channel, name, i ? AF_INET6 : AF_INET, &h[i]) != ARES_SUCCESS)
            h[i] = NULL;
    for (char **at = h[mine] ? h[mine]->h_addr_list : NULL; at && *at; at++)
        if (h[mine]->h_addrtype == (mine ? AF_INET6 : AF_INET)) add(&a, family, *at, HOSTS_TTL_S);
    bool known = h[0] || h[1];
    for (int i = 0; i < 2; i++)
        if (h[i]) ares_free_hostent(h[i]);
    if (known) tell(d, asker, family, a.words ? ARES_SUCCESS : ARES_ENODATA, &a);
    return known;
}

void dns_ask(struct dns *d, void *asker, str name, uint8_t family) {
    enum { CLASS_IN = 1, TYPE_A = 1, TYPE_AAAA = 28 }; /* [RFC 1035 3.2] [RFC 3596 2.1] */
    struct dns_answer a = {0};
    char text[NAME_BYTES_MAX + 1];
    if (str_ends(name, S("."))) name = str_upto(name, name.n - 1);
    int status = name.n && name.n <= NAME_BYTES_MAX ? ARES_SUCCESS : ARES_EBADNAME;
    if (status == ARES_SUCCESS && !d->open) status = open_channel(d);
    if (status != ARES_SUCCESS) {
        tell(d, asker, family, status, &a);
        settle(d);
        return;
    }
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    d->questions++; /* also while the file is read: the channel stays */
    bool known = in_hosts(d, asker, text, family);
    if (known) {
        d->questions--;
    } else {
        struct dns_question *q = base_alloc(sizeof *q);
        *q = (struct dns_question){d, asker, family};
        ares_query(d->channel, text, CLASS_IN, family == 6 ? TYPE_AAAA : TYPE_A, on_answer, q);
    }
    settle(d);
}

err dns_parse_server(str s) {
    struct ip ip;
    uint16_t port;
    if (ip_parse(s, &ip) == OK) return OK;
    size_t colon = str_rfind(s, ':');
    str host = str_upto(s, colon);
    if (colon == s.n || num_parse_port(str_from(s, colon + 1), &port) != OK || !port) return ERR_PROTO;
    bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (bracketed) host = (str){host.p + 1, host.n - 2};
    TRY(ip_parse(host, &ip));
    return bracketed == (ip.family == 6) ? OK : ERR_PROTO;
}
