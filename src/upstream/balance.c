/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream/balance.h"

#include "upstream/upstream_core.h"

void balance_init(struct balance *b, uint64_t seed, void (*gone)(void *arg, struct balance_endpoint *e),
                  void (*disband)(void *arg, struct balance_backend *s), void *arg) {
    *b = (struct balance){.rng = {.state = seed}, .gone = gone, .disband = disband, .arg = arg};
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
    struct balance_load *l = e->load;
    if (--l->holds == 0) {
        map_take(&e->in->loads, (str){l->key, sizeof l->key});
        free(l);
    }
    free(e);
}

/* Its connections are no longer the backend's. */
static void leave(struct balance_endpoint *e) {
    if (!e->of) return;
    e->of->conns -= e->conns;
    gate_leave(&e->of->gate->conns, e->conns);
    e->of = NULL;
}

static void lose(struct balance *b, struct balance_endpoint *e) {
    leave(e);
    e->gone = true;
    e->vital = &e->load->own;
    b->gone(b->arg, e);
    balance_release(e);
}

static void forget(struct balance *b, struct balance_backend *s) {
    if (s->waiting_n || s->watch) b->disband(b->arg, s);
    for (uint32_t i = 0; i < s->n; i++) lose(b, s->v[i]);
    assert(!s->conns);
    free(s->v);
    free(s->name);
    *s = (struct balance_backend){0};
    link_init(&s->waiting);
}

void balance_fini(struct balance *b) {
    for (uint32_t i = 0; i < b->backends_n; i++) {
        if (!b->backends[i]) continue;
        forget(b, b->backends[i]);
        free(b->backends[i]);
    }
    free(b->backends);
    assert(!b->loads.n);
    map_fini(&b->loads);
    *b = (struct balance){0};
}

static void set_key(char *key, const struct table_endpoint *at) {
    memcpy(key, &at->ip, sizeof at->ip);
    memcpy(key + sizeof at->ip, &at->port, sizeof at->port);
}

static struct balance_endpoint *make(struct balance *b, const char *key) {
    struct balance_endpoint *e = base_zalloc(sizeof *e);
    struct balance_load *l = map_get(&b->loads, (str){key, BALANCE_KEY_BYTES});
    if (!l) {
        l = base_zalloc(sizeof *l);
        memcpy(l->key, key, sizeof l->key);
        map_put(&b->loads, (str){l->key, sizeof l->key}, l);
    }
    l->holds++;
    *e = (struct balance_endpoint){.in = b, .load = l, .holds = 1};
    return e;
}

/* The state becomes that of the table's endpoints; what stays keeps its connections and its figures. */
static void bring_up_to_date(struct balance *b, struct balance_backend *s, const struct table_endpoints *now,
                             uint64_t now_us) {
    struct map before;
    map_init(&before);
    for (uint32_t i = 0; i < s->n; i++)
        map_put(&before, (str){s->v[i]->load->key, BALANCE_KEY_BYTES}, s->v[i]);
    struct balance_endpoint **v = base_alloc((now->n ? now->n : 1) * sizeof(struct balance_endpoint *));
    for (uint32_t i = 0; i < now->n; i++) {
        char key[BALANCE_KEY_BYTES];
        set_key(key, &now->v[i]);
        v[i] = map_take(&before, (str){key, sizeof key});
        bool other = v[i] && s->reach_id != (now->reach ? now->reach->id : 0);
        if (!v[i]) v[i] = make(b, key);
        v[i]->at = now->v[i], v[i]->vital = now->v[i].health;
        v[i]->reach = now->reach, v[i]->of = s;
        health_seen(v[i]->vital, now_us);
        if (other) b->gone(b->arg, v[i]);
    }
    s->reach = now->reach, s->gate = now->gate;
    s->reach_id = now->reach ? now->reach->id : 0;
    map_each (it, &before) lose(b, it->value);
    map_fini(&before);
    free(s->v);
    s->v = v, s->n = now->n, s->version = now->version;
}

/* There is no table any more. */
static void detach(struct balance *b, struct balance_backend *s) {
    if (s && (s->waiting_n || s->watch)) b->disband(b->arg, s);
    for (uint32_t i = 0; s && i < s->n; i++) {
        leave(s->v[i]);
        s->v[i]->vital = &s->v[i]->load->own;
    }
}

