/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/verdicts.h"

#include "resolve/conditions.h"

/* generation, then for each parent:
 *   flags (which of namespace, section, port are there; is it a ListenerSet), name, [ns], [section], [port], three verdicts
 * a verdict is the byte 0 when it is good (or not there), else 1 + index of its reason, then its message. Numbers are
 * seven bits a byte, the least first; texts are a number and their bytes. */
static const char *const reasons[] = {
    "NotAllowedByListeners", "NoMatchingListenerHostname",
    "NoMatchingParent",      "UnsupportedValue",
    "IncompatibleFilters",   "RefNotPermitted",
    "InvalidKind",           "BackendNotFound",
    "UnsupportedProtocol",
};
enum { HAS_NS = 1, HAS_SECTION = 2, HAS_PORT = 4, IS_SET = 8 };
enum { PACKED_BYTES_MAX = 1 << 20 };

static void put_number(struct buf *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7) buf_add_char(b, (char)(v | 0x80));
    buf_add_char(b, (char)v);
}

static void put_str(struct buf *b, str s) {
    put_number(b, s.n);
    buf_add(b, s);
}

static void put_verdict(struct buf *b, struct verdict v) {
    uint64_t code = 0;
    for (size_t i = 0; v.reason && i < COUNT_OF(reasons); i++)
        if (strcmp(reasons[i], v.reason) == 0) code = i + 1;
    assert(!v.reason || code);
    put_number(b, code);
    if (code) put_str(b, v.message);
}

static uint64_t get_number(const char **at) {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t) * (*at)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
}

static str get_str(const char **at) {
    size_t n = get_number(at);
    str s = {*at, n};
    *at += n;
    return s;
}

static struct verdict get_verdict(const char **at) {
    uint64_t code = get_number(at);
    if (!code) return (struct verdict){0};
    return (struct verdict){reasons[code - 1], get_str(at)};
}

char *verdicts_pack(struct arena *a, int64_t generation, const struct parent_verdict *v, uint32_t n,
                    uint32_t *ret_n) {
    struct buf b;
    buf_init(&b, PACKED_BYTES_MAX);
    put_number(&b, (uint64_t)generation);
    for (uint32_t i = 0; i < n; i++) {
        const struct parent_ref *r = v[i].ref;
        buf_add_char(&b,
                     (char)((r->ns.n ? HAS_NS : 0) | (r->section_name.n ? HAS_SECTION : 0) |
                            (r->port.set ? HAS_PORT : 0) | (str_eq(r->kind, S("ListenerSet")) ? IS_SET : 0)));
        put_str(&b, r->name);
        if (r->ns.n) put_str(&b, r->ns);
        if (r->section_name.n) put_str(&b, r->section_name);
        if (r->port.set) put_number(&b, (uint64_t)r->port.v);
        put_verdict(&b, v[i].accepted);
        put_verdict(&b, v[i].refs);
        put_verdict(&b, v[i].partial);
    }
    assert(!b.overflow); /* messages are bounded by names and the count of parents by the schema */
    *ret_n = (uint32_t)b.n;
    char *packed = arena_bytes(a, b.n);
    memcpy(packed, b.p, b.n);
    buf_fini(&b);
    return packed;
}

static const char *expand_parent(struct arena *a, const char *at, int64_t generation,
                                 struct route_parent_status *st) {
    uint8_t flags = (uint8_t)*at++;
    st->parent_ref.group = S(RESOLVE_GROUP);
    st->parent_ref.kind = flags & IS_SET ? S("ListenerSet") : S("Gateway");
    st->parent_ref.name = arena_str(a, get_str(&at));
    if (flags & HAS_NS) st->parent_ref.ns = arena_str(a, get_str(&at));
    if (flags & HAS_SECTION) st->parent_ref.section_name = arena_str(a, get_str(&at));
    if (flags & HAS_PORT) st->parent_ref.port = (struct opt_int){(int64_t)get_number(&at), true};
    struct verdict accepted = get_verdict(&at), refs = get_verdict(&at), partial = get_verdict(&at);
    accepted.message = arena_str(a, accepted.message);
    refs.message = arena_str(a, refs.message);
    struct conditions c = conditions_begin(a, generation);
    conditions_judge(&c, "Accepted", accepted, "Accepted", S("the route is attached"));
    conditions_judge(&c, "ResolvedRefs", refs, "ResolvedRefs", S("all references are resolved"));
    if (partial.reason)
        conditions_add(&c, "PartiallyInvalid", CONDITION_TRUE, partial.reason, arena_str(a, partial.message));
    st->conditions.p = c.p, st->conditions.n = c.n;
    return at;
}

static struct route_parent_status *widen_parents(struct arena *a, const struct route_parent_status *v,
                                                 uint32_t *room) {
    uint32_t n = *room;
    *room = n ? n * 2 : 1;
    struct route_parent_status *wider = arena_array(a, struct route_parent_status, *room);
    if (n) memcpy(wider, v, n * sizeof *v);
    return wider;
}

struct route_status *verdicts_expand(struct arena *a, const char *packed, uint32_t n, str controller_name) {
    enum { PARENTS_MAX = 32 }; /* [GW CommonRouteSpec.parentRefs] */
    struct route_status *st = arena_make(a, struct route_status);
    const char *at = packed, *end = packed + n;
    int64_t generation = (int64_t)get_number(&at);
    uint32_t room = 0; /* most routes have one parent, and 32 of them are five kilobytes */
    while (at < end && st->parents.n < PARENTS_MAX) {
        if (st->parents.n == room) st->parents.p = widen_parents(a, st->parents.p, &room);
        struct route_parent_status *one = &st->parents.p[st->parents.n++];
        one->controller_name = arena_str(a, controller_name);
        at = expand_parent(a, at, generation, one);
    }
    return st;
}
