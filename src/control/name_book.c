/* SPDX-License-Identifier: Apache-2.0 */
#include "control/name_book.h"

#include "base/heap.h"
#include "base/map.h"
#include "base/num.h"

enum { SECOND_US = 1000000, HALVES = 2 };

/* What one question has brought. */
struct half {
    struct heap_item due; /* on name_book.due unless it is asked, or unwanted */
    struct name *of;
    bool asked, answered; /* a question is open; one was answered */
    uint8_t outcome;      /* enum dns_outcome, of the last answer */
    uint32_t failures;    /* answers in a row that gave no address */
    const char *words;    /* of the last answer; static */
    uint64_t kept_until_us;
    struct ip *ips; /* n; to free() */
    uint32_t n;
};
struct name {
    struct half halves[HALVES]; /* A, AAAA */
    bool wanted, failing;       /* DNS gives no answer, or none with an address */
    str text;
    char bytes[];
};
struct name_book {
    struct name_book_config c;
    struct map names; /* struct name; unwanted ones, too, while they are asked for */
    struct heap due;
    uint32_t asked, wanted, failing;
};

static uint8_t family_of(const struct name *m, const struct half *h) { return h == &m->halves[0] ? 4 : 6; }
static bool is_asked(const struct name *m) { return m->halves[0].asked || m->halves[1].asked; }

struct name_book *name_book_new(const struct name_book_config *c) {
    struct name_book *b = base_zalloc(sizeof *b);
    b->c = *c;
    return b;
}

static void free_name(struct name_book *b, struct name *m) {
    for (int i = 0; i < HALVES; i++) {
        heap_remove(&b->due, &m->halves[i].due);
        free(m->halves[i].ips);
    }
    free(m);
}

void name_book_free(struct name_book *b) {
    if (!b) return;
    map_each (e, &b->names) free_name(b, e->value);
    map_fini(&b->names);
    heap_fini(&b->due);
    free(b);
}

/* ---- what is wanted ---- */

static void begin(struct name_book *b, str text, uint64_t now_us) {
    struct name *m = map_get(&b->names, text);
    if (!m) {
        m = base_zalloc(sizeof *m + text.n);
        memcpy(m->bytes, text.p, text.n);
        m->text = (str){m->bytes, text.n};
        for (int i = 0; i < HALVES; i++) m->halves[i].of = m;
        map_put(&b->names, m->text, m);
    }
    m->wanted = true;
    b->wanted++;
    for (int i = 0; i < HALVES; i++)
        if (!m->halves[i].asked) heap_set(&b->due, &m->halves[i].due, now_us);
}

static int by_text(const void *a, const void *b) { return str_cmp(*(const str *)a, *(const str *)b); }

static bool is_among(const str *sorted, size_t n, str text) {
    return n && bsearch(&text, sorted, n, sizeof *sorted, by_text);
}

/* Nothing of what was known stays; the memory does until open questions are answered. */
static void end_name(struct name_book *b, struct name *m) {
    m->wanted = false;
    b->wanted--;
    b->failing -= m->failing;
    m->failing = false;
    b->c.forget(b->c.arg, m->text);
    for (int i = 0; i < HALVES; i++) {
        struct half *h = &m->halves[i];
        heap_remove(&b->due, &h->due);
        free(h->ips);
        *h = (struct half){.of = m, .asked = h->asked};
    }
}

void name_book_want(struct name_book *b, const str *names, size_t n, uint64_t now_us) {
    str *sorted = base_alloc((n + 1) * sizeof *sorted);
    if (n) memcpy(sorted, names, n * sizeof *sorted);
    if (n) qsort(sorted, n, sizeof *sorted, by_text);
    size_t ends_n = 0;
    struct name **ends = base_alloc((b->names.n + 1) * sizeof *ends);
    map_each (e, &b->names) {
        struct name *m = e->value;
        if (m->wanted && !is_among(sorted, n, m->text)) ends[ends_n++] = m;
    }
    for (size_t i = 0; i < ends_n; i++) {
        end_name(b, ends[i]);
        if (is_asked(ends[i])) continue;
        map_take(&b->names, ends[i]->text);
        free_name(b, ends[i]);
    }
    for (size_t i = 0; i < n; i++) {
        const struct name *known = map_get(&b->names, sorted[i]);
        if (!known || !known->wanted) begin(b, sorted[i], now_us);
    }
    free(ends);
    free(sorted);
}