void balance_adopt(struct balance *b, const struct table *t, uint64_t now_us) {
    b->table = t;
    for (uint32_t i = 0; !t && i < b->backends_n; i++) detach(b, b->backends[i]);
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
            bring_up_to_date(b, s, now, now_us);
        else
            forget(b, s);
    }
}

static struct balance_backend *state_of(struct balance *b, const struct table_backend *backend, bool known,
                                        uint64_t now_us) {
    if (!b->table || backend->slot >= b->backends_n) return NULL;
    struct balance_backend *s = b->backends[backend->slot];
    if (known) return s && s->id == backend->id ? s : NULL;
    if (!s) {
        s = b->backends[backend->slot] = base_zalloc(sizeof *s);
        link_init(&s->waiting);
    }
    if (s->id != backend->id) {
        forget(b, s);
        s->id = backend->id;
        s->name = str_dup(backend->name);
    }
    const struct table_endpoints *now = table_endpoints(b->table, backend->slot);
    if (now && now->version != s->version) bring_up_to_date(b, s, now, now_us);
    return s;
}

struct balance_backend *balance_state(struct balance *b, const struct table_backend *backend,
                                      uint64_t now_us) {
    return state_of(b, backend, false, now_us);
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

static void tell_of(const struct balance_backend *s, struct census *c, uint64_t now_us) {
    str name = s->n ? arena_str(c->arena, str_of(s->name)) : S("");
    for (uint32_t i = 0; i < s->n; i++) {
        const struct balance_endpoint *e = s->v[i];
        struct census_endpoint *to = census_add(c);
        if (!to) continue;
        *to = (struct census_endpoint){.backend = name,
                                       .ip = e->at.ip,
                                       .port = e->at.port,
                                       .view = health_view_of(e->vital, now_us),
                                       .requests = e->requests,
                                       .open = e->load->outstanding,
                                       .conns = e->conns,
                                       .waiting = s->waiting_n};
        memcpy(to->failures, e->failures, sizeof to->failures);
    }
}

bool balance_census(const struct balance *b, struct census *c, uint32_t slots_max, uint64_t now_us) {
    for (uint32_t n = 0; n < slots_max && c->slot < b->backends_n; n++, c->slot++)
        if (b->backends[c->slot]) tell_of(b->backends[c->slot], c, now_us);
    return c->slot >= b->backends_n;
}

bool balance_was_tried(const struct balance_tried *t, const struct balance_endpoint *e) {
    for (uint32_t i = 0; i < t->n; i++)
        if (t->v[i] == e) return true;
    return false;
}

static bool has_fewer(const struct balance_endpoint *x, const struct balance_endpoint *y) {
    return x->load->outstanding < y->load->outstanding;
}

/* Whose time is over gets the trial at once. */
static bool may_try(struct balance *b, struct balance_endpoint *e, uint64_t now_us) {
    if (!health_try(e->vital, now_us)) return false;
    b->counts.trials++;
    return true;
}

/* Are more of them out than may be? Then those that are left would have to carry too much, or it is us who are cut off. */
static bool too_many_out(struct balance *b, const struct balance_backend *s, const struct table_balancing *by,
                         uint64_t now_us) {
    uint32_t out = 0;
    for (uint32_t i = 0; i < s->n; i++) out += health_is_out(s->v[i]->vital, now_us);
    if ((uint64_t)out * 100 <= (uint64_t)s->n * by->share_percent) return false;
    b->counts.panics++;
    return true;
}

/* Rarely: one drawn was tried or is out. Of all that were not tried the best, or the next in turn; of those that are out only when there is
 * no other. */
static struct balance_endpoint *pick_of_all(struct balance *b, struct balance_backend *s,
                                            const struct table_balancing *by,
                                            const struct balance_tried *tried, uint64_t now_us) {
    bool panic = too_many_out(b, s, by, now_us), turns = by->order == TABLE_ROUND_ROBIN;
    struct balance_endpoint *best = NULL, *last = NULL;
    uint32_t from = turns ? s->turn % s->n : rng_below(&b->rng, s->n), at = from;
    for (uint32_t i = 0; i < s->n; i++) {
        struct balance_endpoint *e = s->v[(from + i) % s->n];
        if (balance_was_tried(tried, e)) continue;
        if (!panic && !health_is_in(e->vital)) {
            if (may_try(b, e, now_us)) return e;
            if (!last || has_fewer(e, last)) last = e;
        } else if (!best || (!turns && has_fewer(e, best))) {
            best = e;
            at = from + i;
        }
    }
    if (turns) s->turn = (at + 1) % s->n;
    return best ? best : last;
}

/* The next in turn, or the less loaded of two. Clean: it may be taken as it is, and so may the one that it was compared with. */
static struct balance_endpoint *draw(struct balance *b, struct balance_backend *s, enum table_order order,
                                     bool *ret_clean) {
    struct balance_endpoint *one, *two;
    if (order == TABLE_ROUND_ROBIN) {
        if (s->turn >= s->n) s->turn = 0;
        one = two = s->v[s->turn];
    } else {
        one = two = s->v[rng_below(&b->rng, s->n)];
        if (s->n > 1) two = s->v[rng_below(&b->rng, s->n)];
    }
    *ret_clean = health_is_in(one->vital) && health_is_in(two->vital);
    return has_fewer(two, one) ? two : one;
}

/* While it starts an endpoint is passed over, as often as its share is smaller than that of another one. Where all have come at the same time
 * none is. */
static bool starts_slowly(struct balance *b, const struct balance_backend *s,
                          const struct balance_endpoint *e, uint64_t slow_start_us, uint64_t now_us) {
    if (atomic_load_explicit(&e->vital->slow_us, memory_order_relaxed) != slow_start_us)
        atomic_store_explicit(&e->vital->slow_us, slow_start_us, memory_order_relaxed);
    uint32_t share = health_share(e->vital, slow_start_us, now_us);
    if (share == HEALTH_SHARE_FULL || s->n == 1) return false;
    const struct balance_endpoint *other = s->v[rng_below(&b->rng, s->n - 1)];
    if (other == e) other = s->v[s->n - 1];
    return rng_below(&b->rng, health_share(other->vital, slow_start_us, now_us)) >= share;
}

struct balance_endpoint *balance_pick(struct balance *b, const struct table_backend *backend,
                                      const struct table_balancing *by, const struct balance_tried *tried,
                                      bool known, uint64_t now_us) {
    enum { DRAWS = 4 };
    struct balance_backend *s = state_of(b, backend, known, now_us);
    if (!s || s->n == 0) return NULL;
    for (int draws = 1;; draws++) {
        bool clean;
        struct balance_endpoint *e = draw(b, s, (enum table_order)by->order, &clean);
        if (!clean || balance_was_tried(tried, e)) return pick_of_all(b, s, by, tried, now_us);
        s->turn++; /* no matter to those who do not go by turns */
        if (!by->slow_start_us || draws == DRAWS || !starts_slowly(b, s, e, by->slow_start_us, now_us))
            return e;
    }
}

struct balance_endpoint *balance_find(struct balance *b, const struct table_backend *backend,
                                      const struct table_endpoint *at, const struct balance_tried *tried,
                                      bool known, uint64_t now_us) {
    struct balance_backend *s = state_of(b, backend, known, now_us);
    for (uint32_t i = 0; s && i < s->n; i++) {
        struct balance_endpoint *e = s->v[i];
        if (e->at.port != at->port || !ip_eq(&e->at.ip, &at->ip)) continue;
        if (balance_was_tried(tried, e)) return NULL;
        return health_is_in(e->vital) || may_try(b, e, now_us) ? e : NULL;
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

void balance_fault(struct balance_endpoint *e, const struct table_balancing *by, enum health_fault f,
                   uint64_t now_us) {
    e->failures[f]++;
    e->in->counts.put_out += health_fault(e->vital, by ? by : &health_usual, f, now_us);
}

void balance_answered(struct balance_endpoint *e, const struct table_balancing *by, uint16_t status,
                      uint64_t now_us) {
    if (status >= 500 && by && by->statuses) {
        health_told(e->vital, REASON_NONE, status);
        balance_fault(e, by, HEALTH_STATUS, now_us);
        return;
    }
    e->failures[HEALTH_STATUS] += status >= 500;
    e->in->counts.back += health_well(e->vital, now_us);
}
