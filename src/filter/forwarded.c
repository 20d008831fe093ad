/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/forwarded.h"

#include "base/num.h"

/* Not passed on: what a peer says of the peers before it, for whom nobody vouches, and what is between a client and a proxy of its own,
 * which a gateway is not. Fields of one connection are the codecs' to drop. */
enum {
    DROPPED = 1 << FIELD_FORWARDED | 1 << FIELD_X_FORWARDED_FOR | 1 << FIELD_X_FORWARDED_HOST |
              1 << FIELD_X_FORWARDED_PORT | 1 << FIELD_X_FORWARDED_PROTO | 1 << FIELD_PROXY_AUTHORIZATION,
};

void forwarded_set(struct http_msg *m, str client, bool tls, uint16_t port) {
    for (uint32_t i = 0; m->ids & DROPPED && i < m->fields_n; i++)
        m->fields[i].gone |= DROPPED >> m->fields[i].id & 1;
    char *digits = arena_raw(m->arena, NUM_DIGITS_MAX);
    str printed = num_print(port, digits), scheme = tls ? S("https") : S("http");
    http_msg_add_known(m, FIELD_X_FORWARDED_FOR, S("X-Forwarded-For"), client);
    http_msg_add_known(m, FIELD_X_FORWARDED_PROTO, S("X-Forwarded-Proto"), scheme);
    if (m->authority.n) http_msg_add_known(m, FIELD_X_FORWARDED_HOST, S("X-Forwarded-Host"), m->authority);
    http_msg_add_known(m, FIELD_X_FORWARDED_PORT, S("X-Forwarded-Port"), printed);
}
