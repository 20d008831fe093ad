/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/affinity.h"

#include "filter/session.h"

/* What a token holds: the endpoint's address, IPv4 in its mapped form [RFC 4291 2.5.5.2], its port, and when the session ends, in seconds since
 * 1970, 0 = never. */
struct token {
    uint8_t address[16], port[2], end[8];
};
static_assert(sizeof(struct token) == 26, "no padding");
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static void put_number(uint8_t *to, size_t n, uint64_t v) {
    for (size_t i = n; i-- > 0; v >>= 8) to[i] = (uint8_t)v;
}

static uint64_t number(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

static struct token make(const struct table_endpoint *e, uint64_t end_s) {
    struct token t = {0};
    if (e->ip.family == 4) {
        memcpy(t.address, mapped, sizeof mapped);
        memcpy(t.address + sizeof mapped, e->ip.bytes, 4);
    } else {
        memcpy(t.address, e->ip.bytes, sizeof t.address);
    }
    put_number(t.port, sizeof t.port, e->port);
    put_number(t.end, sizeof t.end, end_s);
    return t;
}

static struct table_endpoint endpoint_of(const struct token *t) {
    struct table_endpoint e = {.port = (uint16_t)number(t->port, sizeof t->port)};
    bool v4 = !memcmp(t->address, mapped, sizeof mapped);
    e.ip.family = v4 ? 4 : 6;
    memcpy(e.ip.bytes, t->address + (v4 ? sizeof mapped : 0), v4 ? 4 : 16);
    return e;
}

static struct seal *seal_of(struct proxy *p) {
    if (!p->seal) p->seal = seal_new(p->session_key);
    return p->seal;
}

static uint64_t now_s(struct exchange *x) { return (uint64_t)proxy_core_wall_us(x->proxy) / 1000000; }

/* Tokens are of one backend: what another one's clients have means nothing here. */
static str context_of(const struct exchange *x) { return x->target->backend->name; }

void affinity_find(struct exchange *x) {
    str tokens[SESSION_TOKENS_MAX];
    uint32_t n = session_find(x->target->session, x->request, tokens);
    for (uint32_t i = 0; i < n; i++) {
        struct token t;
        if (seal_open(seal_of(x->proxy), tokens[i], context_of(x), &t, sizeof t) != OK) continue;
        uint64_t end = number(t.end, sizeof t.end);
        if (end && end <= now_s(x)) continue;
        x->preferred = endpoint_of(&t);
        return;
    }
}

void affinity_say(struct exchange *x, struct http_msg *m) {
    const struct table_session *s = x->target->session;
    if (x->preferred.port == x->endpoint.port && ip_eq(&x->preferred.ip, &x->endpoint.ip)) return;
    struct token t = make(&x->endpoint, s->absolute_s ? now_s(x) + s->absolute_s : 0);
    char *text = arena_raw(x->arena, SEAL_TEXT_MAX);
    str token = seal_close(seal_of(x->proxy), (str){(char *)&t, sizeof t}, context_of(x), text);
    session_say(s, token, x->client->tls, m);
}
