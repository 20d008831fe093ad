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

void host_request_init(struct host_request *q, const struct http_msg *m, struct arena *scratch) {
    q->m = m;
    q->scratch = scratch;
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

static bool condition_holds(const struct host_request *q, const struct host_condition *c, bool query) {
    str v = query ? http_uri_query_param(q->scratch, q->m->query, c->name)
                  : http_msg_joined(q->m, q->scratch, c->name);
    return v.p && str_eq(v, c->value);
}

static bool takes(const struct host_paths *s, const struct host_alternative *a,
                  const struct host_request *q) {
    if (a->method != HTTP_METHOD_OTHER && a->method != q->m->method_id) return false;
    const struct host_condition *c = s->conditions + a->conditions;
    for (uint32_t i = 0; i < a->headers_n; i++)
        if (!condition_holds(q, &c[i], false)) return false;
    c += a->headers_n;
    for (uint32_t i = 0; i < a->query_n; i++)
        if (!condition_holds(q, &c[i], true)) return false;
    return true;
}

static uint32_t first_by_choice(const struct host_paths *s, const struct host_choice *ch,
                                const struct host_request *q, uint32_t bound);

/* The first position below bound that takes the request, or bound. Goes HOST_CHOICE_DEPTH_MAX deep at most: the builder sees to it. */
static uint32_t first_of_run(const struct host_paths *s, const struct host_run *r,
                             const struct host_request *q, uint32_t bound) {
    if (!r->n || r->at[0] >= bound) return bound;
    if (r->choice) return first_by_choice(s, r->choice, q, bound);
    for (uint32_t i = 0; i < r->n && r->at[i] < bound; i++)
        if (takes(s, &s->alternatives[r->at[i]], q)) return r->at[i];
    return bound;
}

static uint32_t first_by_choice(const struct host_paths *s, const struct host_choice *ch,
                                const struct host_request *q, uint32_t bound) {
    str v = ch->query ? http_uri_query_param(q->scratch, q->m->query, ch->name)
                      : http_msg_joined(q->m, q->scratch, ch->name);
    if (v.p) {
        for (uint32_t i = (uint32_t)hash_str(v) & ch->mask; ch->buckets[i].value.p; i = (i + 1) & ch->mask) {
            if (!str_eq(ch->buckets[i].value, v)) continue;
            bound = first_of_run(s, &ch->buckets[i].run, q, bound);
            break;
        }
    }
    return first_of_run(s, &ch->rest, q, bound);
}

static const struct host_path *find_path(const struct host_paths *s, str path, uint64_t key, bool prefix) {
    uint32_t tag = host_tag(key);
    for (uint32_t i = (uint32_t)key & s->mask; s->slots[i]; i = (i + 1) & s->mask) {
        const struct host_path *p = &s->paths[s->slots[i] - 1];
        if (p->tag == tag && p->prefix == prefix && str_eq((str){p->p, p->n}, path)) return p;
    }
    return NULL;
}

static const struct table_rule *match_path(const struct table_host *h, const struct host_request *q, str path,
                                           uint64_t key, bool prefix) {
    const struct host_paths *s = h->shards[host_shard(key, h->shards_n)];
    const struct host_path *p = s ? find_path(s, path, key, prefix) : NULL;
    if (!p) return NULL;
    uint32_t end = p->first + p->count, at = p->first;
    if (p->choice)
        at = first_by_choice(s, p->choice, q, end);
    else
        while (at < end && !takes(s, &s->alternatives[at], q)) at++;
    return at < end ? s->alternatives[at].rule : NULL;
}

bool host_match(const struct table_host *h, const struct host_request *q, struct table_match *ret) {
    const struct table_rule *rule;
    if (h->exact && (rule = match_path(h, q, q->m->path, host_key(q->hash, false), false))) {
        *ret = (struct table_match){rule, UINT32_MAX};
        return true;
    }
    uint32_t depth = q->depth < h->deepest ? q->depth : h->deepest;
    for (uint32_t left = depth + 1; left-- > 0;) {
        if (!(h->depths >> host_depth_bit(left) & 1)) continue;
        str prefix = str_upto(q->m->path, q->ends[left]);
        rule = match_path(h, q, prefix, host_key(q->hashes[left], true), true);
        if (!rule) continue;
        *ret = (struct table_match){rule, q->ends[left]};
        return true;
    }
    return false;
}
