/* SPDX-License-Identifier: Apache-2.0 */
#include "control/finding_book.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/map.h"

enum { OF_OBJECT_MAX = 100, LINE_BYTES_MAX = 1 << 16 };

struct kept {
    struct arena *arena;
    struct finding *first;
    uint32_t n;
    uint64_t hash;
    char key[];
};
struct finding_book {
    struct map all;
    uint32_t n;
};

struct finding_book *finding_book_new(void) {
    struct finding_book *b = base_zalloc(sizeof *b);
    map_init(&b->all);
    return b;
}

static void free_kept(struct kept *k) {
    if (!k) return;
    arena_free(k->arena);
    free(k);
}

void finding_book_free(struct finding_book *b) {
    if (!b) return;
    map_each (e, &b->all) free_kept(e->value);
    map_fini(&b->all);
    free(b);
}

static uint64_t hash_of(const struct finding *list) {
    uint64_t h = 1;
    struct buf line;
    buf_init(&line, LINE_BYTES_MAX);
    for (const struct finding *f = list; f; f = f->next) {
        buf_clear(&line);
        finding_print(&line, f);
        h = hash_join(h, hash_str(buf_str(&line)));
    }
    buf_fini(&line);
    return h;
}

static struct finding *copy(struct arena *a, const struct finding *f) {
    struct finding *c = arena_make(a, struct finding);
    *c = *f;
    str *texts[] = {&c->file, &c->kind, &c->ns, &c->name, &c->path, &c->message, &c->remedy};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i]->p) *texts[i] = arena_str(a, *texts[i]);
    c->next = NULL;
    return c;
}

bool finding_book_put(struct finding_book *b, str key, const struct finding *list) {
    const struct kept *before = map_get(&b->all, key);
    uint64_t hash = list ? hash_of(list) : 0;
    if ((before ? before->hash : 0) == hash) return false;
    struct kept *old = map_take(&b->all, key);
    if (old) b->n -= old->n;
    if (list) {
        struct kept *k = base_zalloc(sizeof *k + key.n);
        k->arena = arena_new();
        k->hash = hash;
        memcpy(k->key, key.p, key.n);
        struct finding **last = &k->first;
        for (const struct finding *f = list; f && k->n < OF_OBJECT_MAX; f = f->next, k->n++) {
            *last = copy(k->arena, f);
            last = &(*last)->next;
        }
        b->n += k->n;
        map_put(&b->all, (str){k->key, key.n}, k);
    }
    free_kept(old);
    return true;
}

uint32_t finding_book_count(const struct finding_book *b) { return b->n; }

void finding_book_list(const struct finding_book *b, struct findings *to) {
    size_t n;
    struct map_entry *all = map_sorted(&b->all, &n);
    for (size_t i = 0; i < n; i++) {
        const struct kept *k = all[i].value;
        for (const struct finding *f = k->first; f; f = f->next) {
            if (to->n++ >= to->n_max) continue;
            *to->last = copy(to->arena, f);
            to->last = &(*to->last)->next;
        }
    }
    free(all);
}