/* ---- what is known ---- */

static bool gives_nothing(const struct half *h) { return h->answered && !h->n; }
static bool is_stale(const struct half *h) { return h->n && h->outcome == DNS_FAILED; }

/* Why there is no address: rather what is certain. */
static const char *why_none(const struct name *m) {
    const struct half *x = &m->halves[0], *y = &m->halves[1];
    if (x->outcome == DNS_FAILED && y->outcome != DNS_NO_NAME) return x->words;
    if (y->outcome == DNS_FAILED && x->outcome != DNS_NO_NAME) return y->words;
    if (y->outcome == DNS_NO_NAME) return y->words;
    return x->words;
}

/* Of one half addresses are told at once; that there are none, when both say so. */
static void tell(struct name_book *b, const struct name *m) {
    const struct half *x = &m->halves[0], *y = &m->halves[1];
    struct ip ips[HALVES * DNS_ADDRESSES_MAX];
    if (!x->n && !y->n) {
        if (gives_nothing(x) && gives_nothing(y)) b->c.tell(b->c.arg, m->text, NULL, 0, str_of(why_none(m)));
        return;
    }
    if (x->n) memcpy(ips, x->ips, x->n * sizeof *ips);
    if (y->n) memcpy(ips + x->n, y->ips, y->n * sizeof *ips);
    const char *why = is_stale(x) ? x->words : is_stale(y) ? y->words : "";
    b->c.tell(b->c.arg, m->text, ips, x->n + y->n, str_of(why));
}

static void learn(struct half *h, const struct dns_answer *a, uint64_t now_us) {
    bool keeps = a->outcome == DNS_FAILED && now_us < h->kept_until_us;
    h->answered = true;
    h->outcome = (uint8_t)a->outcome;
    h->words = a->words;
    h->failures = a->outcome == DNS_FOUND ? 0 : h->failures + 1;
    if (keeps) return;
    free(h->ips);
    h->ips = NULL, h->n = a->outcome == DNS_FOUND ? a->n : 0;
    if (!h->n) return;
    h->kept_until_us = now_us + (uint64_t)NAME_BOOK_STALE_S_MAX * SECOND_US;
    h->ips = base_alloc(h->n * sizeof *h->ips);
    memcpy(h->ips, a->ips, h->n * sizeof *h->ips);
}

static uint64_t wait_us(const struct half *h, const struct dns_answer *a) {
    enum { DOUBLINGS = 5 };
    uint64_t s = num_min(UINT64_C(1) << num_min(h->failures - 1, DOUBLINGS), NAME_BOOK_RETRY_S_MAX);
    if (!h->failures) s = num_min(num_max(a->ttl_s, NAME_BOOK_TTL_S_MIN), NAME_BOOK_TTL_S_MAX);
    return s * SECOND_US;
}

void name_book_answer(struct name_book *b, void *asker, uint8_t family, const struct dns_answer *a,
                      uint64_t now_us) {
    struct name *m = asker;
    struct half *h = &m->halves[family == 6];
    assert(h->asked && b->asked);
    h->asked = false;
    b->asked--;
    if (!m->wanted) {
        if (is_asked(m)) return;
        map_take(&b->names, m->text);
        free_name(b, m);
        return;
    }
    learn(h, a, now_us);
    heap_set(&b->due, &h->due, now_us + wait_us(h, a));
    bool fails = (gives_nothing(&m->halves[0]) && gives_nothing(&m->halves[1])) || is_stale(&m->halves[0]) ||
                 is_stale(&m->halves[1]);
    b->failing += fails, b->failing -= m->failing;
    m->failing = fails;
    tell(b, m);
}

/* ---- questions ---- */

uint64_t name_book_work(struct name_book *b, uint64_t now_us) {
    struct heap_item *first;
    while (b->asked < NAME_BOOK_ASKED_MAX && (first = heap_first(&b->due)) && first->key <= now_us) {
        struct half *h = container_of(first, struct half, due);
        struct name *m = h->of;
        heap_remove(&b->due, first);
        h->asked = true;
        b->asked++;
        b->c.ask(b->c.arg, m, m->text, family_of(m, h));
    }
    first = heap_first(&b->due);
    return first && b->asked < NAME_BOOK_ASKED_MAX ? first->key : UINT64_MAX;
}

uint32_t name_book_count(const struct name_book *b, uint32_t *ret_failing) {
    *ret_failing = b->failing;
    return b->wanted;
}
