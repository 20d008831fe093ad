/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "text/node.h"

/* The /status page (admin/admin.h), taken apart, and how it is shown to people. */
struct status_item {
    str kind, ns, name;
    const struct node *doc, *spec, *status; /* spec and status may be NULL */
};
struct status_page {
    const struct node *findings; /* the first, or NULL */
    struct status_item *items;
    size_t n;
};
/* Into a; the text must live as long. ERR_PROTO: it is no such page. */
err status_page_read(struct arena *a, str text, struct status_page *ret);
/* An item's key as kubectl writes it: "httproute", "HTTPRoute", "httproutes", "gtw", "gc". */
bool status_page_is_kind(str kind, str word);
/* The item is a route and names this Gateway as a parent. */
bool status_page_names_parent(const struct status_item *it, const struct status_item *gateway);

struct status_view {
    bool wide, colour;
};
/* Problems first, then the tree of classes, Gateways, listeners and routes. */
void status_page_tree(struct buf *b, const struct status_page *p, const struct status_view *v);
/* One object with all its conditions. */
void status_page_one(struct buf *b, const struct status_item *it, const struct status_view *v);
