/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/balance.h"

#include "base/num.h"
#include "upstream/upstream_core.h"

struct balance_backend {
    uint64_t id;      /* table_backend.id; 0: not known */
    uint64_t version; /* table_endpoints.version; 0: to be read again */
    const struct table_reach *reach;
    uint64_t reach_id; /* 0: none */
    uint32_t n;
    struct balance_endpoint **v;
};

void balance_init(struct balance *b, uint64_t seed, void (*gone)(void *arg, struct balance_endpoint *e),
                  void *arg) {
    *b = (struct balance){.rng = {.state = seed}, .gone = gone, .arg = arg};
}

struct balance_endpoint *balance_hold(struct balance_endpoint *e) {
    e->holds++;
    return e;
}

void balance_release(struct balance_endpoint *e) {
    if (!e) return;
    assert(e->holds > 0);
    if (--e->holds) return;
    lane_free_all(e);
    struct balance_health *h = e->health;
    if (--h->holds == 0) {
        map_take(&e->in->healths, (str){h->key, sizeof h->key});
        free(h);
    }
    free(e);
}

static void lose(struct balance *b, struct balance_endpoint *e) {
    e->gone = true;
    b->gone(b->arg, e);
    balance_release(e);
}

static void forget(struct balance *b, struct balance_backend *s) {
    for (uint32_t i = 0; i < s->n; i++) lose(b, s->v[i]);
    free(s->v);
    *s = (struct balance_backend){0};
}

void balance_fini(struct balance *b) {
    for (uint32_t i = 0; i < b->backends_n; i++) {
        if (!b->backends[i]) continue;
        forget(b, b->backends[i]);
        free(b->backends[i]);
    }
    free(b->backends);
    assert(!b->healths.n);
    map_fini(&b->healths);
    *b = (struct balance){0};
}

static void set_key(char *key, const struct table_endpoint *at) {
    memcpy(key, &at->ip, sizeof at->ip);
    memcpy(key + sizeof at->ip, &at->port, sizeof at->port);
}

static struct balance_endpoint *make(struct balance *b, const char *key, const struct table_endpoint *at) {
    struct balance_endpoint *e = base_zalloc(sizeof *e);
    struct balance_health *h = map_get(&b->healths, (str){key, BALANCE_KEY_BYTES});
    if (!h) {
        h = base_zalloc(sizeof *h);
        memcpy(h->key, key, sizeof h->key);
        map_put(&b->healths, (str){h->key, sizeof h->key}, h);
    }
    h->holds++;
    *e = (struct balance_endpoint){.at = *at, .in = b, .health = h, .holds = 1};
    return e;
}

/* The state becomes that of the table's endpoints; what stays keeps its connections and its figures. */
static void bring_up_to_date(struct balance *b, struct balance_backend *s,
                             const struct table_endpoints *now) {
    struct map before;
    map_init(&before);
    for (uint32_t i = 0; i < s->n; i++)
        map_put(&before, (str){s->v[i]->health->key, BALANCE_KEY_BYTES}, s->v[i]);
    struct balance_endpoint **v = base_alloc((now->n ? now->n : 1) * sizeof(struct balance_endpoint *));
    for (uint32_t i = 0; i < now->n; i++) {
        char key[BALANCE_KEY_BYTES];
        set_key(key, &now->v[i]);
        v[i] = map_take(&before, (str){key, sizeof key});
        bool other = v[i] && s->reach_id != (now->reach ? now->reach->id : 0);
        if (!v[i]) v[i] = make(b, key, &now->v[i]);
        v[i]->reach = now->reach;
        if (other) b->gone(b->arg, v[i]);
    }
    s->reach = now->reach;
    s->reach_id = now->reach ? now->reach->id : 0;
    map_each (it, &before) lose(b, it->value);
    map_fini(&before);
    free(s->v);
    s->v = v, s->n = now->n, s->version = now->version;
}

void balance_adopt(struct balance *b, const struct table *t) {
    b->table = t;
    if (t && t->backend_slots > b->backends_n) {
        b->backends = base_realloc(b->backends, t->backend_slots * sizeof(struct balance_backend *));
        memset(b->backends + b->backends_n, 0, (t->backend_slots - b->backends_n) * sizeof *b->backends);
        b->backends_n = t->backend_slots;
    }
    for (uint32_t i = 0; t && i < t->touched_n; i++) {
        uint32_t slot = t->touched[i];
        struct balance_backend *s = slot < b->backends_n ? b->backends[slot] : NULL;
        if (!s) continue;
        const struct table_endpoints *now = table_endpoints(t, slot);
        if (now && s->id)
            bring_up_to_date(b, s, now);
        else
            forget(b, s);
    }
}

