/* SPDX-License-Identifier: Apache-2.0 */
#include "control/scrape.h"

struct question {
    struct worker_census census;
    struct scrape *scrape;
    unsigned worker;
};
struct page {
    struct link waiting;
    struct admin_request *request;
};
struct side {                      /* of a worker */
    struct question *asked, *told; /* under way; the latest that is home */
    bool awaited;                  /* by the pages that wait */
};
struct scrape {
    struct loop *loop;
    struct mailbox *box;
    void (*answer)(void *arg, struct admin_request *r);
    void *arg;
    struct link waiting;
    struct timer late;
    struct side *sides;
    unsigned n, awaited;
};

void scrape_answer(struct scrape *s) {
    timer_clear(&s->late);
    for (unsigned i = 0; i < s->n; i++) s->sides[i].awaited = false;
    s->awaited = 0;
    for (struct link *l; (l = link_pop(&s->waiting));) {
        struct page *p = container_of(l, struct page, waiting);
        s->answer(s->arg, p->request);
        free(p);
    }
}

static void on_late(struct timer *t, uint64_t now_us) {
    (void)now_us;
    scrape_answer(container_of(t, struct scrape, late));
}

static void question_free(struct question *q) {
    if (!q) return;
    census_fini(&q->census.census);
    free(q);
}

static void on_told(struct worker_census *m, void *receiver) {
    (void)receiver;
    struct question *q = container_of(m, struct question, census);
    struct scrape *s = q->scrape;
    struct side *side = &s->sides[q->worker];
    question_free(side->told);
    side->told = q;
    side->asked = NULL;
    if (!side->awaited) return;
    side->awaited = false;
    if (--s->awaited == 0) scrape_answer(s);
}

static void ask(struct scrape *s, struct worker *w, unsigned i) {
    struct question *q = base_zalloc(sizeof *q);
    *q = (struct question){.census = {.to = s->box, .done = on_told}, .scrape = s, .worker = i};
    census_init(&q->census.census);
    s->sides[i].asked = q;
    s->sides[i].awaited = true;
    s->awaited++;
    worker_post_census(w, &q->census);
}

struct scrape *scrape_new(struct loop *l, struct mailbox *box,
                          void (*answer)(void *arg, struct admin_request *r), void *arg) {
    struct scrape *s = base_zalloc(sizeof *s);
    *s = (struct scrape){.loop = l, .box = box, .answer = answer, .arg = arg};
    link_init(&s->waiting);
    timer_init(&s->late, on_late);
    return s;
}

void scrape_free(struct scrape *s) {
    if (!s) return;
    assert(link_empty(&s->waiting));
    timer_forget(&s->loop->timers, &s->late);
    for (unsigned i = 0; i < s->n; i++) {
        assert(!s->sides[i].asked);
        question_free(s->sides[i].told);
    }
    free(s->sides);
    free(s);
}

void scrape_page(struct scrape *s, struct worker *const *workers, unsigned n, struct admin_request *r) {
    bool first = link_empty(&s->waiting);
    struct page *p = base_zalloc(sizeof *p);
    p->request = r;
    link_append(&s->waiting, &p->waiting);
    if (!first) return;
    if (!s->sides) s->sides = base_zalloc((s->n = n) * sizeof *s->sides);
    assert(s->n == n);
    for (unsigned i = 0; i < n; i++)
        if (!s->sides[i].asked) ask(s, workers[i], i);
    if (s->awaited)
        timer_set(&s->loop->timers, &s->late, s->loop->now_us + SCRAPE_WAIT_US);
    else
        scrape_answer(s);
}

const struct census *scrape_census(const struct scrape *s, unsigned worker) {
    const struct question *q = worker < s->n ? s->sides[worker].told : NULL;
    return q ? &q->census.census : NULL;
}
