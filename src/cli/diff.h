/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/map.h"
#include "cli/offline.h"

/* What a change of manifests would do: two sides, each read and resolved, and what of them differs. All in one arena. */
struct diff_object {
    char sign; /* '+' added, '-' removed, '~' changed */
    str name;  /* "HTTPRoute default/r" */
};
struct diff_piece { /* a listener, or the endpoints of a backend */
    char sign;
    str name, before, after;
};
/* What takes a request: a rule, or nobody. */
struct diff_taker {
    str route; /* "HTTPRoute/ns/name"; "" when no rule does */
    int32_t rule;
    str outcome; /* "default/s:80", "75% default/s:80, 25% answers 500", "404 no_route" */
};
struct diff_request {
    str method, url; /* of connections and datagrams: "TLS", "TCP", "UDP" and "tls://name:port" */
    const struct table_header *headers;
    uint32_t headers_n;
    struct diff_taker before, after;
};
struct diff_route {
    str route;
    uint32_t won, lost, changed; /* requests of those tried */
};
enum diff_fate { DIFF_INTRODUCED, DIFF_FIXED, DIFF_CHANGED, DIFF_UNCHANGED };
struct diff_status {
    enum diff_fate fate;
    str object, where; /* "HTTPRoute default/r", "parent g: ResolvedRefs" or a field's path */
    str before, after; /* "False BackendNotFound: ..." */
};
struct diff {
    struct arena *arena;
    const struct offline *a, *b;
    struct diff_object *objects;
    struct diff_piece *pieces;
    struct diff_request *requests; /* whose taker differs */
    struct diff_route *routes;
    struct diff_status *statuses;
    uint32_t objects_n, objects_cap, pieces_n, pieces_cap, requests_n, requests_cap, routes_n, routes_cap,
        statuses_n, statuses_cap;
    uint32_t tried, untried; /* requests; matches by expressions for which none could be made */
    struct map tried_words, route_by_name;
};
/* Makes room for one more in v of n, in the arena. */
#define DIFF_ROOM(d, v) ((d)->v = diff_room((d)->arena, (d)->v, (d)->v##_n, &(d)->v##_cap, sizeof *(d)->v))
void *diff_room(struct arena *a, void *v, uint32_t n, uint32_t *cap, size_t size);

/* These fill in their parts. */
void diff_objects(struct diff *d);
void diff_statuses(struct diff *d);
void diff_traffic(struct diff *d);
/* Calls of GRPCRoutes, and connections and datagrams of TLSRoutes, TCPRoutes and UDPRoutes; by the plans. Part of diff_traffic(). */
void diff_flows(struct diff *d);
/* Is this the first request in these words? Counts it then. */
bool diff_is_new(struct diff *d, str words);
/* Keeps a copy of the request when its takers differ, and counts for their routes. */
void diff_note(struct diff *d, const struct diff_request *r);
/* A text that the expression matches as a whole, in a; not given: none was found. */
str diff_sample(struct arena *a, str expression);
/* Something that is served or said would differ; objects that differ without an effect do not count. */
bool diff_matters(const struct diff *d);
void diff_print_text(struct buf *b, const struct diff *d);
void diff_print_json(struct buf *b, const struct diff *d);
