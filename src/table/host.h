/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/hash.h"
#include "table/table.h"
#include "text/regex.h"

/* The routes of one hostname in one listener: shards by path, each an immutable piece, so that a change among many routes of one host
 * makes one shard anew. In a shard: the paths by hash; for each path the alternatives in their order of precedence. Expressions stand under the
 * literal that all paths which they take begin with, so that a path meets those alone whose literal it has. */
struct host_regex {
    const struct regex *code; /* NULL: it can not be had here, and is given up whenever it is asked */
    uint32_t holds;           /* the builder's: by shards that live */
    str text;
};
#define HOST_BY_REGEX UINT32_MAX
struct host_condition { /* one for each there is: read by the functions below */
    const char *name;
    uint32_t name_n, value_n; /* value_n: HOST_BY_REGEX, or of a value */
    union {
        const char *value;
        const struct host_regex *regex;
    };
};
static inline str host_condition_name(const struct host_condition *c) { return (str){c->name, c->name_n}; }
/* NULL: it is the value itself that is wanted. */
static inline const struct host_regex *host_condition_regex(const struct host_condition *c) {
    return c->value_n == HOST_BY_REGEX ? c->regex : NULL;
}
static inline str host_condition_value(const struct host_condition *c) {
    return c->value_n == HOST_BY_REGEX ? c->regex->text : (str){c->value, c->value_n};
}
enum {
    HOST_GUARDED =
        1,         /* keeps requests out: who can not be told from those that it takes does not pass it by */
    HOST_CORS = 2, /* answers preflights: they count as of the method that they ask for */
};
struct host_alternative {
    const struct table_rule *rule;
    uint32_t conditions; /* index of the first: the headers, then the query parameters */
    uint8_t method;      /* enum http_method; HTTP_METHOD_OTHER = any */
    uint8_t headers_n, query_n;
    uint8_t traits; /* HOST_GUARDED, HOST_CORS */
};
/* The path of an alternative, and what decides between expressions of equal length besides what an alternative has. */
struct host_expression {
    const struct host_regex *regex;
    str literal;
    uint64_t age; /* seconds since 1970, UINT64_MAX: not known */
    uint32_t match_at;
};
/* Ascending positions of alternatives; with `choice` that finds the first of them in its own way. */
struct host_run {
    const uint32_t *at;
    uint32_t n;
    const struct host_choice *choice;
};
struct host_bucket {
    str value; /* p == NULL: free */
    struct host_run run;
};
/* A long list, told apart by the value of one header or query parameter. */
struct host_choice {
    str name;
    bool query;
    uint32_t mask;
    const struct host_bucket *buckets; /* by hash_str(value) */
    struct host_run rest;              /* those without a condition on it */
};
enum { HOST_CHOICE_MIN = 9, HOST_CHOICE_DEPTH_MAX = 4 };
enum host_kind { HOST_EXACT, HOST_PREFIX, HOST_REGEX };
struct host_path {
    const char *p; /* REGEX: the literal, HOST_LITERAL_MAX bytes of it at most */
    uint32_t n : 30, kind : 2;
    uint32_t tag; /* host_tag(key) */
    uint32_t first, count;
    const struct host_choice *choice; /* NULL: try one after the other */
};
struct host_paths {
    uint32_t paths_n, alternatives_n, conditions_n, mask;
    uint32_t plain_n;      /* alternatives before those of expressions */
    const uint32_t *slots; /* 0: free; else 1 + index of the path */
    const struct host_path *paths;
    const struct host_alternative *alternatives;
    const struct host_condition *conditions;
    const struct host_expression *expressions; /* by alternative, from plain_n on */
    struct arena *choices;                     /* NULL: none */
};
enum { HOST_LITERAL_MAX = 63 };
/* A prefix has at most so many segments: its bytes are at most 1,024 and none is empty [GW HTTPPathMatch.value]. */
enum { HOST_DEPTH_MAX = 512 };
struct table_host {
    str hostname;
    uint64_t depths;   /* bit min(k, 63): a prefix of k segments is there */
    uint64_t literals; /* bit k: an expression whose literal has k bytes is there */
    uint32_t deepest;
    bool exact; /* an exact path is there */
    uint32_t shards_n;
    const struct host_paths *shards[]; /* NULL: empty */
};

/* Hashes go segment by segment, so that those of all prefixes of a path are steps to that of the path. */
uint64_t host_path_hash(str path);
/* Segments of a prefix: "/a/b" 2, "" 0. */
uint32_t host_depth(str prefix);
static inline uint64_t host_key(uint64_t path_hash, enum host_kind kind) {
    return kind == HOST_PREFIX ? path_hash : hash_join(path_hash, kind == HOST_EXACT ? 1 : 2);
}
/* A literal's hash goes byte by byte, from 1 on. */
static inline uint64_t host_literal_step(uint64_t h, char c) { return hash_join(h, (unsigned char)c); }
static inline uint32_t host_shard(uint64_t key, uint32_t shards_n) {
    return (uint32_t)(key >> 40) & (shards_n - 1);
}
static inline uint32_t host_tag(uint64_t key) { return (uint32_t)(key >> 16); }
static inline uint32_t host_depth_bit(uint32_t depth) { return depth < 63 ? depth : 63; }

/* A request, prepared once for all the hosts that it is looked up in. */
struct host_request {
    const struct http_msg *m;
    struct arena *scratch;
    struct table_work *work, *own; /* own: made for this request, for the caller to free */
    uint32_t budget;               /* of expressions */
    uint8_t preflight;             /* enum http_method: what an OPTIONS asks leave for; OTHER: nothing */
    const struct host_alternative *closed; /* guarded, and not told from those that take the request */
    uint64_t hash;                         /* of the whole path */
    uint32_t depth;                        /* segments, at most HOST_DEPTH_MAX */
    uint64_t hashes[HOST_DEPTH_MAX + 1];
    uint32_t ends[HOST_DEPTH_MAX + 1]; /* bytes of the first k segments */
};
void host_request_init(struct host_request *q, const struct http_msg *m, struct arena *scratch,
                       struct table_work *work);
/* Precedence: exact path; longest expression; longest prefix; then the order of the alternatives. [GW HTTPRouteRule.matches] */
bool host_match(const struct table_host *h, struct host_request *q, struct table_match *ret);
/* The order of two alternatives by expression, of any shards of a host: <0, 0, >0. */
int host_expression_order(const struct host_paths *s, uint32_t at, const struct host_paths *t, uint32_t to);
