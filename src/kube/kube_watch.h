/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "kube/kube_client.h"

/* All objects of one resource (of one namespace, of one selector), listed and then followed for good: streaming lists where
 * the server has them, else pages; resumed after each end; listed again, with what vanished meanwhile told as removed, when
 * the server has forgotten where we were (410). Objects come as text, cut out of the stream as it arrives. */
struct kube_watch;
struct node;
enum { KUBE_OBJECT_BYTES_MAX = 4 << 20, KUBE_PAGE = 500 };

/* One object, borrowed for the call. `metadata` and `object` are without managedFields, and `object` without its status. */
struct kube_item {
    str ns, name, uid, resource_version;
    str object; /* one JSON object; kind and apiVersion may be missing in it, as in the lists of Kubernetes' own kinds */
    str metadata;            /* of it */
    str status;              /* JSON, or "" */
    const struct node *meta; /* metadata, parsed */
};
struct kube_watch_trouble {
    unsigned status; /* of HTTP; 0: no answer */
    bool forbidden;  /* 401, 403: RBAC does not let us */
    bool absent;     /* 404: no such resource; what was known of it was told as removed */
    str message;     /* for people */
};
struct kube_watch_config {
    str group, version, plural;
    str ns;                             /* "": of every namespace, or the resource is cluster-scoped */
    str label_selector, field_selector; /* "" = none */
    bool metadata_alone;                /* PartialObjectMetadata: the object has nothing but metadata */
    /* Whether an object is followed, asked with its metadata alone, before anything else is done with it. NULL: every one.
     * One that was followed and is not any more is told as removed. *ret_tag is kept for kube_watch_sift(). */
    bool (*wants)(void *arg, const struct kube_item *i, uint64_t *ret_tag);
    void (*on_put)(void *arg, const struct kube_item *i);
    void (*on_remove)(void *arg, str ns, str name);
    void (*on_synced)(void *arg); /* each time a whole list is there (not after a resumed watch) */
    /* A list or watch failed in a way that is worth telling, or works again (NULL). It is tried again, with backoff: nobody
     * has to do anything. */
    void (*on_trouble)(void *arg, const struct kube_watch_trouble *t);
    void *arg;
};
/* Begins at once. The configuration's texts are copied. */
struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_watch_config *config);
void kube_watch_free(
    struct kube_watch *w); /* nothing is told; NULL is fine. Not from within its own callbacks. */
/* The list has been complete at least once. */
bool kube_watch_synced(const struct kube_watch *w);
/* Objects known (wanted ones alone). */
size_t kube_watch_count(const struct kube_watch *w);
/* Gives up what is under way and tries again now: after a change that may have mended it. */
void kube_watch_retry(struct kube_watch *w);
/* Lists again from the beginning, without letting go of what is known: when much is wanted anew. on_synced tells the end. */
void kube_watch_relist(struct kube_watch *w);
/* What was cut out of an answer as an item; texts are o's or live in a. false: its metadata can not be read. */
struct kube_cut_object;
struct arena;
bool kube_watch_read_item(struct arena *a, const struct kube_cut_object *o, struct kube_item *ret);
/* The same resource in another version of its group: listed anew, what is known stays. */
void kube_watch_set_version(struct kube_watch *w, str version);

/* An object that is wanted anew is read by other means than the watch, which passed over it. Between mark and unmark what the
 * watch tells meanwhile is remembered, so that an answer which is older than that does not count. */
void kube_watch_mark(struct kube_watch *w);
void kube_watch_unmark(struct kube_watch *w);
/* As if the watch had told it, between the two; false: the watch knows better. */
bool kube_watch_take(struct kube_watch *w, const struct kube_item *i);
/* Lets go of what is not wanted any more: keeps() is asked of each, and on_remove called for those it denies. */
void kube_watch_sift(struct kube_watch *w, bool (*keeps)(void *arg, str ns, str name, uint64_t tag));
