/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/forwarded.h"

/* Fields of one connection are the codecs' to drop. */
static const bool dropped[HTTP_FIELD_ID_COUNT] = {
    [FIELD_FORWARDED] = true,        [FIELD_X_FORWARDED_FOR] = true,   [FIELD_X_FORWARDED_HOST] = true,
    [FIELD_X_FORWARDED_PORT] = true, [FIELD_X_FORWARDED_PROTO] = true, [FIELD_PROXY_AUTHORIZATION] = true,
};

void forwarded_set(struct http_msg *m, str client, bool tls, uint16_t port) {
    for (uint32_t i = 0; i < m->fields_n; i++) m->fields[i].gone |= dropped[m->fields[i].id];
    http_msg_add(m, S("X-Forwarded-For"), client);
    http_msg_add(m, S("X-Forwarded-Proto"), tls ? S("https") : S("http"));
    if (m->authority.n) http_msg_add(m, S("X-Forwarded-Host"), m->authority);
    http_msg_add(m, S("X-Forwarded-Port"), arena_printf(m->arena, "%u", port));
}
