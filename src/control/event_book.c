/* SPDX-License-Identifier: Apache-2.0 */
#include "control/event_book.h"

#include "base/hash.h"
#include "base/map.h"
#include "base/num.h"

enum {
    TOLD_MAX = 1024, /* that a count is kept for */
    SAME_US = 600000000,
    NOTE_BYTES_MAX = 1024, /* [Kubernetes events.k8s.io/v1 Event.note] */
    OBJECT_BURST = 8,
    OBJECT_PACE_US = 15000000,
    ALL_BURST = 50,
    ALL_PACE_US = 200000,
    TEXT_BYTES_MAX = 1 << 16,
};

/* One that was emitted, in the place that its id gives it: another of that place takes it. */
struct told {
    uint64_t id;
    int64_t first_us, last_us;
    uint32_t count;
};
/* Until when an object's events are paid for, in the place that its name gives it: two that share one share a rate. */
struct event_book {
    struct event_book_config c;
    struct told told[TOLD_MAX];
    int64_t paid_us[TOLD_MAX], all_paid_us;
    uint64_t dropped;
};

struct noting {
    struct event_book *b;
    struct arena *a;
    enum api_kind kind;
    str ns, name;
    int64_t now_us;
    const struct node *listeners; /* of the status as it is now; NULL: it has none */
};

struct event_book *event_book_new(const struct event_book_config *c) {
    struct event_book *b = base_zalloc(sizeof *b);
    b->c = *c;
    return b;
}

void event_book_free(struct event_book *b) { free(b); }

uint64_t event_book_dropped(const struct event_book *b) { return b->dropped; }

static bool pay(int64_t *paid_us, int64_t now_us, int64_t pace_us, int64_t burst) {
    int64_t paid = *paid_us > now_us ? *paid_us : now_us;
    if (paid - now_us > pace_us * (burst - 1)) return false;
    *paid_us = paid + pace_us;
    return true;
}

static void emit(struct noting *n, bool warning, str action, str reason, str note) {
    struct event_book *b = n->b;
    uint64_t object = hash_join(hash_join(n->kind, hash_str(n->ns)), hash_str(n->name));
    uint64_t id = hash_join(hash_join(hash_join(object, hash_str(action)), hash_str(reason)), hash_str(note));
    struct told *t = &b->told[id % TOLD_MAX];
    bool again = t->id == id && n->now_us - t->last_us < SAME_US;
    if (!pay(&b->paid_us[object % TOLD_MAX], n->now_us, OBJECT_PACE_US, OBJECT_BURST) ||
        !pay(&b->all_paid_us, n->now_us, ALL_PACE_US, ALL_BURST)) {
        b->dropped++;
        return;
    }
    if (!again) *t = (struct told){.id = id, .first_us = n->now_us};
    t->last_us = n->now_us;
    t->count++;
    struct event_out e = {.kind = n->kind,
                          .ns = n->ns,
                          .name = n->name,
                          .warning = warning,
                          .reason = reason,
                          .action = action,
                          .note = note,
                          .id = hash_join(id, (uint64_t)t->first_us),
                          .count = t->count,
                          .first_us = t->first_us,
                          .now_us = n->now_us};
    b->c.emit(b->c.arg, &e);
}

/* Of these True is what should not be. */
static bool is_negative(str type) {
    static const char *const types[] = {"Conflicted", "OverlappingTLSConfig", "PartiallyInvalid"};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(type, str_of(types[i]))) return true;
    return false;
}

static bool is_bad(const struct node *c) {
    bool negative = is_negative(node_get_str(c, S("type")));
    return str_eq(node_get_str(c, S("status")), negative ? S("True") : S("False")) &&
           !str_eq(node_get_str(c, S("reason")), S("Pending")); /* on its way: the next says how it went */
}

static const struct node *of_type(const struct node *list, str type) {
    for (const struct node *c = list ? list->child : NULL; c; c = c->next)
        if (str_eq(node_get_str(c, S("type")), type)) return c;
    return NULL;
}

static bool says_the_same(const struct node *x, const struct node *y) {
    static const char *const keys[] = {"status", "reason", "message"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!str_eq(node_get_str(x, str_of(keys[i])), node_get_str(y, str_of(keys[i])))) return false;
    return true;
}

/* What is said twice of one thing is told once: that it is not programmed follows from what another condition says in the same words. */
static bool is_told_by_another(const struct node *list, const struct node *c) {
    if (!str_eq(node_get_str(c, S("reason")), S("Invalid"))) return false;
    for (const struct node *x = list->child; x; x = x->next)
        if (x != c && is_bad(x) && str_eq(node_get_str(x, S("message")), node_get_str(c, S("message"))))
            return true;
    return false;
}

