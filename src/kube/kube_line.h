/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/link.h"
#include "base/map.h"

/* A waiting line in which shares take turns: of each share the first that came, one share after the other. */
struct kube_line {
    struct map shares; /* by name -> struct kube_share */
    struct link turns; /* shares that have something waiting, the next one first */
    uint32_t n;        /* waiting in all */
};
void kube_line_init(struct kube_line *l);
void kube_line_fini(struct kube_line *l); /* nothing may be waiting */
void kube_line_add(struct kube_line *l, str share, struct link *item);
/* The next, taken out of the line; NULL: nobody waits. */
struct link *kube_line_pop(struct kube_line *l);
/* One that gives up waiting. */
void kube_line_leave(struct kube_line *l, struct link *item);
