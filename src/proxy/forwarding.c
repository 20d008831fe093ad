/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/forwarding.h"

/* Not passed on: what a peer says of the peers before it, for whom nobody vouches, and what is between a client and a proxy of its own,
 * which a gateway is not. Fields of one connection are the codecs' to drop. */
static const bool dropped[HTTP_FIELD_ID_COUNT] = {
    [FIELD_FORWARDED] = true,        [FIELD_X_FORWARDED_FOR] = true,   [FIELD_X_FORWARDED_HOST] = true,
    [FIELD_X_FORWARDED_PORT] = true, [FIELD_X_FORWARDED_PROTO] = true, [FIELD_PROXY_AUTHORIZATION] = true,
};

void forwarding_set(struct exchange *x) {
    struct http_msg *m = x->request;
    const struct downstream *d = x->client;
    for (uint32_t i = 0; i < m->fields_n; i++) m->fields[i].gone |= dropped[m->fields[i].id];
    char *port = arena_bytes(x->arena, 8);
    int n = snprintf(port, 8, "%u", x->listener_port);
    http_msg_add(m, S("X-Forwarded-For"), (str){d->peer_text, d->peer_text_n});
    http_msg_add(m, S("X-Forwarded-Proto"), d->tls ? S("https") : S("http"));
    if (m->authority.n) http_msg_add(m, S("X-Forwarded-Host"), m->authority);
    http_msg_add(m, S("X-Forwarded-Port"), (str){port, (size_t)n});
}
