/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/link.h"
#include "kube/kube_discovery.h"
#include "kube/kube_source.h"
#include "kube/kube_watch.h"

/* The inside of a source: its feeds, each one watch whose objects are decoded into the batch under way. */
enum kube_feed_state { KUBE_FEED_LISTING, KUBE_FEED_FOLLOWED, KUBE_FEED_FORBIDDEN, KUBE_FEED_ABSENT };
struct kube_feed {
    struct link link; /* of the kind's feeds */
    struct kube_source *source;
    enum api_kind kind;
    enum kube_feed_state state;
    struct kube_watch *watch;
    char ns[64], name[256]; /* name: of a feed of one object alone */
    char group_version[64];
    char message[256]; /* what went wrong last */
};
struct kube_wanted;
struct kube_source {
    struct kube_client *client;
    struct kube_source_config config; /* its texts in `texts` */
    struct arena *texts, *scratch;
    struct kube_discovery *discovery;
    struct kube_watch *crds;
    bool crds_known; /* listed, or not ours to read */
    bool crds_denied, discovered;
    unsigned asks_left; /* discovery lags behind a CRD that has just come */
    struct kube_backoff *lag;
    struct kube_wanted *wanted;
    struct link feeds[KIND_COUNT];
    struct kube_facts facts;
    bool facts_changed;
    struct kube_batch *batch; /* under way; NULL: none */
    struct timer tick;
};
/* What has changed is looked at at the end of the turn. */
void kube_feed_wake(struct kube_source *s);
/* ns, name: "" for all. wants: as in kube_watch_config, with the feed as its argument. */
struct kube_feed *kube_feed_new(struct kube_source *s, enum api_kind kind, str ns, str name,
                                bool (*wants)(void *arg, const struct kube_item *i, uint64_t *ret_tag));
/* tell: what was known of it is told as removed. Not from within its watch's callbacks. */
void kube_feed_free(struct kube_feed *f, bool tell);
void kube_feed_set_version(struct kube_feed *f, const char *version);
void kube_feed_relist(struct kube_feed *f);
/* The batch under way. */
struct kube_batch *kube_feed_batch(struct kube_source *s);
/* Hands the batch on. */
void kube_feed_flush(struct kube_source *s);
