/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/forwarded.h"

#include "base/num.h"

enum { HOPS_MAX = 32 }; /* looked at: a field may have thousands of addresses */
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

/* The part of the list that is vouched for: from the client on. "": nothing of it, the peer is the client. */
static str vouched_part(str list, const struct table_settings *s, struct ip *client) {
    size_t kept = list.n;
    for (uint32_t hops = 1; kept && hops <= HOPS_MAX && is_trusted(s, client, hops); hops++) {
        size_t comma = str_rfind(str_upto(list, kept), ',');
        size_t from = comma < kept ? comma + 1 : 0;
        struct ip ip;
        if (parse_address(str_trim((str){list.p + from, kept - from}), &ip) != OK) break;
        *client = ip;
        kept = from ? from - 1 : 0;
        if (!from) return str_trim(list);
    }
    return kept < list.n ? str_trim(str_from(list, kept + 1)) : S("");
}

static void drop(struct http_msg *m, uint32_t ids) {
    for (uint32_t i = 0; m->ids & ids && i < m->fields_n; i++)
        m->fields[i].gone |= ids >> m->fields[i].id & 1;
}

static void add_unless(struct http_msg *m, bool kept, enum http_field_id id, str name, str value) {
    if (!kept || !http_msg_find_id(m, id)) http_msg_add_known(m, id, name, value);
}

void forwarded_set(struct http_msg *m, const struct forwarded *f, struct ip *ret_client) {
    str chain = f->peer_text;
    bool trusted = is_trusted(f->settings, f->peer, 1);
    *ret_client = *f->peer;
    if (trusted && http_msg_may_have(m, FIELD_X_FORWARDED_FOR)) {
        str list = http_msg_joined(m, m->arena, S("X-Forwarded-For"));
        str part = list.p ? vouched_part(list, f->settings, ret_client) : S("");
        if (part.n) chain = arena_printf(m->arena, STR_FMT ", " STR_FMT, STR_ARG(part), STR_ARG(chain));
    }
    drop(m, trusted ? DROPPED & ~VOUCHED : DROPPED);
    char *digits = arena_raw(m->arena, NUM_DIGITS_MAX);
    str printed = num_print(f->port, digits), scheme = f->tls ? S("https") : S("http");
    http_msg_add_known(m, FIELD_X_FORWARDED_FOR, S("X-Forwarded-For"), chain);
    add_unless(m, trusted, FIELD_X_FORWARDED_PROTO, S("X-Forwarded-Proto"), scheme);
    if (m->authority.n) add_unless(m, trusted, FIELD_X_FORWARDED_HOST, S("X-Forwarded-Host"), m->authority);
    add_unless(m, trusted, FIELD_X_FORWARDED_PORT, S("X-Forwarded-Port"), printed);
}
