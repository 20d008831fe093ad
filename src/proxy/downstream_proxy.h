/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/downstream.h"

/* The header of the PROXY protocol before a client's connection: who has to send it, what it changes, and what is wrong with it. */
enum downstream_proxy_verdict { DOWNSTREAM_PROXY_NONE, DOWNSTREAM_PROXY_EXPECTED, DOWNSTREAM_PROXY_REFUSED };
/* Of a connection from this peer. REFUSED is counted. */
enum downstream_proxy_verdict downstream_proxy_judge(struct proxy *p, uint32_t port_slot,
                                                     const struct table_port_settings *s,
                                                     const struct ip *peer);
/* conn_ops.preamble; once it is whole the peer is who it says. */
err downstream_proxy_read(struct conn *c, str in, size_t *ret_used);
void downstream_proxy_late(struct downstream *d);
