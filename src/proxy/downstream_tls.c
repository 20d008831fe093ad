/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/downstream_tls.h"

#include "io/log.h"

/* Whoever scans ports must not fill the log: of each reason one line in so long, with the count of those that got none. */
enum { QUIET_US = 10000000, NAME_SHOWN = 80, RECORDS_A_SECOND = 100 };

static const struct table_listener *listener_of(const struct downstream *d, str server_name) {
    const struct table *t = d->proxy->table;
    const struct table_port *port = t ? table_port(t, d->port_slot) : NULL;
    const struct table_listener *l = port ? table_listener_for(port, server_name) : NULL;
    return l && l->tls ? l : NULL;
}

struct tls_choice downstream_tls_choose(void *arg, const struct tls_hello *hello) {
    struct downstream *d = arg;
    const struct table_listener *l = listener_of(d, hello->server_name);
    if (!l) return (struct tls_choice){0};
    uint32_t kinds = hello->tls13 && l->tls_max >= 13 ? hello->kinds13 : hello->kinds12;
    const struct table_certificate *cert = table_certificate_for(l, hello->server_name, kinds);
    if (!cert) return (struct tls_choice){0};
    d->listener_id = l->id;
    memcpy(d->session, l->session, sizeof d->session);
    downstream_settle(d, NULL, l);
    struct tls_choice c = {.certificate_id = cert->id,
                           .chain_pem = cert->chain_pem,
                           .key_pem = cert->key_pem,
                           .ocsp = cert->ocsp,
                           .version_min = l->tls_min,
                           .version_max = l->tls_max,
                           .ciphers = l->tls_ciphers,
                           .suites = l->tls_suites,
                           .session = l->session};
    static_assert(sizeof l->session == TLS_SESSION_BYTES, "the digest is what sessions are bound to");
    if (l->clients)
        c.clients_id = l->clients->id, c.ca_pem = l->clients->ca_pem, c.lenient = l->clients->lenient;
    return c;
}

void downstream_tls_done(struct downstream *d) {
    struct proxy_counts *c = &d->proxy->counts;
    uint64_t *count = tls_resumed(d->conn.tls) ? &c->handshakes_resumed : &c->handshakes_full;
    ++*count;
}

/* The name is the client's word: what is not a name's is shown as "?". */
static str shown_name(const struct downstream *d, char space[NAME_SHOWN]) {
    str name = d->conn.tls ? str_upto(tls_server_name(d->conn.tls), NAME_SHOWN) : S("");
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        space[i] = plain ? c : '?';
    }
    return (str){space, name.n};
}

/* A flood of them is no reason to fill the access log: so many a second, and the rest is counted. */
static bool may_tell(struct proxy *p) {
    uint64_t now = proxy_core_now(p);
    if (now - p->handshakes_told_us >= 1000000) p->handshakes_told_us = now, p->handshakes_told = 0;
    return p->handshakes_told++ < RECORDS_A_SECOND;
}

static void tell(struct downstream *d, enum tls_reason reason) {
    struct proxy *p = d->proxy;
    if (!p->report_handshake) return;
    if (!may_tell(p)) {
        p->counts.handshakes_untold++;
        return;
    }
    struct access_record r = {.rule = -1,
                              .time_us = proxy_core_wall_us(p),
                              .client = d->peer,
                              .client_port = d->peer_port,
                              .tls = true,
                              .reason = REASON_TLS_HANDSHAKE,
                              .tls_failure = str_of(tls_reason_name(reason))};
    if (d->conn.tls) r.server_name = tls_server_name(d->conn.tls);
    const struct table_listener *l = listener_of(d, r.server_name);
    if (l) {
        r.gateway = l->gateway, r.listener = l->section;
        r.form = l->settings->access_form, r.program = l->settings->access_program;
    }
    p->report_handshake(p->report_arg, &r);
}

void downstream_tls_failed(struct downstream *d, enum tls_reason reason, const char *words) {
    struct proxy *p = d->proxy;
    struct proxy_quiet_log *log = &p->handshake_logs[reason];
    p->counts.handshakes_failed[reason]++;
    if (reason == TLS_CLOSED) return; /* looks of load balancers whether the port is open */
    tell(d, reason);
    uint64_t now = proxy_core_now(p);
    if (now < log->next_us) {
        log->more++;
        return;
    }
    const struct table_port *port = p->table ? table_port(p->table, d->port_slot) : NULL;
    char space[NAME_SHOWN];
    str name = shown_name(d, space);
    log_info("tls handshake failed reason=%s why=\"%s\" name=\"" STR_FMT "\" client=" STR_FMT
             " port=%u more=%u",
             tls_reason_name(reason), words ? words : tls_reason_words(reason), STR_ARG(name),
             (int)d->peer_text_n, d->peer_text, port ? table_port_number(port) : 0, log->more);
    *log = (struct proxy_quiet_log){.next_us = now + QUIET_US};
}

bool downstream_tls_at_home(const struct downstream *d) {
    if (!d->tls) return d->proxy->table && table_port(d->proxy->table, d->port_slot);
    const struct table_listener *l = listener_of(d, tls_server_name(d->conn.tls));
    return l && l->id == d->listener_id && memcmp(d->session, l->session, sizeof d->session) == 0;
}

void downstream_tls_recheck(struct proxy *p) {
    list_each (struct downstream, d, &p->clients, all) {
        if (d->conn.state == CONN_CLOSED || (d->tls && (!d->listener_id || !d->conn.tls)) ||
            downstream_tls_at_home(d))
            continue;
        if (d->conn.state == CONN_HANDSHAKING)
            conn_close(&d->conn);
        else
            downstream_drain(d);
    }
}
