/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/index.h"
#include "base/map.h"
#include "compile/compile.h"
#include "table/host.h"
#include "table/spine.h"

/* What the compiler remembers between generations. Everything here is the builder's; what tables show is immutable once published. */

/* Numbers for things that come and go; a number given back is taken again. */
struct compiler_pool {
    uint32_t *free;
    uint32_t free_n, free_cap, next;
};
uint32_t compiler_take_slot(struct compiler_pool *p);
void compiler_give_slot(struct compiler_pool *p, uint32_t slot);

/* One of the spine's arrays in the making. */
struct compiler_array {
    struct spine_chunk **chunks;
    uint32_t n, cap;
};

enum compiler_death {
    DEATH_BLOCK,
    DEATH_RULE,
    DEATH_BACKEND,
    DEATH_PATHS,
    DEATH_CERTIFICATE,
    DEATH_REACH,
    DEATH_ENDPOINTS
};
struct compiler_dead {
    enum compiler_death how;
    void *p;
};
struct compiler_deads {
    struct compiler_dead *v;
    uint32_t n, cap;
};
struct compiler_generation { /* a table that is not yet freed */
    struct compiler_generation *next;
    struct spine *spine;
    bool home;
    struct compiler_deads deads; /* the next one did not show these any more */
};

struct compiler_certificate {
    const struct table_certificate *piece; /* NULL: named by a listener, not in the plan */
    struct compiler_listener **users;
    uint32_t users_n, users_cap;
    str key;
    char bytes[];
};
struct compiler_expression { /* there while a shard holds it */
    struct host_regex r;
    struct regex *code;
    char text[];
};
struct compiler_backend {
    struct table_backend b;
    const struct table_endpoints *endpoints;
    const struct table_reach *reach; /* held; NULL: as table_endpoints.reach */
    const struct budget *budget;     /* the same */
    bool in_plan, has_endpoints;
    struct gate_state gate;
    char name[];
};
struct compiler_health { /* there while endpoints of some backend show it */
    struct health h;
    uint32_t holds;
    char key[sizeof(struct ip) + sizeof(uint16_t)];
};
struct compiler_port { /* lives as long as the compiler: a slot belongs to one address and port for good */
    struct map by_hostname;   /* hostname -> the first struct compiler_listener of it */
    struct names *names;      /* of struct table_listener */
    struct table_port *piece; /* NULL: no listener */
    uint32_t slot;
    uint32_t listeners_n, tls_n, settings_n;
    uint16_t port;
    bool dirty;
    str address, key;
    char bytes[];
};
struct compiler_listener {            /* there while the plan has it or a route names it */
    const struct plan_listener *plan; /* held; NULL: only named */
    const struct table_listener *piece;
    struct table_rule *gate; /* that the piece shows; NULL: none */
    struct compiler_port *port;
    struct compiler_listener *next; /* of the same port and hostname, in the order of keys */
    struct map hosts;               /* hostname -> struct compiler_host */
    struct names *names;            /* of struct table_host */
    uint32_t id, slot;
    bool dirty; /* a certificate came or went */
    str key;
    char bytes[];
};

/* Who contributes to a shard of a host. v may hold routes twice, or ones that contribute no more, until the shard is made anew; it is dirty
 * then. */
