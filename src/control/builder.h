/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/stats.h"
#include "control/control.h"
#include "control/last_good.h"
#include "control/pipeline.h"
#include "control/publish.h"
#include "files/files.h"

/* The builder thread: manifests, objects, passes, tables. Others speak to it by the posts below and hear from it by `news`. */
enum builder_event {
    BUILDER_READY,   /* the first complete table is served and its sockets are bound or refused */
    BUILDER_DRAINED, /* every worker has ended */
    BUILDER_ANSWER,  /* to a question */
    BUILDER_TALLY,   /* a route has this number of counters now (body; "": none has) */
};
struct builder_news {
    struct post post; /* the receiver frees it: builder_news_free() */
    enum builder_event event;
    void *asker; /* ANSWER: as given with the question */
    uint16_t status;
    uint32_t tally, tally_epoch;
    const char *type;
    struct buf body;
};
/* Written by the builder, readable from any thread. */
struct builder_stats {
    stats_counter revision, tables_alive, findings, reloads, conditions_false, routes_other, endpoints;
    stats_counter status_written, status_conflicts, status_failures, status_waiting, events_dropped;
    stats_counter names, names_failing; /* of XBackends: name_watch.h */
};
struct builder {
    const struct control_config *config;
    struct worker *const *workers;
    unsigned workers_n;
    struct tls_trust *trust;
    struct loop loop;
    struct mailbox box; /* home of the workers' messages, too */
    struct mailbox *to;
    void (*deliver)(struct post *p, void *receiver); /* of news, in the thread of `to` */
    struct builder_stats stats;

    struct files *files;
    struct last_good last_good;
    struct follower *follower; /* NULL: objects come from files */
    struct name_watch *names;
    struct pipeline pipeline;
    struct publish publish;
    struct arena *found_arena; /* the findings as they stand */
    struct findings found;
    struct map told;       /* findings that were logged and still stand: by print */
    struct map false_ones; /* objects with conditions that say "not so": by key */
    struct loop_fd clock;  /* set by somebody */
    int clock_fd;
    struct timer again; /* when time alone changes a result */
    struct timer flush; /* when statuses are due */
    struct timer hold;  /* until when the newest table waits for objects that it names */
    uint64_t hold_until_us, flushed_us;
    bool is_settled;   /* nothing is on its way: what statuses say is so */
    uint64_t began_us; /* of the change that is on its way; 0: none */
    bool pending;      /* a pass is due as soon as the table under way is adopted */
    bool ready, draining;
    bool passed_many; /* since memory was last given back */
};
/* config, workers and `to` outlive it. The mailbox works from here on. */
void builder_init(struct builder *b, const struct control_config *config, struct mailbox *to,
                  void (*deliver)(struct post *p, void *receiver));
void builder_run(
    void *builder); /* the thread's body: reads everything, then what it is told, until builder_post_stop() */
void builder_fini(struct builder *b); /* after the thread and the workers have ended */

void builder_post_changed(struct builder *b, const str *paths, size_t n, bool all);
void builder_post_question(struct builder *b, void *asker, str page, str query);
/* hands_over: another process takes from the same sockets. */
void builder_post_drain(struct builder *b, uint64_t deadline_us, bool hands_over);
void builder_post_stop(struct builder *b);
/* In the builder's thread: objects or facts changed; statuses may be due. */
void builder_changed(struct builder *b);
void builder_flush(struct builder *b);
void builder_news_free(struct builder_news *n);
