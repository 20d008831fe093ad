/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for tests of compile/ and table/: a plan made from words, its table, requests made from words. */
#pragma once
#include "base/rng.h"
#include "compile/compile.h"
#include "http/http_uri.h"

struct world {
    struct arena *a;
    struct plan plan;
    struct plan_delta delta;
    struct compiler *compiler;
    struct table *table; /* the newest */
    struct compile_work work;
};

static inline void world_init(struct world *w) {
    *w = (struct world){.a = arena_new(), .compiler = compiler_new()};
    plan_init(&w->plan);
}

/* Applies what changed; the table before comes home unless *ret_before takes it. */
static inline void world_apply(struct world *w, struct table **ret_before) {
    struct table *before = w->table;
    w->plan.revision++;
    w->table = compile_apply(w->compiler, &w->plan, &w->delta, 0, &w->work);
    plan_delta_fini(&w->delta);
    if (ret_before)
        *ret_before = before;
    else if (before)
        compile_home(w->compiler, before);
}

static inline void world_bury(struct world *w) {
    for (struct compile_grave *g; (g = compile_retired(w->compiler));) compile_buried(w->compiler, g);
}

static inline void world_fini(struct world *w) {
    plan_delta_fini(&w->delta);
    if (w->table) compile_home(w->compiler, w->table);
    world_bury(w);
    compiler_free(w->compiler);
    plan_fini(&w->plan);
    arena_free(w->a);
}

static inline void world_set(struct world *w, const void *piece) {
    const struct plan_piece *p = piece;
    plan_set(&w->plan, p->kind, p->key, plan_pack(piece), &w->delta);
}

static inline void world_remove(struct world *w, enum plan_kind kind, const char *key) {
    plan_set(&w->plan, kind, arena_str(w->a, str_of(key)), NULL, &w->delta);
}

/* A listener of the Gateway infra/gw with the section as its name. */
static inline void world_listener(struct world *w, const char *section, int port, const char *hostname) {
    world_set(w,
              &(struct plan_listener){
                  .piece = {.kind = PLAN_LISTENER, .key = arena_printf(w->a, "Gateway/infra/gw/%s", section)},
                  .gateway = S("infra/gw"),
                  .section = arena_str(w->a, str_of(section)),
                  .bind_address = S(""),
                  .bind_port = port,
                  .port = port,
                  .protocol = PLAN_HTTP,
                  .hostname = arena_str(w->a, str_of(hostname)),
              });
}

static inline void world_endpoints(struct world *w, const char *backend, const char *const *addresses,
                                   uint32_t n) {
    struct plan_endpoint *v = arena_array(w->a, struct plan_endpoint, n ? n : 1);
    for (uint32_t i = 0; i < n; i++) v[i] = (struct plan_endpoint){str_of(addresses[i]), 8080};
    world_set(w, &(struct plan_endpoints){.piece = {.kind = PLAN_ENDPOINTS, .key = str_of(backend)},
                                          .endpoints = {v, n}});
}

static inline uint32_t world_pairs(struct world *w, str all, char mark, struct plan_value_match **ret) {
    struct plan_value_match *v = arena_array(w->a, struct plan_value_match, 16);
    uint32_t n = 0;
    while (all.n) {
        str word = str_cut(&all, ' ');
        if (word.n < 2 || word.p[0] != mark || word.p[1] != ':') continue;
        str name = str_from(word, 2), value;
        size_t sign = str_find(name, '='), tilde = str_find(name, '~');
        uint8_t type = tilde < sign ? PLAN_VALUE_REGEX : PLAN_VALUE_EXACT;
        name = str_upto(name, tilde < sign ? tilde : sign);
        value = str_from(word, 3 + name.n);
        v[n++] = (struct plan_value_match){type, arena_str(w->a, name), arena_str(w->a, value)};
    }
    *ret = v;
    return n;
}

/* "P /a GET h:x=1 q:y~2": P, E or R, path, method, headers, query parameters, "~" by expression. "P /" takes everything. */
static inline struct plan_match world_match(struct world *w, str s) {
    struct plan_match m = {0};
    str all = s;
    str kind = str_cut(&s, ' '), path = str_cut(&s, ' ');
    m.path_type = str_eq(kind, S("E"))   ? PLAN_PATH_EXACT
                  : str_eq(kind, S("R")) ? PLAN_PATH_REGEX
                                         : PLAN_PATH_PREFIX;
    m.path = str_eq(path, S("/")) && m.path_type == PLAN_PATH_PREFIX ? S("") : arena_str(w->a, path);
    for (size_t i = 0; i < m.path.n; i++)
        if (m.path.p[i] == 1) ((char *)m.path.p)[i] = '|'; /* which stands between rules */
    m.method = S("");
    str method = str_cut(&s, ' ');
    if (method.n && str_find(method, ':') == method.n) m.method = arena_str(w->a, method);
    m.headers.n = world_pairs(w, all, 'h', &m.headers.p);
    m.query.n = world_pairs(w, all, 'q', &m.query.p);
    return m;
}