struct compiler_shard {
    struct compiler_route **v;
    uint32_t n, cap;
    uint32_t deepest;
    uint64_t depths, literals;
    struct host_paths *piece;
    bool dirty, exact;
};
struct compiler_host {
    struct compiler_listener *listener;
    struct table_host *piece;
    uint32_t routes_n; /* that name it */
    uint32_t shards_n;
    struct compiler_shard *shards; /* &one when there is one */
    struct compiler_shard one;
    bool dirty;
    str hostname;
    char bytes[];
};
enum { COMPILER_ROUTE_FEW = 2 }; /* a rule and a host: what most routes have */
struct compiler_route {
    struct plan_piece *piece; /* held */
    uint64_t matches_hash;    /* of what hosts show of it, but for rules */
    uint32_t hosts_n : 31;
    uint32_t is_apart : 1; /* the pointers are in a block of their own */
    uint16_t rules_n;
    uint16_t stamp; /* compiler_stamp() */
    union {         /* rules, and behind them hosts */
        void *few[COMPILER_ROUTE_FEW];
        void **many;
    };
};
/* By index in the plan's route. */
static inline struct table_rule **compiler_route_rules(const struct compiler_route *r) {
    return (struct table_rule **)(void *)(r->is_apart ? r->many : (void **)(uintptr_t)r->few);
}
/* The hosts that the route is attached to, by address, each once; none when the route is gone. */
static inline struct compiler_host **compiler_route_hosts(const struct compiler_route *r) {
    return (struct compiler_host **)(void *)(compiler_route_rules(r) + r->rules_n);
}
/* Another one than any route has. */
void compiler_stamp(struct compiler *c);
struct compiler_grave {
    struct compile_grave grave;
    struct compiler_grave *before; /* in the list of those given out */
    struct table_rule **rules;
    uint32_t slots[];
};

struct compiler_tally {
    char *route; /* NULL: free */
    uint32_t epoch, rules;
    bool is_news;
};

struct compiler {
    uint64_t generation; /* in the making, or the last made */
    uint64_t ids;        /* the last given to anything whose number is never reused */
    uint16_t stamp;
    uint32_t listener_ids;
    uint64_t clients_version; /* table.clients_version */
    struct map listeners, certificates, ports;
    struct map expressions;         /* text -> struct compiler_expression */
    struct index routes;            /* struct compiler_route */
    struct compiler_tally *tallies; /* by number, from TABLE_TALLY_FIRST */
    uint32_t tallies_n, tallies_max, tally_news_n, tally_news_at;
    struct compiler_pool tally_slots;
    struct health_tally health_tally;
    struct index healths;  /* address and port -> struct compiler_health */
    struct index backends; /* struct compiler_backend */
    struct map reaches;    /* content -> struct compiler_reach */
    uint32_t system_trust; /* of them, how many go by the system's certificates */
    uint32_t budgets;      /* backends that have one */
    uint32_t checks;       /* listeners that want endpoints to be checked */
    struct compiler_pool rule_slots, backend_slots, host_slots;
    struct compiler_array port_array, host_array, endpoint_array;
    struct spine_sockets *sockets;
    bool sockets_dirty;
    struct compiler_generation *oldest, *newest;
    struct compiler_deads dying;   /* in the generation in the making */
    struct compiler_deads retired; /* rules for the next grave */
    struct compiler_grave *graves; /* given out, not buried */
    uint64_t *forgotten;           /* ids of certificates for the next grave */
    uint32_t forgotten_n, forgotten_cap;
    /* Of the pass. */
    struct compile_work *work;
    const struct plan *plan;
    struct arena *scratch;
    struct compiler_host **dirty_hosts;
    uint32_t dirty_hosts_n, dirty_hosts_cap;
    struct compiler_port **dirty_ports;
    uint32_t dirty_ports_n, dirty_ports_cap;
    struct compiler_route **gone_routes;
    uint32_t gone_routes_n, gone_routes_cap;
    uint32_t *touched;
    uint32_t touched_n, touched_cap;
};

/* Makes room for one more in v of n. */
#define COMPILER_ROOM(v, n, cap) ((v) = compiler_room((v), (n), &(cap), sizeof *(v)))
void *compiler_room(void *v, uint32_t n, uint32_t *cap, size_t size);
/* The piece is not shown from this generation on. */
void compiler_die(struct compiler *c, enum compiler_death how, void *piece);
/* An edit of names in this generation. */
struct names_edit compiler_edit(struct compiler *c);
void compiler_array_set(struct compiler *c, struct compiler_array *a, uint32_t slot, const void *piece);
/* After the pass: what died belongs to the newest table, or is disposed of when there is none. */
void compiler_settle(struct compiler *c);
void compiler_add_generation(struct compiler *c, struct spine *s);
void compiler_home(struct compiler *c, struct table *t);
void compiler_free_grave(struct compiler_grave *g); /* but for its rules */
void compiler_free_rule(struct compiler *c, struct table_rule *r);
