/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/downstream_proxy.h"

#include "io/log.h"

/* As for TLS: of each reason one line in so long, with the count of those that got none. */
enum { QUIET_US = 10000000 };

static_assert((int)CONN_PREAMBLE_BYTES >= (int)PROXY_PROTOCOL_BYTES_MAX, "a whole header can be looked at");

static void tell(struct proxy *p, uint32_t port_slot, const struct ip *peer, enum proxy_protocol_fault why) {
    struct proxy_quiet_log *log = &p->header_logs[why];
    p->counts.headers_failed[why]++;
    if (why == PROXY_PROTOCOL_CLOSED) return; /* looks of load balancers whether the port is open */
    uint64_t now = proxy_core_now(p);
    if (now < log->next_us) {
        log->more++;
        return;
    }
    const struct table_port *port = p->table ? table_port(p->table, port_slot) : NULL;
    char space[IP_TEXT_BYTES];
    struct buf text = {.p = space, .cap = sizeof space, .max = sizeof space};
    str name = proxy_protocol_name(why), words = proxy_protocol_words(why);
    ip_print(&text, peer); /* fits: nothing is allocated */
    log_info("no PROXY protocol header reason=" STR_FMT " why=\"" STR_FMT "\" peer=" STR_FMT
             " port=%u more=%u",
             STR_ARG(name), STR_ARG(words), STR_ARG(buf_str(&text)), port ? table_port_number(port) : 0,
             log->more);
    *log = (struct proxy_quiet_log){.next_us = now + QUIET_US};
}

enum downstream_proxy_verdict downstream_proxy_judge(struct proxy *p, uint32_t port_slot,
                                                     const struct table_port_settings *s,
                                                     const struct ip *peer) {
    if (s->proxy_protocol == TABLE_PROXY_OFF) return DOWNSTREAM_PROXY_NONE;
    for (uint32_t i = 0; i < s->proxy_trusted_n; i++)
        if (ip_in_net(peer, &s->proxy_trusted[i])) return DOWNSTREAM_PROXY_EXPECTED;
    if (s->proxy_protocol == TABLE_PROXY_FROM_TRUSTED) return DOWNSTREAM_PROXY_NONE;
    if (!s->proxy_trusted_n) return DOWNSTREAM_PROXY_EXPECTED;
    tell(p, port_slot, peer, PROXY_PROTOCOL_STRANGER);
    return DOWNSTREAM_PROXY_REFUSED;
}

err downstream_proxy_read(struct conn *c, str in, size_t *ret_used) {
    struct downstream *d = container_of(c, struct downstream, conn);
    struct proxy_protocol h;
    enum proxy_protocol_fault why = PROXY_PROTOCOL_CLOSED;
    err e = in.n ? proxy_protocol_read(in, &h, ret_used, &why) : ERR_END;
    if (e == ERR_AGAIN) return e;
    if (e != OK) {
        tell(d->proxy, d->port_slot, &d->peer, why);
        return e;
    }
    d->proxy->counts.headers[h.version - 1]++;
    if (h.told) {
        downstream_set_peer(d, &h.source, h.source_port);
        d->told.to = h.destination, d->told.to_port = h.destination_port;
    }
    const struct table_port *port = d->proxy->table ? table_port(d->proxy->table, d->port_slot) : NULL;
    if (h.told && port) TRY(downstream_count(d, table_port_settings(port)));
    downstream_begin(d);
    return OK;
}

void downstream_proxy_late(struct downstream *d) {
    tell(d->proxy, d->port_slot, &d->peer, PROXY_PROTOCOL_TIMEOUT);
}
