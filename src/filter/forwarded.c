/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/forwarded.h"

#include "base/num.h"
#include "filter/via.h"
#include "http/http_chars.h"
#include "http/http_forwarded.h"
#include "http/http_uri.h"

enum {
    HOPS_MAX = 32,      /* looked at: a field may have thousands of addresses */
    ELEMENT_BYTES = 80, /* room for one of an address alone, and what parts it from the next */
};
/* Not passed on: what a peer says of the peers before it, for whom nobody vouches, and what is between a client and a proxy of its own,
 * which a gateway is not. Fields of one connection are the codecs' to drop. */
enum {
    VOUCHED = 1 << FIELD_X_FORWARDED_HOST | 1 << FIELD_X_FORWARDED_PORT | 1 << FIELD_X_FORWARDED_PROTO,
    DROPPED = VOUCHED | 1 << FIELD_FORWARDED | 1 << FIELD_X_FORWARDED_FOR | 1 << FIELD_PROXY_AUTHORIZATION,
};

/* Does the word of this one count, `hops` proxies away from us? */
static bool is_trusted(const struct table_settings *s, const struct ip *ip, uint32_t hops) {
    if (!s->trusted_n && !s->trusted_hops) return false;
    if (s->trusted_hops && hops > s->trusted_hops) return false;
    for (uint32_t i = 0; i < s->trusted_n; i++)
        if (ip_in_net(ip, &s->trusted[i])) return true;
    return !s->trusted_n;
}

bool forwarded_trusts(const struct table_settings *s, const struct ip *peer) {
    return is_trusted(s, peer, 1);
}

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]:4711": all are seen. */
static err parse_address(str s, struct ip *ret) {
    if (s.n && s.p[0] == '[') {
        size_t end = str_find(s, ']');
        return ip_parse(str_upto(str_from(s, 1), end - 1), ret);
    }
    if (ip_parse(s, ret) == OK) return OK;
    return ip_parse(str_upto(s, str_find(s, ':')), ret);
}

/* The part of a list that is vouched for: from the client on. */
struct chain {
    str text; /* "": nothing of it, the peer is the client */
    uint32_t n;
    struct ip ips[HOPS_MAX];     /* the latest first */
    struct http_forwarded first; /* of Forwarded: the client's own element */
};

static str last_address(str *list) {
    size_t comma = str_rfind(*list, ',');
    str one = comma < list->n ? str_from(*list, comma + 1) : *list;
    *list = str_upto(*list, comma < list->n ? comma : 0);
    return str_trim(one);
}

/* The last element of the list, taken off it. */
static err take_last(struct arena *a, bool field, str *list, struct http_forwarded *ret_element,
                     struct ip *ret) {
    if (!field) return parse_address(last_address(list), ret);
    struct http_forwarded e;
    TRY(http_forwarded_read(a, http_forwarded_last(list), &e));
    TRY(http_forwarded_address(e.node, ret));
    *ret_element = e;
    return OK;
}

/* field: the list is Forwarded's. */
static void follow(struct arena *a, bool field, str list, const struct forwarded *f, struct chain *c) {
    struct ip at = *f->peer;
    str rest = list;
    c->n = 0, c->text = S(""), c->first = (struct http_forwarded){0};
    while (rest.n && c->n < HOPS_MAX && is_trusted(f->settings, &at, c->n + 1)) {
        struct ip ip;
        str before = rest;
        if (take_last(a, field, &rest, &c->first, &ip) != OK) {
            rest = before;
            break;
        }
        at = c->ips[c->n++] = ip;
    }
    if (!c->n) return;
    str text = str_from(list, rest.n);
    c->text = str_trim(text.p[0] == ',' ? str_from(text, 1) : text);
}

static void drop(struct http_msg *m, uint32_t ids) {
    for (uint32_t i = 0; m->ids & ids && i < m->fields_n; i++)
        m->fields[i].gone |= ids >> m->fields[i].id & 1;
}

static void add_unless(struct http_msg *m, bool kept, enum http_field_id id, str name, str value) {
    if (!kept || !http_msg_find_id(m, id)) http_msg_add_known(m, id, name, value);
}

static inline void add_all(struct http_msg *m, const struct forwarded *f, bool trusted, str chain, str scheme,
                           str host) {
    char *digits = arena_raw(m->arena, NUM_DIGITS_MAX);
    str printed = num_print(f->port, digits);
    http_msg_add_known(m, FIELD_X_FORWARDED_FOR, S("X-Forwarded-For"), chain);
    add_unless(m, trusted, FIELD_X_FORWARDED_PROTO, S("X-Forwarded-Proto"), scheme);
    if (host.n) add_unless(m, trusted, FIELD_X_FORWARDED_HOST, S("X-Forwarded-Host"), host);
    add_unless(m, trusted, FIELD_X_FORWARDED_PORT, S("X-Forwarded-Port"), printed);
}

static inline str scheme_of(const struct forwarded *f) { return f->tls ? S("https") : S("http"); }