static inline str world_word(str *all, char sep) {
    str s = str_trim(str_cut(all, sep));
    return s;
}

/* Rules are separated by "|", their matches by ";". Each rule's backend is "ns/NAME-I:80". */
static inline uint32_t world_rules(struct world *w, const char *name, const char *rules,
                                   struct plan_rule **ret) {
    struct plan_rule *v = arena_array(w->a, struct plan_rule, 16);
    uint32_t n = 0;
    for (str all = str_of(rules); all.p && n < 16; n++) {
        str rule = world_word(&all, '|');
        struct plan_match *m = arena_array(w->a, struct plan_match, 16);
        uint32_t matches = 0;
        while (rule.p) m[matches++] = world_match(w, world_word(&rule, ';'));
        struct plan_target *t = arena_make(w->a, struct plan_target);
        *t = (struct plan_target){.backend = arena_printf(w->a, "ns/%s-%u:80", name, n), .weight = 1};
        v[n] = (struct plan_rule){.index = n, .matches = {m, matches}, .targets = {t, 1}};
    }
    *ret = v;
    return n;
}

/* listeners: sections, by spaces. hosts: by spaces; "-" = none. */
static inline void world_route(struct world *w, const char *name, int64_t created_s, const char *listeners,
                               const char *hosts, const char *rules) {
    struct plan_route r = {.piece = {.kind = PLAN_ROUTE, .key = arena_printf(w->a, "HTTPRoute/ns/%s", name)},
                           .ns = S("ns"),
                           .name = arena_str(w->a, str_of(name)),
                           .created_s = created_s};
    str *h = arena_array(w->a, str, 16);
    uint32_t hosts_n = 0;
    for (str all = str_of(hosts); all.p;) {
        str one = str_cut(&all, ' ');
        h[hosts_n++] = str_eq(one, S("-")) ? S("") : arena_str(w->a, one);
    }
    r.attachments.p = arena_array(w->a, struct plan_attachment, 16);
    for (str all = str_of(listeners); all.p;) {
        str one = str_cut(&all, ' ');
        struct plan_attachment *at = &r.attachments.p[r.attachments.n++];
        at->listener = arena_printf(w->a, "Gateway/infra/gw/" STR_FMT, STR_ARG(one));
        at->hostnames.p = h;
        at->hostnames.n = hosts_n;
    }
    r.rules.n = world_rules(w, name, rules, &r.rules.p);
    world_set(w, &r);
}

/* "GET example.com /path?query name=value name=value"; the host "-" is none. */
static inline void world_request(struct arena *a, str s, struct http_msg *m, str *ret_host) {
    http_msg_init(m, a, true);
    m->method = str_cut(&s, ' ');
    m->method_id = (uint8_t)http_method_of(m->method);
    str host = str_cut(&s, ' ');
    *ret_host = str_eq(host, S("-")) ? S("") : host;
    str target = str_cut(&s, ' ');
    size_t mark = str_find(target, '?');
    m->path = str_upto(target, mark);
    m->query = mark < target.n ? str_from(target, mark) : S("");
    while (s.p) {
        str word = str_cut(&s, ' '), name = str_cut(&word, '=');
        http_msg_add(m, name, word);
    }
}

/* "name[rule]" of who takes the request on the table's port, "no route", "no listener", "no port". */
static inline str world_lookup(const struct table *t, int port, const char *request, struct arena *a) {
    struct http_msg m;
    str host;
    world_request(a, str_of(request), &m, &host);
    const struct table_socket *sockets;
    uint32_t n = table_sockets(t, &sockets), i = 0;
    while (i < n && sockets[i].port != port) i++;
    if (i == n) return S("no port");
    const struct table_listener *l = table_listener_for(table_port(t, sockets[i].slot), host);
    if (!l) return S("no listener");
    struct table_match match;
    if (!table_match(t, l, host, &m, a, NULL, &match)) return S("no route");
    str name = str_from(match.rule->route, sizeof "HTTPRoute/ns/" - 1);
    return arena_printf(a, STR_FMT "[%d]", STR_ARG(name), match.rule->index);
}

/* The dump as a C string, to free(). */
static inline char *world_dump(const struct table *t) {
    struct buf b;
    buf_init(&b, 64 << 20);
    table_dump(t, &b);
    assert(!b.overflow);
    char *s = str_dup(buf_str(&b));
    buf_fini(&b);
    return s;
}