static struct balance_backend *state_of(struct balance *b, const struct table_backend *backend, bool known) {
    if (!b->table || backend->slot >= b->backends_n) return NULL;
    struct balance_backend *s = b->backends[backend->slot];
    if (known) return s && s->id == backend->id ? s : NULL;
    if (!s) s = b->backends[backend->slot] = base_zalloc(sizeof *s);
    if (s->id != backend->id) {
        forget(b, s);
        s->id = backend->id;
    }
    const struct table_endpoints *now = table_endpoints(b->table, backend->slot);
    if (now && now->version != s->version) bring_up_to_date(b, s, now);
    return s;
}

const struct table_reach *balance_reach(const struct balance *b, const struct table_backend *backend) {
    const struct balance_backend *s = backend->slot < b->backends_n ? b->backends[backend->slot] : NULL;
    return s && s->id == backend->id ? s->reach : NULL;
}

void balance_each(struct balance *b, void (*visit)(void *arg, struct balance_endpoint *e), void *arg) {
    for (uint32_t i = 0; i < b->backends_n; i++) {
        struct balance_backend *s = b->backends[i];
        for (uint32_t k = 0; s && k < s->n; k++) visit(arg, s->v[k]);
    }
}

static bool was_tried(const struct balance_tried *t, const struct balance_endpoint *e) {
    for (uint32_t i = 0; i < t->n; i++)
        if (t->v[i] == e) return true;
    return false;
}

/* Lower is better: shunned ones after all others. */
static uint64_t load(const struct balance_endpoint *e, uint64_t now_us) {
    return e->health->outstanding + (e->health->shunned_until_us > now_us ? UINT64_C(1) << 40 : 0);
}

struct balance_endpoint *balance_pick(struct balance *b, const struct table_backend *backend,
                                      const struct balance_tried *tried, bool known, uint64_t now_us) {
    struct balance_backend *s = state_of(b, backend, known);
    if (!s || s->n == 0) return NULL;
    struct balance_endpoint *one = s->v[rng_below(&b->rng, s->n)], *two = one;
    if (s->n > 1) two = s->v[rng_below(&b->rng, s->n)];
    if (load(two, now_us) < load(one, now_us)) one = two;
    if (one->health->shunned_until_us <= now_us && !was_tried(tried, one)) return one;
    /* Rarely: the two drawn were tried or shunned. The best of all that were not tried, from a random place on. */
    struct balance_endpoint *best = NULL;
    uint32_t from = rng_below(&b->rng, s->n);
    for (uint32_t i = 0; i < s->n; i++) {
        struct balance_endpoint *e = s->v[(from + i) % s->n];
        if (!was_tried(tried, e) && (!best || load(e, now_us) < load(best, now_us))) best = e;
    }
    return best;
}

struct balance_endpoint *balance_find(struct balance *b, const struct table_backend *backend,
                                      const struct table_endpoint *at, const struct balance_tried *tried,
                                      bool known, uint64_t now_us) {
    struct balance_backend *s = state_of(b, backend, known);
    for (uint32_t i = 0; s && i < s->n; i++) {
        struct balance_endpoint *e = s->v[i];
        if (e->at.port != at->port || !ip_eq(&e->at.ip, &at->ip)) continue;
        return e->health->shunned_until_us <= now_us && !was_tried(tried, e) ? e : NULL;
    }
    return NULL;
}

void balance_tried_add(struct balance_tried *t, struct balance_endpoint *e) {
    assert(t->n < BALANCE_TRIES);
    t->v[t->n++] = balance_hold(e);
}

void balance_tried_make_room(struct balance_tried *t) {
    if (t->n < BALANCE_TRIES) return;
    balance_release(t->v[0]);
    memmove(t->v, t->v + 1, --t->n * sizeof t->v[0]);
}

void balance_tried_fini(struct balance_tried *t) {
    for (uint32_t i = 0; i < t->n; i++) balance_release(t->v[i]);
    t->n = 0;
}

void balance_refused(struct balance_endpoint *e, uint64_t now_us) {
    struct balance_health *h = e->health;
    uint32_t doublings = h->failures < 8 ? h->failures : 8;
    h->failures++;
    h->shunned_until_us = now_us + num_min((uint64_t)BALANCE_SHUN_US << doublings, BALANCE_SHUN_US_MAX);
}
