/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* Objects cut out of an API server's answer as it arrives, wherever the bytes are broken off. Only the outer structure is
 * read here: the keys of the answer, of an object and of its metadata, so that managedFields is dropped and `status` set aside
 * before anything is decoded; the rest is copied as it stands, and whether it is JSON is said by whoever parses it. */
enum kube_cut_form {
    KUBE_CUT_EVENTS, /* {"type":T,"object":{...}} one after the other */
    KUBE_CUT_LIST,   /* {"metadata":{...},"items":[{...},...]} once */
};
enum { KUBE_CUT_LEVELS = 4, KUBE_CUT_WORD = 64, KUBE_CUT_DEPTH_MAX = 256 };
struct kube_cut_object {
    str type;     /* of an event: "ADDED"; of a list's item: "" */
    str object;   /* without status and managedFields; not JSON when too_long */
    str metadata; /* the part of it; "" when it has none */
    str status;   /* JSON, or "" */
    bool too_long;
};
struct kube_cut {
    enum kube_cut_form form;
    void (*on_object)(void *arg, const struct kube_cut_object *o);
    void *arg;
    bool stopped; /* set by on_object: nothing more is read */
    bool ended;   /* LIST: the whole of it was there */

    struct buf object, status, list_metadata; /* the last: LIST, whole once ended */
    struct {
        uint8_t what;
        bool array, any; /* any: a member was written to the sink */
    } levels[KUBE_CUT_LEVELS];
    uint8_t level, phase, quote; /* quote: in a string, after its backslash */
    struct buf *sink;
    uint32_t depth; /* of brackets in a value that is copied or dropped */
    char word[KUBE_CUT_WORD],
        type[KUBE_CUT_WORD]; /* the key (its beginning) with its quotes; the event's type */
    uint32_t word_n, type_n;
    size_t metadata_from, metadata_to;
    uint8_t value; /* what the value under way is to its level */
};
void kube_cut_init(struct kube_cut *c, enum kube_cut_form form, size_t object_bytes_max,
                   void (*on_object)(void *arg, const struct kube_cut_object *o), void *arg);
void kube_cut_fini(struct kube_cut *c);
/* ERR_PROTO: this is no such answer. ERR_LIMIT: nested deeper than KUBE_CUT_DEPTH_MAX. */
err kube_cut_push(struct kube_cut *c, str bytes);
/* Between two events, or after the list. */
bool kube_cut_is_whole(const struct kube_cut *c);
