/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/selector_book.h"
#include "kube/kube_client.h"

/* The loop thread's part of selector_book.h: Services of ours are watched and written, and the builder's thread is told which to follow. */
struct builder;
struct loop;
struct selectors;
struct selectors_config {
    struct kube_client *client;
    struct loop *loop;
    struct builder *builder;
    str controller_name;
    const str *namespaces; /* none: the whole cluster */
    size_t namespaces_n;
};
struct selectors *selectors_new(const struct selectors_config *c);
/* Nothing is posted any more. */
void selectors_end(struct selectors *s);
void selectors_stop(struct selectors *s); /* before the client goes */
void selectors_free(
    struct selectors *s); /* after it, which cancels what is on its way; NULL is fine for both */
void selectors_demand(struct selectors *s, const struct selector_demand *v, size_t n);
void selectors_lead(struct selectors *s, bool leads);
