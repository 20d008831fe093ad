/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"
#include "base/map.h"

/* What a status depends on besides objects. Written by control/, read by resolve/. */

/* A socket asked for by the plan: did it come about? One number is two sockets: TCP's and UDP's. */
enum fact_transport { FACT_TCP, FACT_UDP };
struct fact_bind {
    str address; /* "" = all */
    uint16_t port;
    enum fact_transport transport;
    bool ok;
    str error; /* for people: "address already in use"; "" when ok */
};
/* A name that XBackends give, as far as it is known. */
struct fact_name {
    struct ip *addresses; /* ordered by family and bytes */
    uint32_t n;
    str error;    /* for people; not "": why there are none, or why they are those of before and not newer */
    bool changed; /* since resolve_pass() last looked */
    bool gone;    /* forgotten since then */
};
struct fact_port_map {
    uint16_t port, to; /* --map-port 80:8080 */
};
/* What a Gateway got in a cluster, where each has addresses and ports of its own. */
struct fact_port {
    uint16_t port, to; /* of the listener, and the one that its socket has */
    bool udp;
};
struct fact_address {
    str type, value; /* "IPAddress" or "Hostname" */
    str routability; /* "Cluster" and the like; "" = nothing is promised */
};
struct fact_gateway {
    const struct fact_port *ports;
    uint32_t ports_n;
    const struct fact_address *addresses; /* for status.addresses */
    uint32_t addresses_n;
    const char *reason; /* why it can not be reached: AddressNotAssigned and the like, static; NULL: it can */
    str message;        /* in that case; else what is worth telling, or "" */
    /* Of the addresses that were asked for, or of the one that is meant when none was: how many there are not, and in words which and why. */
    uint32_t missed_n;
    str missed;
    bool pending; /* they may yet come */
};
enum { FACTS_FEATURES_MAX = 128 };
/* Changes made here must reach resolve_pass(), which looks at `changed` and clears it. */
struct facts {
    bool changed;
    str controller_name;
    struct fact_port_map *port_maps;
    uint32_t port_maps_n;
    struct map binds; /* key "ADDRESS:PORT", "ADDRESS:PORT/udp" -> struct fact_bind; none yet = pending */
    struct map names; /* hostname -> struct fact_name; none yet = not asked or not answered */
    bool names_changed;
    uint64_t revision_adopted; /* of the plan: every worker has it */
    bool
        serving; /* false in `check` and `explain`: no data plane; Programmed is judged as if all binds succeed */
    /* Features taken as served besides those that this binary serves, as bits: resolve/features.h numbers them. */
    uint64_t features[FACTS_FEATURES_MAX / 64];
    str address; /* of this machine, for status.addresses of a Gateway that names none; "" = 127.0.0.1 */
    bool
        cluster; /* Gateways have ports and addresses of their own: `gateways` instead of port_maps and address */
    struct map gateways; /* key "NS/NAME" -> what facts.c keeps; none yet = pending */
    char bundle[32];     /* of the Gateway API's CRDs: "v1.7.0"; "" = not known, or there are no CRDs */
};
void facts_init(struct facts *f);
void facts_fini(struct facts *f);
/* Records how binding went; the text is copied. Sets `changed` when it differs from what is known. */
void facts_set_bind(struct facts *f, str address, uint16_t port, enum fact_transport transport, bool ok,
                    str error);
const struct fact_bind *facts_bind(const struct facts *f, str address, uint16_t port,
                                   enum fact_transport transport);
/* Records what a hostname stands for: n addresses in any order, or error. Copied; sets `changed` when it differs from what is known. */
void facts_set_name(struct facts *f, str hostname, const struct ip *addresses, uint32_t n, str error);
/* Nobody asks for the name any more. */
void facts_forget_name(struct facts *f, str hostname);
const struct fact_name *facts_name(const struct facts *f, str hostname);
bool facts_name_changed(const struct facts *f, str hostname);
/* resolve_pass() has looked: nothing is new any more. */
void facts_settle_names(struct facts *f);
/* The port that a listener's socket has. */
uint16_t facts_map_port(const struct facts *f, uint16_t port);
/* What is known of a Gateway from here on, copied (reason is static); NULL: nothing any more. Sets `changed` when it differs. */
void facts_set_gateway(struct facts *f, str key, const struct fact_gateway *g);
const struct fact_gateway *facts_gateway(const struct facts *f, str key);
/* The port that the socket of a Gateway's listener has, in a cluster or not; 0: none is given yet. */
uint16_t facts_bind_port(const struct facts *f, str gateway_key, uint16_t port, bool udp);
/* The next Gateway whose ports are other ones than when this was last asked; not given: none. Valid until the next call or change. */
str facts_take_moved(struct facts *f);
