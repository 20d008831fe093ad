/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "control/pipeline.h"
#include "control/status_book.h"
#include "io/mailbox.h"
#include "kube/kube_batch.h"
#include "kube/kube_source.h"

/* The builder thread's part of following an API server: batches into the store, what the API server and Gateways' Services have to give, and
 * what statuses are to be written once they are so. */
struct cluster;
struct address_demand;
struct builder;
struct follower;
struct follower_config {
    struct pipeline *pipeline;
    struct mailbox *to; /* of the loop thread */
    const char *controller_name;
    const char *instance; /* of Events: which of several we are */
    uint8_t address_type; /* enum address_type, unless settings say otherwise */
};
struct follower *follower_new(const struct follower_config *c);
void follower_free(struct follower *f); /* NULL is fine */

/* Something came: these take the message over and return whether a pass is due. */
bool follower_take_batch(struct follower *f, struct kube_batch *b);
bool follower_take_facts(struct follower *f, const struct kube_facts *facts);
/* Everything that there is to be read was read once: passes may begin. */
bool follower_complete(const struct follower *f);

/* After each pass: what it needs goes to the loop thread, statuses that it changed are noted. Returns whether the table should wait for
 * objects that were asked for just now. */
bool follower_passed(struct follower *f, uint64_t now_us);
/* Objects that were asked for are all there, and what Gateways' Services give is known. */
bool follower_served(const struct follower *f);
/* What statuses say is so in the data plane: they go to the loop thread. between: two tables (status_book.h). Returns when to be called again although
 * nothing happens. */
uint64_t follower_flush(struct follower *f, uint64_t now_us, int64_t now_s, bool between);

/* What is wrong with objects as the API server has them now. */
struct findings;
uint32_t follower_findings_count(const struct follower *f);
void follower_findings(const struct follower *f, struct findings *to);

struct status_book_stats follower_status_stats(const struct follower *f);
uint64_t follower_events_dropped(const struct follower *f);

/* From the loop thread; each is delivered in the builder's. */
void follower_post_batch(struct builder *b, struct kube_batch *batch);
void follower_post_facts(struct builder *b, struct cluster *c, const struct kube_facts *facts);
void follower_post_gateway(struct builder *b, str key, const struct fact_gateway *g);
/* What Gateways' Services give has been told of all that there are. */
void follower_post_known(struct builder *b);
void follower_post_lead(struct builder *b, bool leads);
/* The Services that stand for what XBackends select: they are wanted, too. */
struct selector_service;
void follower_post_services(struct builder *b, const struct selector_service *v, size_t n);
void follower_post_written(struct builder *b, enum api_kind kind, str ns, str name, enum status_outcome o,
                           str resource_version);
