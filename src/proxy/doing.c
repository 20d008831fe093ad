/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/doing.h"

#include "proxy/exchange.h"
#include "proxy/proxy_core.h"

enum { LOOKS_MAX = 100000 };

static const char *const states[] = {
    [X_HEAD] = "head",   [X_ROUTE] = "route", [X_ASK] = "ask",     [X_CONNECT] = "connect",
    [X_PAUSE] = "pause", [X_WAIT] = "wait",   [X_RELAY] = "relay", [X_TUNNEL] = "tunnel",
    [X_SEND] = "send",   [X_DONE] = "done",
};

static void tell_exchange(const struct exchange *x, struct crash_text *t) {
    crash_add_word(t, "request", str_of(x->state < COUNT_OF(states) ? states[x->state] : "?"));
    crash_add_number(t, "attempts", x->attempts);
    if (x->listener_port) crash_add_number(t, "port", x->listener_port);
    if (x->record.listener.n) crash_add_word(t, "listener", x->record.listener);
    if (x->rule) crash_add_word(t, "route", x->rule->route);
}

void doing_tell(const struct proxy *p, struct crash_text *t) {
    const struct loop_fd *at = loop_current(p->common.loop);
    unsigned looks = 0;
    crash_add_number(t, "connections", p->counts.connections_open);
    crash_add_number(t, "requests", p->counts.requests_open);
    if (!at) return;
    list_each (struct downstream, d, &p->clients, all) {
        bool client = &d->conn.watch == at;
        if (client) {
            crash_add_word(t, "at", S("client"));
            crash_add_word(t, "transport", d->tls ? S("tls") : S("plain"));
        }
        list_each (struct exchange, x, &d->exchanges, on_client) {
            bool backend = x->up.conn && &x->up.conn->conn.watch == at;
            if (backend) crash_add_word(t, "at", S("backend"));
            if (backend || client) {
                tell_exchange(x, t);
                return;
            }
            if (++looks > LOOKS_MAX) return;
        }
        if (client || ++looks > LOOKS_MAX) return;
    }
    crash_add_word(t, "at", S("another event"));
}