/* By X-Forwarded-For alone. */
static str plain_chain(struct http_msg *m, const struct forwarded *f, struct ip *ret_client) {
    struct chain c;
    if (!http_msg_may_have(m, FIELD_X_FORWARDED_FOR)) return f->peer_text;
    follow(m->arena, false, http_msg_joined(m, m->arena, S("X-Forwarded-For")), f, &c);
    if (!c.n) return f->peer_text;
    *ret_client = c.ips[c.n - 1];
    return arena_printf(m->arena, STR_FMT ", " STR_FMT, STR_ARG(c.text), STR_ARG(f->peer_text));
}

/* ---- with Forwarded ---- */

static bool agree(const struct chain *x, const struct chain *y) {
    if (x->n != y->n) return false;
    for (uint32_t i = 0; i < x->n; i++)
        if (!ip_eq(&x->ips[i], &y->ips[i])) return false;
    return true;
}

static struct buf room_for(struct arena *a, size_t n) {
    return (struct buf){.p = arena_raw(a, n), .cap = n, .max = n}; /* nothing is allocated */
}

/* As X-Forwarded-For has it. */
static str list_addresses(struct arena *a, const struct chain *c, str peer) {
    if (!c->n) return peer;
    struct buf b = room_for(a, c->n * ELEMENT_BYTES + peer.n);
    for (uint32_t i = c->n; i > 0; i--) {
        ip_print(&b, &c->ips[i - 1]);
        buf_add(&b, S(", "));
    }
    buf_add(&b, peer);
    return buf_str(&b);
}

static str value_of(const struct http_msg *m, bool trusted, enum http_field_id id) {
    const struct http_field *v = trusted ? http_msg_find_id(m, id) : NULL;
    return v ? v->value : S("");
}

/* The elements of others as they came, or made of their addresses; then our own, of the connection. */
static str list_elements(const struct http_msg *m, const struct forwarded *f, bool trusted,
                         const struct chain *c, str came) {
    char space[IP_TEXT_BYTES];
    str host = value_of(m, trusted, FIELD_X_FORWARDED_HOST),
        proto = value_of(m, trusted, FIELD_X_FORWARDED_PROTO);
    /* each byte of a value may need a backslash */
    size_t n = came.n + (c->n + 1) * ELEMENT_BYTES + 2 * (host.n + proto.n + m->authority.n);
    struct buf b = room_for(m->arena, n);
    buf_add(&b, came);
    for (uint32_t i = c->n; i > 0 && !came.n; i--) {
        struct buf text = {.p = space, .cap = sizeof space, .max = sizeof space};
        ip_print(&text, &c->ips[i - 1]); /* fits: nothing is allocated */
        if (i < c->n) buf_add(&b, S(", "));
        http_forwarded_print(&b, buf_str(&text), i == c->n ? host : S(""), i == c->n ? proto : S(""));
    }
    if (c->n) buf_add(&b, S(", "));
    http_forwarded_print(&b, f->peer_text, m->authority, f->tls ? S("https") : S("http"));
    return buf_str(&b);
}

static void set_both(struct http_msg *m, const struct forwarded *f, bool trusted, struct ip *ret_client) {
    struct chain x, y;
    str list = trusted ? http_msg_joined(m, m->arena, S("X-Forwarded-For")) : (str){0};
    str elements = trusted ? http_msg_joined(m, m->arena, S("Forwarded")) : (str){0};
    follow(m->arena, false, list, f, &x);
    follow(m->arena, true, elements, f, &y);
    bool field = y.n && (!list.p || agree(&x, &y));
    const struct chain *c = field ? &y : &x;
    if (c->n) *ret_client = c->ips[c->n - 1];
    str forwarded = list_elements(m, f, trusted, c, field ? y.text : S(""));
    str scheme = scheme_of(f), host = m->authority;
    if (field && y.first.proto.n && http_chars_all(y.first.proto.p, y.first.proto.n, HTTP_CHAR_TOKEN))
        scheme = y.first.proto;
    if (field && y.first.host.n && http_uri_authority_ok(y.first.host)) host = y.first.host;
    drop(m, trusted ? DROPPED & ~VOUCHED : DROPPED);
    add_all(m, f, trusted, list_addresses(m->arena, c, f->peer_text), scheme, host);
    http_msg_add_known(m, FIELD_FORWARDED, S("Forwarded"), forwarded);
}

static inline void set_plain(struct http_msg *m, const struct forwarded *f, bool trusted,
                             struct ip *ret_client) {
    str chain = trusted ? plain_chain(m, f, ret_client) : f->peer_text;
    drop(m, trusted ? DROPPED & ~VOUCHED : DROPPED);
    add_all(m, f, trusted, chain, scheme_of(f), m->authority);
}

/* Most requests are of nobody who is trusted, and get X-Forwarded-* alone. */
void forwarded_set(struct http_msg *m, const struct forwarded *f, struct ip *ret_client) {
    const struct table_settings *s = f->settings;
    bool trusted = (s->trusted_n || s->trusted_hops) && is_trusted(s, f->peer, 1);
    *ret_client = *f->peer;
    if (s->tells_more) {
        if (s->forwarded)
            set_both(m, f, trusted, ret_client);
        else
            set_plain(m, f, trusted, ret_client);
        if (s->via.n) via_add(m, s->via);
        return;
    }
    set_plain(m, f, trusted, ret_client);
}