static bool is_sum(str reason) {
    return str_eq(reason, S("ListenersNotResolved")) || str_eq(reason, S("ListenersNotValid")) ||
           str_eq(reason, S("Invalid"));
}

/* The same for what the whole says only because of one of its listeners. */
static bool is_told_by_a_listener(const struct noting *n, const struct node *c) {
    for (const struct node *l = n->listeners ? n->listeners->child : NULL; l; l = l->next) {
        const struct node *list = node_get(l, S("conditions"));
        for (const struct node *x = list ? list->child : NULL; x; x = x->next)
            if (is_bad(x) && (is_sum(node_get_str(c, S("reason"))) ||
                              str_eq(node_get_str(x, S("message")), node_get_str(c, S("message")))))
                return true;
    }
    return false;
}

/* A note ends at a whole character. */
static str fit(str s) {
    if (s.n <= NOTE_BYTES_MAX) return s;
    size_t n = NOTE_BYTES_MAX;
    while (n && ((unsigned char)s.p[n] & 0xC0) == 0x80) n--;
    return str_upto(s, n);
}

static void compare(struct noting *n, str where, const struct node *before, const struct node *after) {
    for (const struct node *c = after ? after->child : NULL; c; c = c->next) {
        str type = node_get_str(c, S("type")), reason = node_get_str(c, S("reason"));
        const struct node *old = of_type(before, type);
        if (old && says_the_same(old, c)) continue;
        str note = arena_printf(n->a, STR_FMT "%s" STR_FMT, STR_ARG(where), where.n ? ": " : "",
                                STR_ARG(node_get_str(c, S("message"))));
        bool told = is_told_by_another(after, c) || (!where.n && is_told_by_a_listener(n, c));
        if (is_bad(c) && !told) emit(n, true, type, reason, fit(note));
        bool up = n->kind == KIND_GATEWAY && !where.n && str_eq(type, S("Programmed")) &&
                  str_eq(node_get_str(c, S("status")), S("True"));
        if (up && (!old || !str_eq(node_get_str(old, S("status")), S("True"))))
            emit(n, false, type, reason, fit(note));
    }
}

static str text_of(struct arena *a, const struct node *n) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    if (n) node_json(&b, n, false);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static void compare_listeners(struct noting *n, const struct node *before, const struct node *after) {
    for (const struct node *l = after ? after->child : NULL; l; l = l->next) {
        str name = node_get_str(l, S("name"));
        const struct node *old = before ? before->child : NULL;
        while (old && !str_eq(node_get_str(old, S("name")), name)) old = old->next;
        compare(n, arena_printf(n->a, "listener " STR_FMT, STR_ARG(name)),
                old ? node_get(old, S("conditions")) : NULL, node_get(l, S("conditions")));
    }
}

/* "Gateway infra/gw, section http" */
static str where_is(struct arena *a, const struct node *ref) {
    str kind = node_get_str(ref, S("kind")), ns = node_get_str(ref, S("namespace")),
        section = node_get_str(ref, S("sectionName"));
    return arena_printf(a, STR_FMT " " STR_FMT "%s" STR_FMT "%s" STR_FMT,
                        STR_ARG(kind.n ? kind : S("Gateway")), STR_ARG(ns), ns.n ? "/" : "",
                        STR_ARG(node_get_str(ref, S("name"))), section.n ? ", section " : "",
                        STR_ARG(section));
}

static void compare_entries(struct noting *n, str ref, const struct node *before, const struct node *after) {
    for (const struct node *e = after ? after->child : NULL; e; e = e->next) {
        if (!str_eq(node_get_str(e, S("controllerName")), n->b->c.controller_name)) continue;
        const struct node *target = node_get(e, ref), *old = before ? before->child : NULL;
        str text = text_of(n->a, target);
        while (old && !(str_eq(node_get_str(old, S("controllerName")), n->b->c.controller_name) &&
                        str_eq(text_of(n->a, node_get(old, ref)), text)))
            old = old->next;
        compare(n, target ? where_is(n->a, target) : S(""), old ? node_get(old, S("conditions")) : NULL,
                node_get(e, S("conditions")));
    }
}

static const struct node *member(const struct node *n, str key) { return n ? node_get(n, key) : NULL; }

void event_book_note(struct event_book *b, enum api_kind kind, str ns, str name, const struct node *before,
                     const struct node *after, int64_t wall_us) {
    OWNED(arena) a = arena_new();
    struct noting n = {b, a, kind, ns, name, wall_us, member(after, S("listeners"))};
    compare(&n, S(""), member(before, S("conditions")), member(after, S("conditions")));
    compare_listeners(&n, member(before, S("listeners")), member(after, S("listeners")));
    compare_entries(&n, S("parentRef"), member(before, S("parents")), member(after, S("parents")));
    compare_entries(&n, S("ancestorRef"), member(before, S("ancestors")), member(after, S("ancestors")));
}
