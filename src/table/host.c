/* SPDX-License-Identifier: Apache-2.0 */
#include "table/host.h"

#include "http/http_uri.h"

static uint64_t step(uint64_t h, str segment) { return hash_bytes(segment.p, segment.n, h); }

/* Where the segment that begins after the slash at `at` ends. */
static size_t segment_end(str path, size_t at) { return at + 1 + str_find(str_from(path, at + 1), '/'); }

uint64_t host_path_hash(str path) {
    if (path.n && path.p[0] != '/') return step(1, path);
    uint64_t h = 0;
    for (size_t at = 0, end; at < path.n; at = end) {
        end = segment_end(path, at);
        h = step(h, (str){path.p + at + 1, end - at - 1});
    }
    return h;
}

uint32_t host_depth(str prefix) {
    uint32_t n = 0;
    for (size_t i = 0; i < prefix.n; i++) n += prefix.p[i] == '/';
    return n;
}

static void note_preflight(struct host_request *q) {
    const struct http_field *asked = http_msg_find(q->m, S("Access-Control-Request-Method"));
    if (asked && http_msg_find(q->m, S("Origin"))) q->preflight = (uint8_t)http_method_of(asked->value);
}

void host_request_init(struct host_request *q, const struct http_msg *m, struct arena *scratch,
                       struct table_work *work) {
    q->m = m;
    q->scratch = scratch;
    q->work = work;
    q->own = NULL;
    q->budget = REGEX_BUDGET;
    q->closed = NULL;
    q->preflight = HTTP_METHOD_OTHER;
    if (m->method_id == HTTP_OPTIONS) note_preflight(q);
    q->depth = 0;
    q->hashes[0] = q->hash = 0;
    q->ends[0] = 0;
    str path = m->path;
    if (path.n &&
        path.p[0] != '/') { /* "*": no path; only the prefix of everything takes it [RFC 9112 3.2.4] */
        q->hash = host_path_hash(path);
        return;
    }
    for (size_t at = 0, end; at < path.n; at = end) {
        end = segment_end(path, at);
        q->hash = step(q->hash, (str){path.p + at + 1, end - at - 1});
        if (q->depth == HOST_DEPTH_MAX) continue;
        q->hashes[++q->depth] = q->hash;
        q->ends[q->depth] = (uint32_t)end;
    }
}

static enum regex_verdict ask(const struct host_regex *r, str text, struct host_request *q) {
    if (!q->work) q->work = q->own = table_work_new();
    uint32_t before = q->budget;
    enum regex_verdict v = r->code ? regex_takes(r->code, text, q->work->regex, &q->budget) : REGEX_GIVEN_UP;
    q->work->spent += before - q->budget;
    q->work->searches++;
    q->work->given_up += v == REGEX_GIVEN_UP;
    return v;
}

static str value_of(const struct host_request *q, str name, bool query) {
    return query ? http_uri_query_param(q->scratch, q->m->query, name)
                 : http_msg_joined(q->m, q->scratch, name);
}

/* What an alternative says by expressions, which come last: they cost more than all else. */
static bool expressions_take(const struct host_paths *s, uint32_t at, struct host_request *q) {
    const struct host_alternative *a = &s->alternatives[at];
    const struct host_condition *c = s->conditions + a->conditions;
    enum regex_verdict all = REGEX_YES, v;
    if (at >= s->plain_n) all = ask(s->expressions[at - s->plain_n].regex, q->m->path, q);
    for (uint32_t i = 0; i < (uint32_t)a->headers_n + a->query_n; i++) {
        if (all == REGEX_NO || (all == REGEX_GIVEN_UP && !(a->traits & HOST_GUARDED))) return false;
        const struct host_regex *regex = host_condition_regex(&c[i]);
        if (!regex) continue;
        str text = value_of(q, host_condition_name(&c[i]), i >= a->headers_n);
        if (!text.p) return false;
        if ((v = ask(regex, text, q)) != REGEX_YES) all = v;
    }
    if (all == REGEX_GIVEN_UP && a->traits & HOST_GUARDED) q->closed = a;
    return all == REGEX_YES || q->closed == a;
}

static bool takes(const struct host_paths *s, uint32_t at, struct host_request *q) {
    const struct host_alternative *a = &s->alternatives[at];
    bool expressions = at >= s->plain_n;
    if (a->method != HTTP_METHOD_OTHER && a->method != q->m->method_id &&
        !(a->traits & HOST_CORS && a->method == q->preflight))
        return false;
    if (expressions && !str_starts(q->m->path, s->expressions[at - s->plain_n].literal)) return false;
    const struct host_condition *c = s->conditions + a->conditions;
    for (uint32_t i = 0; i < (uint32_t)a->headers_n + a->query_n; i++) {
        if (host_condition_regex(&c[i])) {
            expressions = true;
            continue;
        }
        str v = value_of(q, host_condition_name(&c[i]), i >= a->headers_n);
        if (!v.p || !str_eq(v, host_condition_value(&c[i]))) return false;
    }
    return !expressions || expressions_take(s, at, q);
}

static uint32_t first_by_choice(const struct host_paths *s, const struct host_choice *ch,
                                struct host_request *q, uint32_t bound);

/* The first position below bound that takes the request, or bound. Goes HOST_CHOICE_DEPTH_MAX deep at most: the builder sees to it. */
static uint32_t first_of_run(const struct host_paths *s, const struct host_run *r, struct host_request *q,
                             uint32_t bound) {
    if (!r->n || r->at[0] >= bound) return bound;
    if (r->choice) return first_by_choice(s, r->choice, q, bound);
    for (uint32_t i = 0; i < r->n && r->at[i] < bound; i++)
        if (takes(s, r->at[i], q)) return r->at[i];
    return bound;
}

