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
struct fact_port_map {
    uint16_t port, to; /* --map-port 80:8080 */
};
enum { FACTS_FEATURES_MAX = 128 };
/* Changes made here must reach resolve_pass(), which looks at `changed` and clears it. */
struct facts {
    bool changed;
    str controller_name;
    struct fact_port_map *port_maps;
    uint32_t port_maps_n;
    struct map binds; /* key "ADDRESS:PORT", "ADDRESS:PORT/udp" -> struct fact_bind; none yet = pending */
    uint64_t revision_adopted; /* of the plan: every worker has it */
    bool
        serving; /* false in `check` and `explain`: no data plane; Programmed is judged as if all binds succeed */
    /* Features taken as served besides those that this binary serves, as bits: resolve/features.h numbers them. */
    uint64_t features[FACTS_FEATURES_MAX / 64];
    str address; /* of this machine, for status.addresses of a Gateway that names none; "" = 127.0.0.1 */
};
void facts_init(struct facts *f);
void facts_fini(struct facts *f);
/* Records how binding went; the text is copied. Sets `changed` when it differs from what is known. */
void facts_set_bind(struct facts *f, str address, uint16_t port, enum fact_transport transport, bool ok,
                    str error);
const struct fact_bind *facts_bind(const struct facts *f, str address, uint16_t port,
                                   enum fact_transport transport);
/* The port that a listener's socket has. */
uint16_t facts_map_port(const struct facts *f, uint16_t port);
