/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups for tests/gates/lookups.sh: N expressions on one host beside plain routes, then M times one request. In callgrind, what is spent
 * below look_up() is what they cost.      lookups literal|any|bad N M METHOD-HOST-PATH
 * Or N listeners of one port, each with a hostname and a certificate, then M times one server name.      lookups names N M NAME */
#include "../unit/compile/world.h"
#include "base/key_kind.h"
#include "base/num.h"

static void put(struct world *w, unsigned i, const char *kind) {
    char name[32], rules[128];
    snprintf(name, sizeof name, "r%05u", i);
    if (strcmp(kind, "literal") == 0)
        snprintf(rules, sizeof rules, "R /item-%05u-[a-z]+/.*", i);
    else if (strcmp(kind, "any") == 0)
        snprintf(rules, sizeof rules, "R .*/item-%05u-[a-z]+", i);
    else
        snprintf(rules, sizeof rules, "R /(a+)+(a+)+%05u[0-9]b", i);
    world_route(w, name, 1, "http", "h", rules);
}

/* What is counted: nothing may be moved out of it or into it. */
__attribute__((noinline, noclone)) static bool look_up(const struct world *w, const struct table_listener *l,
                                                       str host, const struct http_msg *q,
                                                       struct arena *scratch, struct table_work *work,
                                                       struct table_match *ret) {
    bool found = table_match(w->table, l, host, q, scratch, work, ret);
    __asm__ volatile("" ::: "memory");
    return found;
}

/* The same, for a server name. */
__attribute__((noinline, noclone)) static const struct table_certificate *
look_up_name(const struct table_port *p, str name) {
    const struct table_listener *l = table_listener_for(p, name);
    const struct table_certificate *c = l ? table_certificate_for(l, name, 1 << KEY_P256) : NULL;
    __asm__ volatile("" ::: "memory");
    return c;
}

static void put_name(struct world *w, unsigned i) {
    str *name = arena_array(w->a, str, 1);
    *name = arena_printf(w->a, "c%u.example.com", i);
    world_set(w, &(struct plan_certificate){.piece = {.kind = PLAN_CERTIFICATE, .key = *name},
                                            .chain_pem = *name,
                                            .key_pem = *name,
                                            .names = {name, 1},
                                            .key_kind = KEY_P256});
    world_set(w, &(struct plan_listener){
                     .piece = {.kind = PLAN_LISTENER, .key = arena_printf(w->a, "Gateway/infra/gw/%u", i)},
                     .gateway = S("infra/gw"),
                     .section = *name,
                     .bind_address = S(""),
                     .bind_port = 443,
                     .port = 443,
                     .protocol = PLAN_HTTPS,
                     .hostname = *name,
                     .certificates = {name, 1}});
}

static int names(struct world *w, unsigned n, unsigned m, str name) {
    for (unsigned i = 0; i < n; i++) put_name(w, i);
    world_apply(w, NULL);
    const struct table_socket *s;
    table_sockets(w->table, &s);
    const struct table_certificate *c = NULL;
    for (unsigned i = 0; i < m; i++) c = look_up_name(table_port(w->table, s->slot), name);
    if (!c || !str_eq(c->chain_pem, name)) return 1;
    printf("of %u certificates\n", n);
    world_fini(w);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    struct world w;
    world_init(&w);
    uint64_t n, m;
    if (num_parse(str_of(argv[2]), 1000000, &n) != OK || num_parse(str_of(argv[3]), 1000000, &m) != OK)
        return 2;
    if (strcmp(argv[1], "names") == 0) return names(&w, (unsigned)n, (unsigned)m, str_of(argv[4]));
    world_listener(&w, "http", 80, "");
    for (unsigned i = 0; i < n; i++) put(&w, i, argv[1]);
    world_route(&w, "plain", 1, "http", "h", "P /api/service | E /exact | P /");
    world_apply(&w, NULL);
    struct http_msg q;
    struct arena *a = arena_new(), *scratch = arena_new();
    const struct table_socket *s;
    str host;
    world_request(a, str_of(argv[4]), &q, &host);
    table_sockets(w.table, &s);
    const struct table_listener *l = table_listener_for(table_port(w.table, s->slot), host);
    struct table_work *work = table_work_new();
    struct table_match match = {0};
    for (uint64_t i = 0; i < m; i++) {
        if (!look_up(&w, l, host, &q, scratch, work, &match)) return 1;
        arena_reset(scratch);
    }
    printf(STR_FMT " searches=%llu given_up=%llu\n", STR_ARG(match.rule->route),
           (unsigned long long)(work->searches / m), (unsigned long long)(work->given_up / m));
    table_work_free(work);
    arena_free(a);
    arena_free(scratch);
    world_fini(&w);
    return 0;
}
