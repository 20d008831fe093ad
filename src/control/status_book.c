/* SPDX-License-Identifier: Apache-2.0 */
#include "control/status_book.h"

#include "api/status_merge.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/num.h"
#include "text/json.h"

enum {
    FLYING_MAX =
        64, /* writes on their way: the rest waits here, where it is merged with what comes meanwhile */
    PACE_US = 1000000,
    BURST = 3,
    RETRY_MIN_US = 1000000,
    RETRY_MAX_US = 60000000,
    HELD_US = 5000000,  /* after a conflict, when the newer object does not come */
    BETWEEN_US = 50000, /* what is pending between two tables is looked at again */
    KEY_BYTES_MAX = 600,
    STATUS_BYTES_MAX = 4 << 20,
};

enum entry_state { ENTRY_CLEAN, ENTRY_DIRTY, ENTRY_FLYING };
struct entry {
    struct heap_item due; /* on the heap while DIRTY and we lead */
    enum entry_state state;
    uint8_t failures;
    bool again;        /* FLYING: something changed meanwhile */
    bool seen;         /* FLYING: the server told of it meanwhile */
    bool here;         /* the server has it; else only we spoke of it */
    uint64_t paid_us;  /* until when its writes are paid for: PACE_US each */
    uint64_t after_us; /* not before */
    char *status;      /* of the server, as it wrote it; NULL: none */
    size_t status_n;
    char *sent, *base; /* FLYING: what we wrote, and in place of what */
    size_t sent_n, base_n;
    char version[24];
    uint16_t ns_n, key_n;
    char key[]; /* the kind as one byte, "ns/name" */
};
struct status_book {
    struct status_book_config c;
    struct map entries;
    struct heap dirty;
    bool leads;
    struct status_book_stats stats;
};

struct status_book *status_book_new(const struct status_book_config *c) {
    struct status_book *b = base_zalloc(sizeof *b);
    b->c = *c;
    return b;
}

static void free_entry(struct entry *e) {
    free(e->status);
    free(e->sent);
    free(e->base);
    free(e);
}

void status_book_free(struct status_book *b) {
    if (!b) return;
    map_each (it, &b->entries) free_entry(it->value);
    map_fini(&b->entries);
    heap_fini(&b->dirty);
    free(b);
}

/* Not given for names that no server has. */
static str key_of(char space[KEY_BYTES_MAX], enum api_kind kind, str ns, str name) {
    int n = snprintf(space, KEY_BYTES_MAX, "%c" STR_FMT "/" STR_FMT, (char)kind, STR_ARG(ns), STR_ARG(name));
    return n > 0 && n < KEY_BYTES_MAX ? (str){space, (size_t)n} : (str){0};
}

static struct entry *find(const struct status_book *b, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, ns, name);
    return key.p ? map_get(&b->entries, key) : NULL;
}

static struct entry *entry_for(struct status_book *b, enum api_kind kind, str ns, str name) {
    char space[KEY_BYTES_MAX];
    str key = key_of(space, kind, ns, name);
    struct entry *e = key.p ? map_get(&b->entries, key) : NULL;
    if (e || !key.p) return e;
    e = base_zalloc(sizeof *e + key.n);
    memcpy(e->key, key.p, key.n);
    e->key_n = (uint16_t)key.n;
    e->ns_n = (uint16_t)ns.n;
    map_put(&b->entries, (str){e->key, key.n}, e);
    return e;
}

static enum api_kind kind_of(const struct entry *e) { return (enum api_kind)e->key[0]; }
static str ns_of(const struct entry *e) { return (str){e->key + 1, e->ns_n}; }
static str name_of(const struct entry *e) {
    return (str){e->key + 2 + e->ns_n, (size_t)(e->key_n - 2 - e->ns_n)};
}

static uint64_t due_of(const struct entry *e) {
    uint64_t credit = (uint64_t)BURST * PACE_US;
    uint64_t paced = e->paid_us > credit ? e->paid_us - credit : 0;
    return num_max(paced, e->after_us);
}

static void mark(struct status_book *b, struct entry *e) {
    if (e->state == ENTRY_FLYING) {
        e->again = true;
        return;
    }
    e->state = ENTRY_DIRTY;
    if (b->leads && e->here) heap_set(&b->dirty, &e->due, due_of(e));
}

static void drop(struct status_book *b, struct entry *e) {
    heap_remove(&b->dirty, &e->due);
    map_take(&b->entries, (str){e->key, e->key_n});
    free_entry(e);
}

static void set_status(struct entry *e, str status) {
    free(e->status);
    e->status = status.n ? str_dup(status) : NULL;
    e->status_n = status.n;
}

static void set_version(struct entry *e, str version) {
    size_t n = version.n < sizeof e->version ? version.n : sizeof e->version - 1; /* a number of 64 bits */
    if (n) memcpy(e->version, version.p, n);
    e->version[n] = 0;
}

void status_book_seen(struct status_book *b, enum api_kind kind, str ns, str name, str resource_version,
                      str status) {
    struct entry *e = entry_for(b, kind, ns, name);
    if (!e) return;
    bool fresh = !e->here, held = !str_eq(str_of(e->version), resource_version);
    bool other = !str_eq((str){e->status, e->status_n}, status);
    e->here = true;
    set_version(e, resource_version);
    if (held) e->after_us = 0, e->failures = 0;
    if (e->state == ENTRY_FLYING) e->seen = true;
    if (other) set_status(e, status);
    if (fresh || other || e->state == ENTRY_DIRTY) mark(b, e);
}

void status_book_gone(struct status_book *b, enum api_kind kind, str ns, str name) {
    struct entry *e = find(b, kind, ns, name);
    if (!e) return;
    if (e->state != ENTRY_FLYING) {
        drop(b, e);
        return;
    }
    e->here = false; /* the answer lets it go, unless it comes back before */
    set_status(e, S(""));
}

