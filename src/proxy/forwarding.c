/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/forwarding.h"

#include "base/num.h"

/* Not passed on: what a peer says of the peers before it, for whom nobody vouches, and what is between a client and a proxy of its own,
 * which a gateway is not. Fields of one connection are the codecs' to drop. */
enum {
    DROPPED = 1 << FIELD_FORWARDED | 1 << FIELD_X_FORWARDED_FOR | 1 << FIELD_X_FORWARDED_HOST |
              1 << FIELD_X_FORWARDED_PORT | 1 << FIELD_X_FORWARDED_PROTO | 1 << FIELD_PROXY_AUTHORIZATION,
};

void forwarding_set(struct exchange *x) {
    struct http_msg *m = x->request;
    const struct downstream *d = x->client;
    for (uint32_t i = 0; m->ids & DROPPED && i < m->fields_n; i++)
        m->fields[i].gone |= DROPPED >> m->fields[i].id & 1;
    char *digits = arena_raw(x->arena, NUM_DIGITS_MAX);
    str port = num_print(x->listener_port, digits), scheme = d->tls ? S("https") : S("http");
    http_msg_add_known(m, FIELD_X_FORWARDED_FOR, S("X-Forwarded-For"), (str){d->peer_text, d->peer_text_n});
    http_msg_add_known(m, FIELD_X_FORWARDED_PROTO, S("X-Forwarded-Proto"), scheme);
    if (m->authority.n) http_msg_add_known(m, FIELD_X_FORWARDED_HOST, S("X-Forwarded-Host"), m->authority);
    http_msg_add_known(m, FIELD_X_FORWARDED_PORT, S("X-Forwarded-Port"), port);
}
