/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "cli/tone.h"
#include "text/node.h"

/* The /status page (admin/admin.h), taken apart. status_tree.h and story.h show it. */
struct status_item {
    str kind, ns, name;
    const struct node *doc, *spec, *status; /* spec and status may be NULL */
};
struct status_backend {
    str name; /* "ns/name:port" */
    uint32_t endpoints;
    str hostname, addresses, trouble; /* of an XBackend with a name outside; else not given */
    const struct node *outs; /* the first of its endpoints that do not serve as they should, or NULL */
    uint32_t outs_n;         /* there are; the page may tell of fewer */
};
struct status_page {
    const struct node *findings, *warnings; /* the first of each, or NULL */
    struct status_item *items;              /* when one object was asked for, also those without a status */
    size_t n;
    const struct status_item *all; /* before some of them were chosen; NULL: none were */
    size_t all_n;
    struct status_backend *backends; /* that are routed to, by name */
    size_t backends_n;
    uint64_t deaths; /* of serving processes before the one that answered */
    str last_signal, last_death;
    str sandbox; /* what the serving process may still do (docs/hardening.md); not given: not told */
};
/* Into a; the text must live as long. ERR_PROTO: it is no such page. */
err status_page_read(struct arena *a, str text, struct status_page *ret);
/* An item's key as kubectl writes it: "httproute", "HTTPRoute", "httproutes", "gtw", "gc". */
bool status_page_is_kind(str kind, str word);
bool status_page_is_route(const struct status_item *it);
/* Of "ns/name:port". false: it is not routed to. */
bool status_page_endpoints(const struct status_page *p, str name, uint32_t *ret);
/* The same: one of it whose endpoints do not all serve as they should; NULL: they do. */
const struct status_backend *status_page_outs(const struct status_page *p, str name);
/* The name of what a route's backendRef names; with the kind before it when it is no Service. */
/* Of an XBackend as status_page_backend_of() names it: "api.example.com = 192.0.2.1", and what is wrong; not given when it has no name outside.
 * In a. */
str status_page_name(struct arena *a, const struct status_page *p, str name);
str status_page_backend_of(struct arena *a, const struct status_item *route, const struct node *ref);
/* The first of a route's parents. */
const struct node *status_page_parents(const struct status_item *it);
/* The parent names this Gateway (or ListenerSet). */
bool status_page_is_parent(const struct status_item *it, const struct node *parent,
                           const struct status_item *gateway);
/* The item is a route and names this Gateway as a parent. */
bool status_page_names_parent(const struct status_item *it, const struct status_item *gateway);
/* The first of the conditions of what holds some. */
const struct node *status_page_conditions(const struct node *holder);
enum tone status_page_tone(const struct node *condition);

struct status_view {
    bool wide, colour;
    str ns; /* what is told is of this namespace, or of none; "" = of all */
};
