/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups for tests/gates/lookups.sh: N expressions on one host beside plain routes, then M times one request. In callgrind, what is spent
 * below look_up() is what they cost.      lookups literal|any|bad N M METHOD-HOST-PATH */
#include "../unit/compile/world.h"
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

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    struct world w;
    world_init(&w);
    world_listener(&w, "http", 80, "");
    uint64_t n, m;
    if (num_parse(str_of(argv[2]), 1000000, &n) != OK || num_parse(str_of(argv[3]), 1000000, &m) != OK)
        return 2;
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