static uint32_t first_by_choice(const struct host_paths *s, const struct host_choice *ch,
                                struct host_request *q, uint32_t bound) {
    str v = value_of(q, ch->name, ch->query);
    if (v.p) {
        for (uint32_t i = (uint32_t)hash_str(v) & ch->mask; ch->buckets[i].value.p; i = (i + 1) & ch->mask) {
            if (!str_eq(ch->buckets[i].value, v)) continue;
            bound = first_of_run(s, &ch->buckets[i].run, q, bound);
            break;
        }
    }
    return first_of_run(s, &ch->rest, q, bound);
}

static const struct host_path *find_path(const struct host_paths *s, str path, uint64_t key,
                                         enum host_kind kind) {
    uint32_t tag = host_tag(key);
    for (uint32_t i = (uint32_t)key & s->mask; s->slots[i]; i = (i + 1) & s->mask) {
        const struct host_path *p = &s->paths[s->slots[i] - 1];
        if (p->tag == tag && p->kind == kind && str_eq((str){p->p, p->n}, path)) return p;
    }
    return NULL;
}

/* The first position of the path below end that takes the request, or end. */
static uint32_t first_of_path(const struct host_paths *s, const struct host_path *p, struct host_request *q,
                              uint32_t end) {
    if (p->choice) return first_by_choice(s, p->choice, q, end);
    uint32_t at = p->first;
    while (at < end && !takes(s, at, q)) at++;
    return at;
}

static bool match_path(const struct table_host *h, struct host_request *q, str path, uint64_t key,
                       enum host_kind kind, struct table_match *ret) {
    const struct host_paths *s = h->shards[host_shard(key, h->shards_n)];
    const struct host_path *p = s ? find_path(s, path, key, kind) : NULL;
    if (!p) return false;
    uint32_t end = p->first + p->count, at = first_of_path(s, p, q, end);
    if (at == end) return false;
    const struct host_alternative *a = &s->alternatives[at];
    *ret = (struct table_match){a->rule, kind == HOST_PREFIX ? (uint32_t)path.n : UINT32_MAX, a == q->closed};
    return true;
}

static int order(uint64_t x, uint64_t y) { return x < y ? -1 : x > y; }

int host_expression_order(const struct host_paths *s, uint32_t at, const struct host_paths *t, uint32_t to) {
    const struct host_alternative *a = &s->alternatives[at], *b = &t->alternatives[to];
    const struct host_expression *x = &s->expressions[at - s->plain_n], *y = &t->expressions[to - t->plain_n];
    int d = order(y->regex->text.n, x->regex->text.n);
    if (!d) d = order(b->method != HTTP_METHOD_OTHER, a->method != HTTP_METHOD_OTHER);
    if (!d) d = order(b->headers_n, a->headers_n);
    if (!d) d = order(b->query_n, a->query_n);
    if (!d) d = order(x->age, y->age);
    if (!d) d = str_cmp(a->rule->route, b->rule->route);
    if (!d) d = order((uint64_t)a->rule->index, (uint64_t)b->rule->index);
    if (!d) d = order(x->match_at, y->match_at);
    return d;
}

struct place {
    const struct host_paths *s;
    uint32_t at;
};

/* The first position of the path that comes after the place. */
static uint32_t after(const struct host_paths *s, const struct host_path *p, struct place than) {
    uint32_t low = p->first, high = p->first + p->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (host_expression_order(s, middle, than.s, than.at) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Each literal that the path begins with, the longest first: what takes the request there, unless a better one did. */
static bool match_expressions(const struct table_host *h, struct host_request *q, struct table_match *ret) {
    str path = q->m->path;
    uint64_t hashes[HOST_LITERAL_MAX + 1];
    uint32_t n = 0, most = 63 - (uint32_t)__builtin_clzll(h->literals);
    hashes[0] = 1;
    for (; n < most && n < path.n; n++) hashes[n + 1] = host_literal_step(hashes[n], path.p[n]);
    struct place best = {0};
    for (uint32_t left = n + 1; left-- > 0;) {
        if (!(h->literals >> left & 1)) continue;
        uint64_t key = host_key(hashes[left], HOST_REGEX);
        const struct host_paths *s = h->shards[host_shard(key, h->shards_n)];
        const struct host_path *p = s ? find_path(s, str_upto(path, left), key, HOST_REGEX) : NULL;
        if (!p) continue;
        uint32_t end = best.s ? after(s, p, best) : p->first + p->count, at = first_of_path(s, p, q, end);
        if (at < end) best = (struct place){s, at};
    }
    if (!best.s) return false;
    const struct host_alternative *a = &best.s->alternatives[best.at];
    *ret = (struct table_match){a->rule, UINT32_MAX, a == q->closed};
    return true;
}

bool host_match(const struct table_host *h, struct host_request *q, struct table_match *ret) {
    if (h->exact && match_path(h, q, q->m->path, host_key(q->hash, HOST_EXACT), HOST_EXACT, ret)) return true;
    if (h->literals && match_expressions(h, q, ret)) return true;
    uint32_t depth = q->depth < h->deepest ? q->depth : h->deepest;
    for (uint32_t left = depth + 1; left-- > 0;) {
        if (!(h->depths >> host_depth_bit(left) & 1)) continue;
        str prefix = str_upto(q->m->path, q->ends[left]);
        if (match_path(h, q, prefix, host_key(q->hashes[left], HOST_PREFIX), HOST_PREFIX, ret)) return true;
    }
    return false;
}
