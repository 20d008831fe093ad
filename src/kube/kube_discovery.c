/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_discovery.h"

#include "api/api.h"
#include "kube/kube_backoff.h"
#include "kube/kube_path.h"
#include "text/json.h"

enum { PAUSE_US_MIN = 500000, PAUSE_US_MAX = 15000000, QUESTIONS_MAX = 32 };

/* One request: for the resources of one version of one group, or for the server's own version. */
struct question {
    struct kube_discovery *d;
    struct kube_request *request; /* NULL: answered or not asked */
    const char *group, *version;  /* group NULL: the server's */
};
struct kube_discovery {
    struct kube_client *client;
    void (*on_found)(void *arg, const struct kube_found *f);
    void (*on_trouble)(void *arg, str message);
    void *arg;
    struct timer timer;
    struct kube_backoff pause;
    struct question questions[QUESTIONS_MAX];
    unsigned n, open;
    bool failed;
    uint64_t again_us; /* asked for meanwhile: when; 0: not */
    struct kube_found found;
    unsigned ranks[KIND_COUNT]; /* of the version found, from 1; 0: none */
};

static struct loop *loop_of(const struct kube_discovery *d) { return kube_client_loop(d->client); }

static void take_resources(struct kube_discovery *d, const struct question *q, const struct node *top) {
    const struct node *list = node_get(top, S("resources"));
    for (const struct node *r = list ? list->child : NULL; r; r = r->next) {
        str plural = node_get_str(r, S("name"));
        for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++) {
            const struct api_type *t = api_type_of(k);
            if (!str_eq(plural, str_of(t->plural)) || strcmp(t->group, q->group) != 0) continue;
            for (unsigned i = 0; t->versions[i]; i++) {
                if (strcmp(t->versions[i], q->version) != 0 || (d->ranks[k] && d->ranks[k] <= i + 1))
                    continue;
                d->ranks[k] = i + 1;
                snprintf(d->found.versions[k], sizeof d->found.versions[k], "%s", q->version);
            }
        }
    }
}

static void finish(struct kube_discovery *d) {
    uint64_t wait_us = d->again_us;
    d->again_us = 0;
    if (d->failed) {
        wait_us = kube_backoff_next(&d->pause, kube_client_rng(d->client));
    } else {
        kube_backoff_reset(&d->pause);
        d->on_found(d->arg, &d->found);
    }
    if (wait_us) kube_discovery_ask(d, wait_us);
}

static void on_answer(void *arg, const struct kube_answer *a) {
    struct question *q = arg;
    struct kube_discovery *d = q->d;
    OWNED(arena) scratch = arena_new();
    struct node *top = NULL;
    str why = a->message;
    q->request = NULL;
    d->open--;
    bool absent = a->error == OK && a->status == 404; /* no such version of no such group */
    bool ok = kube_answer_ok(a) && json_parse(scratch, a->body, &top, &why) == OK;
    if (ok && q->group) {
        take_resources(d, q, top);
    } else if (ok) {
        str v = node_get_str(top, S("gitVersion"));
        snprintf(d->found.server_version, sizeof d->found.server_version, STR_FMT, STR_ARG(v));
    } else if (!absent && q->group) {
        if (!d->failed) d->on_trouble(d->arg, why);
        d->failed = true;
    }
    if (!d->open) finish(d);
}

static void add_question(struct kube_discovery *d, const char *group, const char *version) {
    for (unsigned i = 0; i < d->n; i++) {
        const struct question *q = &d->questions[i];
        if (group && q->group && strcmp(q->group, group) == 0 && strcmp(q->version, version) == 0) return;
    }
    assert(d->n < QUESTIONS_MAX);
    d->questions[d->n++] = (struct question){.d = d, .group = group, .version = version};
}

static void send(struct kube_discovery *d, struct question *q) {
    OWNED(arena) a = arena_new();
    struct kube_call call = {.on_done = on_answer, .arg = q, .path = S("/version")};
    if (q->group) call.path = kube_path(a, str_of(q->group), str_of(q->version), S(""), S(""), S(""), S(""));
    q->request = kube_client_send(d->client, &call);
}

static void on_timer(struct timer *t, uint64_t now_us) {
    struct kube_discovery *d = container_of(t, struct kube_discovery, timer);
    (void)now_us;
    d->n = 0, d->failed = false;
    memset(&d->found, 0, sizeof d->found);
    memset(d->ranks, 0, sizeof d->ranks);
    add_question(d, NULL, NULL);
    for (enum api_kind k = KIND_NONE + 1; k < KIND_COUNT; k++)
        for (unsigned i = 0; api_type_of(k)->versions[i]; i++)
            add_question(d, api_type_of(k)->group, api_type_of(k)->versions[i]);
    d->open = d->n;
    for (unsigned i = 0; i < d->n; i++) send(d, &d->questions[i]);
}

struct kube_discovery *kube_discovery_new(struct kube_client *c,
                                          void (*on_found)(void *arg, const struct kube_found *f),
                                          void (*on_trouble)(void *arg, str message), void *arg) {
    struct kube_discovery *d = base_zalloc(sizeof *d);
    *d = (struct kube_discovery){.client = c, .on_found = on_found, .on_trouble = on_trouble, .arg = arg};
    d->pause = (struct kube_backoff){.min_us = PAUSE_US_MIN, .max_us = PAUSE_US_MAX};
    timer_init(&d->timer, on_timer);
    return d;
}

void kube_discovery_free(struct kube_discovery *d) {
    if (!d) return;
    for (unsigned i = 0; i < d->n; i++)
        if (d->questions[i].request) kube_client_cancel(d->questions[i].request);
    timer_forget(&loop_of(d)->timers, &d->timer);
    free(d);
}

void kube_discovery_ask(struct kube_discovery *d, uint64_t wait_us) {
    uint64_t due = loop_of(d)->now_us + wait_us;
    if (d->open) {
        if (!d->again_us || wait_us < d->again_us) d->again_us = wait_us ? wait_us : 1;
    } else if (d->timer.due_us > due) {
        timer_set(&loop_of(d)->timers, &d->timer, due);
    }
}