void status_book_changed(struct status_book *b, enum api_kind kind, str ns, str name) {
    struct entry *e = find(b, kind, ns, name);
    if (e) mark(b, e); /* one that was not seen yet is looked at when it is */
}

void status_book_lead(struct status_book *b, bool leads) {
    if (b->leads == leads) return;
    b->leads = leads;
    map_each (it, &b->entries) {
        struct entry *e = it->value;
        if (leads)
            mark(b, e);
        else
            heap_remove(&b->dirty, &e->due);
    }
}

/* Nothing of ours stands there, and nothing is to. */
static bool is_foreign(const struct status_book *b, const struct entry *e, const void *ours) {
    if (ours) return false;
    str name = b->c.controller_name;
    return !e->status || !memmem(e->status, e->status_n, name.p, name.n);
}

static void send(struct status_book *b, struct entry *e, const struct node *merged, uint64_t now_us) {
    struct buf json;
    buf_init(&json, STATUS_BYTES_MAX);
    node_json(&json, merged, false);
    e->state = ENTRY_FLYING;
    e->again = e->seen = false;
    e->paid_us = num_max(e->paid_us, now_us) + PACE_US;
    e->sent = str_dup(buf_str(&json));
    e->sent_n = json.n;
    e->base = e->status ? str_dup((str){e->status, e->status_n}) : NULL;
    e->base_n = e->status_n;
    b->stats.flying++;
    struct status_write w = {kind_of(e), ns_of(e), name_of(e), str_of(e->version), buf_str(&json)};
    b->c.write(b->c.arg, &w);
    buf_fini(&json);
}

static bool says_pending(const struct node *n) {
    if (n->kind == NODE_MAP && str_eq(node_get_str(n, S("reason")), S("Pending"))) return true;
    for (const struct node *c = n->child; c; c = c->next)
        if (says_pending(c)) return true;
    return false;
}

static void look_at(struct status_book *b, struct entry *e, uint64_t now_us, int64_t now_s, bool between) {
    e->state = ENTRY_CLEAN;
    const void *ours = b->c.ours(b->c.arg, kind_of(e), ns_of(e), name_of(e));
    if (is_foreign(b, e, ours)) return;
    OWNED(arena) a = arena_new();
    struct node *existing = NULL;
    str why;
    if (e->status && json_parse(a, (str){e->status, e->status_n}, &existing, &why) != OK) existing = NULL;
    bool changed;
    const struct node *merged =
        status_merge(a, kind_of(e), existing, ours, b->c.controller_name, now_s, &changed);
    if (changed && between && says_pending(merged)) {
        e->after_us = now_us + BETWEEN_US;
        mark(b, e);
    } else if (changed) {
        send(b, e, merged, now_us);
    }
}

uint64_t status_book_flush(struct status_book *b, uint64_t now_us, int64_t now_s, bool between) {
    struct heap_item *first;
    while ((first = heap_first(&b->dirty)) && first->key <= now_us && b->stats.flying < FLYING_MAX) {
        heap_remove(&b->dirty, first);
        look_at(b, container_of(first, struct entry, due), now_us, now_s, between);
    }
    first = heap_first(&b->dirty);
    return first && first->key > now_us ? first->key : UINT64_MAX; /* an answer calls for the next */
}

static void tell_written(struct status_book *b, const struct entry *e) {
    OWNED(arena) a = arena_new();
    struct node *before = NULL, *after = NULL;
    str why;
    if (!b->c.written || json_parse(a, (str){e->sent, e->sent_n}, &after, &why) != OK) return;
    if (e->base && json_parse(a, (str){e->base, e->base_n}, &before, &why) != OK) before = NULL;
    b->c.written(b->c.arg, kind_of(e), ns_of(e), name_of(e), before, after);
}

static void landed(struct status_book *b, struct entry *e, enum status_outcome outcome, str version,
                   uint64_t now_us) {
    switch (outcome) {
    case STATUS_WRITTEN:
        b->stats.written++;
        e->failures = 0;
        tell_written(b, e);
        if (e->seen) break; /* that is as new, or newer */
        set_status(e, (str){e->sent, e->sent_n});
        if (version.n) set_version(e, version);
        break;
    case STATUS_CONFLICT:
        b->stats.conflicts++;
        if (!e->seen) e->after_us = now_us + HELD_US;
        e->again = true;
        break;
    case STATUS_GONE: /* its end is going to be told, unless it was and another one has come since */
        e->again = e->seen;
        break;
    case STATUS_FAILED:
        b->stats.failures++;
        e->after_us = now_us + num_min((uint64_t)RETRY_MIN_US << e->failures, RETRY_MAX_US);
        if (e->failures < 6) e->failures++;
        e->again = true;
        break;
    }
}

void status_book_done(struct status_book *b, enum api_kind kind, str ns, str name,
                      enum status_outcome outcome, str resource_version, uint64_t now_us) {
    struct entry *e = find(b, kind, ns, name);
    if (!e || e->state != ENTRY_FLYING) return;
    b->stats.flying--;
    e->state = ENTRY_CLEAN;
    if (e->here)
        landed(b, e, outcome, resource_version, now_us);
    else
        b->stats.written += outcome == STATUS_WRITTEN;
    free(TAKE(e->sent));
    free(TAKE(e->base));
    if (!e->here)
        drop(b, e);
    else if (e->again)
        mark(b, e);
}

struct status_book_stats status_book_stats(const struct status_book *b) {
    struct status_book_stats s = b->stats;
    s.objects = (uint32_t)b->entries.n;
    s.waiting = b->dirty.n;
    return s;
}
