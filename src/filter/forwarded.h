/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"
#include "table/table.h"

/* What a backend is told of the client: X-Forwarded-For, -Proto, -Host and -Port, and Forwarded where the settings ask for it. Of a peer that
 * nobody trusts they are set from the connection, and what it sent of them itself is removed, since nobody vouches for it. A trusted proxy's
 * word counts: its -Proto, -Host and -Port stay, and of its -For the addresses from the client on, which is the last one that no trusted
 * proxy stands behind. Forwarded, where it is wanted, counts in the same way: where a request has it alone, X-Forwarded-* are made of it;
 * where both came and do not name the same addresses, X-Forwarded-For is right. Where it is not wanted it is removed, as
 * Proxy-Authorization always is. Then Via, where it is wanted. Before any filter: a filter may change the result. */
struct forwarded {
    const struct ip *peer;
    str peer_text; /* must live as long as the message */
    bool tls;
    uint16_t port;
    const struct table_settings *settings;
};
/* Does the word of the peer itself count? */
bool forwarded_trusts(const struct table_settings *s, const struct ip *peer);
void forwarded_set(struct http_msg *m, const struct forwarded *f, struct ip *ret_client);
