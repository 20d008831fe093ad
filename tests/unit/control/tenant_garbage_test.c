/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage of one tenant changes that tenant's objects only. Three tenants and the operator, each with a folder; mallory's is filled with what a seed
 * makes of good manifests, of the other tenants' manifests and of what parsers fear. Whatever that is: every status, piece of the plan and line of the
 * table that the others have without mallory is there to the byte, nothing is added within listeners that are theirs, and once mallory's
 * files are gone nothing is left of them. A seed that fails is printed; `tenant_garbage_test SEED [COUNT]` runs it again. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/num.h"
#include "base/rng.h"
#include "control/pipeline.h"
#include "files/files.h"

#define WORLD TESTS_DIR "/unit/control/tenant_garbage/"

enum { SEEDS = 120, STEPS = 3, FILES_MAX = 3, CHANGES_MAX = 8, TEXT_BYTES_MAX = 8 << 20 };
enum { NOW_S = 1800000000 };

static uint64_t first_seed = 1, seeds = SEEDS;

struct world {
    char dir[64];
    struct files *files;
    struct pipeline p;
    struct arena *a;
    str good[3]; /* alice's, mallory's and zoe's manifests */
};

static const char *const tenants[] = {"alice", "mallory", "zoe"};

/* Where it is first; s.n: nowhere. */
static size_t find_text(str s, str text) {
    const char *at = s.n ? memmem(s.p, s.n, text.p, text.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

/* ---- the folders ---- */

static str slurp(struct arena *a, const char *path) {
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    char *p = arena_bytes(a, 1 << 16);
    str s = {p, fread(p, 1, 1 << 16, f)};
    fclose(f);
    return s;
}

static const char *path_of(const struct world *w, const char *folder, const char *name) {
    return arena_printf(w->a, "%s/%s/%s", w->dir, folder, name).p;
}

static void write_file(const struct world *w, const char *folder, const char *name, str text) {
    const char *path = path_of(w, folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

static str name_tenant(struct arena *a, str text, const char *name) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    for (size_t at; (at = find_text(text, S("TENANT"))) < text.n; text = str_from(text, at + 6))
        buf_printf(&b, STR_FMT "%s", STR_ARG(str_upto(text, at)), name);
    buf_add(&b, text);
    str s = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return s;
}

static struct ip *no_addresses(size_t *ret_n) {
    *ret_n = 0;
    return NULL;
}

static void settle(struct world *w) {
    OWNED(arena) a = arena_new();
    struct findings f;
    struct files_work work;
    struct table *before = NULL;
    finding_init(&f, a);
    files_mark(w->files, S(""));
    files_read(w->files, w->p.store, &f, &work);
    if (pipeline_pass(&w->p, NOW_S, 0, &before)) pipeline_release(&w->p, before);
    for (struct compile_grave *g; (g = compile_retired(w->p.compiler));) compile_buried(w->p.compiler, g);
}

static int setup(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->a = arena_new();
    snprintf(w->dir, sizeof w->dir, "/tmp/tenant_garbage.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    struct files_root roots[4] = {{.path = path_of(w, "infra", ""), .tenant = NULL}};
    assert_int_equal(mkdir(roots[0].path, 0700), 0);
    write_file(w, "infra", "infra.yaml", slurp(w->a, WORLD "infra.yaml"));
    for (size_t i = 0; i < COUNT_OF(tenants); i++) {
        roots[i + 1] = (struct files_root){path_of(w, tenants[i], ""), tenants[i]};
        assert_int_equal(mkdir(roots[i + 1].path, 0700), 0);
        w->good[i] = name_tenant(w->a, slurp(w->a, WORLD "tenant.yaml"), tenants[i]);
        if (i != 1) write_file(w, tenants[i], "app.yaml", w->good[i]);
    }
    struct files_config c = {.roots = roots, .roots_n = COUNT_OF(roots), .own = no_addresses};
    w->files = files_new(&c);
    pipeline_init(&w->p, S("postern.dev/gateway-controller"));
    w->p.facts.revision_adopted = UINT64_MAX;
    settle(w);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    char command[128];
    files_free(w->files);
    pipeline_fini(&w->p);
    arena_free(w->a);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    int gone = system(command);
    free(w);
    return gone;
}

/* ---- what the others have ---- */

/* How many routes and sets are attached is the operator's to know, and includes mallory's. */
static void add_uncounted(struct buf *b, str json) {
    static const str counts[] = {S("\"attachedRoutes\":"), S("\"attachedListenerSets\":")};
    for (size_t i = 0; i < json.n;) {
        for (size_t k = 0; k < COUNT_OF(counts); k++) {
            if (!str_starts(str_from(json, i), counts[k])) continue;
            for (i += counts[k].n; i < json.n && json.p[i] >= '0' && json.p[i] <= '9';) i++;
        }
        buf_add_char(b, json.p[i++]);
    }
}

static void add_statuses(const struct pipeline *p, struct buf *b) {
    OWNED(arena) a = arena_new();
    struct buf json;
    buf_init(&json, TEXT_BYTES_MAX);
    for (enum api_kind kind = KIND_NONE + 1; kind < KIND_COUNT; kind++) {
        size_t n = 0;
        const struct api_type *t = api_type_of(kind);
        const struct store_key *v = store_keys(p->store, a, kind, &n);
        for (size_t i = 0; i < n; i++) {
            if (str_eq(v[i].ns, S("mallory"))) continue;
            const void *status =
                t->status_schema ? resolve_status(p->resolver, kind, v[i].ns, v[i].name) : NULL;
            buf_clear(&json);
            if (status) schema_json(&json, t->status_schema, status, false, false);
            buf_printf(b, "%s " STR_FMT "/" STR_FMT " ", t->name, STR_ARG(v[i].ns), STR_ARG(v[i].name));
            add_uncounted(b, buf_str(&json));
            buf_add_char(b, '\n');
        }
    }
    buf_fini(&json);
}

static void add_pieces(const struct plan *plan, struct buf *b) {
    OWNED(arena) a = arena_new();
    for (enum plan_kind k = 0; k < PLAN_KIND_COUNT; k++) {
        void **all = index_sorted(&plan->pieces[k]);
        for (uint32_t i = 0; i < plan->pieces[k].n; i++) {
            buf_printf(b, "%s ", plan_kind_name(k));
            schema_json(b, plan_schema(k), plan_open(a, all[i]), false, false);
            buf_add_char(b, '\n');
            arena_reset(a);
        }
        free(all);
    }
}

/* A route's number counts those of others as well: it is left out. */
static void add_table(const struct table *t, struct buf *b) {
    struct buf dump;
    buf_init(&dump, TEXT_BYTES_MAX);
    table_dump(t, &dump);
    for (str rest = buf_str(&dump); rest.n;) {
        str line = str_cut(&rest, '\n');
        if (str_starts(line, S("route   "))) {
            line = str_from(line, 8);
            str_cut(&line, ' ');
            buf_add(b, S("route "));
        }
        buf_printf(b, STR_FMT "\n", STR_ARG(line));
    }
    buf_fini(&dump);
}

/* A block to free(). */
static char *state_of(const struct world *w) {
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    add_statuses(&w->p, &b);
    add_pieces(&w->p.plan, &b);
    add_table(w->p.table, &b);
    char *text = str_dup(buf_str(&b));
    buf_fini(&b);
    return text;
}

static bool begins_theirs(str line) {
    return find_text(line, S("listener=infra/own/alice")) < line.n ||
           find_text(line, S("listener=infra/own/zoe")) < line.n ||
           find_text(line, S("listener=alice/more/")) < line.n;
}

/* Is each line of `wanted` in `got`, in that order, with no other one within a listener that is theirs? */
static void assert_untouched(const char *wanted, const char *got, uint64_t seed, unsigned step) {
    str want = str_of(wanted), have = str_of(got);
    bool theirs = false;
    for (str next = str_cut(&want, '\n'); next.p && have.n;) {
        str line = str_cut(&have, '\n');
        bool is_next = str_eq(line, next);
        if (str_starts(line, S("serve "))) theirs = begins_theirs(line);
        if (str_starts(line, S("listen "))) theirs = false;
        if (!is_next && theirs)
            fail_msg("seed %llu, step %u: a listener that is another's has \"" STR_FMT "\"",
                     (unsigned long long)seed, step, STR_ARG(line));
        if (is_next) next = want.n ? str_cut(&want, '\n') : (str){0};
        if (have.n || !next.p) continue;
        fail_msg("seed %llu, step %u: missing is \"" STR_FMT "\"", (unsigned long long)seed, step,
                 STR_ARG(next));
    }
}

/* ---- garbage ---- */

struct text {
    struct rng *rng;
    struct buf b;
};

static uint32_t below(struct text *t, size_t n) { return n ? rng_below(t->rng, (uint32_t)n) : 0; }

/* bytes from `at` on, `n` of them, become `s`. */
static void replace(struct text *t, size_t at, size_t n, str s) {
    struct buf b;
    str all = buf_str(&t->b);
    buf_init(&b, TEXT_BYTES_MAX);
    buf_add(&b, str_upto(all, at));
    buf_add(&b, s);
    buf_add(&b, str_from(all, at + n));
    buf_fini(&t->b);
    t->b = b;
}

static const str words[] = {S("null"),
                            S("~"),
                            S("[]"),
                            S("{}"),
                            S("-1"),
                            S("0"),
                            S("65536"),
                            S("99999999999999999999999"),
                            S("1e999"),
                            S("true"),
                            S("\"\""),
                            S("\" \""),
                            S("alice"),
                            S("zoe"),
                            S("infra"),
                            S("default"),
                            S("own"),
                            S("shared"),
                            S("app"),
                            S("more"),
                            S("bytes-alice"),
                            S("alice.example.com"),
                            S("www.zoe.example.com"),
                            S("\"*.alice.example.com\""),
                            S("\"*.com\""),
                            S("\"*\""),
                            S("&a"),
                            S("*a"),
                            S("&a [*a, *a]"),
                            S("<<: *a"),
                            S("!!binary aGk="),
                            S("!own/tag x"),
                            S("|"),
                            S(">-"),
                            S("\"\\u0000\""),
                            S("\xff\xfe"),
                            S("\"\\xf0\\x9f\""),
                            S("{name: app, namespace: alice, port: 80}"),
                            S("{name: shared, namespace: infra}"),
                            S("[{name: own, namespace: infra, sectionName: alice}]"),
                            S("\"/((((a*)*)*)*)*\""),
                            S("\"[\""),
                            S("0.0.0.0"),
                            S("127.0.0.1"),
                            S("169.254.169.254"),
                            S("Gateway"),
                            S("GatewayClass"),
                            S("HTTPRoute"),
                            S("ReferenceGrant"),
                            S("ListenerSet"),
                            S("EndpointSlice"),
                            S("2006-01-02T15:04:05Z"),
                            S("\"1.5h\""),
                            S("%YAML 9.9")};

static str word(struct text *t) { return words[below(t, COUNT_OF(words))]; }

/* The n-th line from a random place: where it begins, its length with the line end. */
static size_t some_line(struct text *t, size_t *ret_n) {
    str all = buf_str(&t->b);
    size_t at = below(t, all.n);
    while (at && all.p[at - 1] != '\n') at--;
    size_t n = str_find(str_from(all, at), '\n');
    *ret_n = at + n < all.n ? n + 1 : all.n - at;
    return at;
}

static void truncate_it(struct text *t) { replace(t, below(t, t->b.n), SIZE_MAX / 2, S("")); }

static void scribble(struct text *t) {
    for (uint32_t n = 1 + below(t, 20); n && t->b.n; n--) t->b.p[below(t, t->b.n)] = (char)below(t, 256);
}

static void give_value(struct text *t) {
    str all = buf_str(&t->b);
    size_t from = below(t, all.n), at = from + find_text(str_from(all, from), S(": ")), n = 0;
    if (at + 2 >= all.n) return;
    for (at += 2; at + n < all.n && !strchr("\n,}]", all.p[at + n]);) n++;
    replace(t, at, n, word(t));
}

static void drop_line(struct text *t) {
    size_t n, at = some_line(t, &n);
    replace(t, at, n, S(""));
}

static void repeat_line(struct text *t) {
    struct buf b;
    size_t n, at = some_line(t, &n);
    str line = str_upto(str_from(buf_str(&t->b), at), n);
    buf_init(&b, TEXT_BYTES_MAX);
    for (uint32_t times = 2 + (below(t, 8) ? below(t, 20) : below(t, 2000)); times; times--)
        buf_add(&b, line);
    replace(t, at, n, buf_str(&b));
    buf_fini(&b);
}

static void move_line(struct text *t) {
    size_t n, at = some_line(t, &n);
    replace(t, at, 0, below(t, 2) ? S("    ") : S("\t"));
}

static void add_word(struct text *t) { replace(t, below(t, t->b.n), 0, word(t)); }

static void bomb(struct text *t) {
    buf_add(&t->b, S("\n---\na0: &a0 [x, x, x, x, x, x, x, x, x]\n"));
    for (int i = 1; i < 12; i++)
        buf_printf(&t->b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
}

static void deepen(struct text *t) {
    buf_add(&t->b, S("\n---\nspec: "));
    for (uint32_t n = 10 + below(t, 5000); n; n--) buf_add_char(&t->b, below(t, 2) ? '[' : '{');
}

/* Routes for the others' names, on whatever there is, to what is theirs. */
static void grab(struct text *t) {
    static const char *const parents[] = {"{name: own, namespace: infra}",
                                          "{name: own, namespace: infra, sectionName: alice}",
                                          "{name: own, namespace: infra, sectionName: bytes-zoe}",
                                          "{name: own, namespace: infra, port: 80}",
                                          "{name: shared, namespace: infra}",
                                          "{kind: ListenerSet, name: more, namespace: alice}",
                                          "{kind: Service, group: \"\", name: app, namespace: alice}"};
    static const char *const kinds[] = {"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"};
    uint32_t many = below(t, 10) ? 1 + below(t, 6) : 200 + below(t, 400);
    for (uint32_t i = 0; i < many; i++) {
        const char *owner = below(t, 2) ? "alice" : "zoe";
        uint32_t hosts = below(t, 12) ? 1 : 100;
        buf_printf(&t->b,
                   "\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: %s\nmetadata: {name: grab-%u, "
                   "creationTimestamp: \"2001-01-01T00:00:00Z\"}\n"
                   "spec:\n  parentRefs: [%s]\n  hostnames: [",
                   kinds[below(t, COUNT_OF(kinds))], below(t, 1000), parents[below(t, COUNT_OF(parents))]);
        for (uint32_t h = 0; h < hosts; h++)
            buf_printf(&t->b, "%swww%s%u.%s.example.com", h ? "," : "", h ? "x" : "", h, owner);
        buf_printf(
            &t->b,
            ", www.%s.example.com, \"*.example.com\"]\n  rules: [{backendRefs: [{name: app, namespace: %s, "
            "port: 80}]}]\n",
            owner, owner);
    }
}

/* Others' files, whole, as if they were one's own, and ListenerSets with others' ports and names. */
static void copy_others(struct text *t, const struct world *w) {
    buf_add(&t->b, S("\n---\n"));
    buf_add(&t->b, w->good[below(t, 2) * 2]);
    if (below(t, 2))
        buf_add(&t->b, S("\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: "
                         "{name: aaa}\nspec:\n"
                         "  parentRef: {name: shared, namespace: infra}\n  listeners:\n"
                         "  - {name: a, port: 80, protocol: HTTP, hostname: \"*.zoe.example.com\"}\n"
                         "  - {name: b, port: 82, protocol: HTTP}\n  - {name: c, port: 81, protocol: TCP}\n"
                         "  - {name: d, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: site, "
                         "namespace: alice}]}}\n"));
    if (below(t, 2)) buf_add(&t->b, S("\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: alice}\n"));
    if (below(t, 2))
        buf_add(&t->b, S("\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: app, "
                         "namespace: alice, "
                         "labels: {kubernetes.io/service-name: app}}\naddressType: IPv4\nports: [{name: "
                         "http, port: 1}]\n"
                         "endpoints: [{addresses: [\"10.6.6.6\"]}]\n"));
}

static void change(struct text *t, const struct world *w) {
    static void (*const changes[])(struct text *) = {scribble,    give_value,  give_value, give_value,
                                                     drop_line,   repeat_line, move_line,  add_word,
                                                     truncate_it, grab,        bomb,       deepen};
    uint32_t which = below(t, COUNT_OF(changes) + 1);
    if (which == COUNT_OF(changes))
        copy_others(t, w);
    else if (t->b.n)
        changes[which](t);
}

static void write_garbage(const struct world *w, struct rng *rng) {
    static const char *const names[FILES_MAX] = {"a.yaml", "b.yml", "c.json"};
    for (uint32_t i = 0, n = 1 + rng_below(rng, FILES_MAX); i < FILES_MAX; i++) {
        if (i >= n) {
            unlink(path_of(w, "mallory", names[i]));
            continue;
        }
        struct text t = {.rng = rng};
        buf_init(&t.b, TEXT_BYTES_MAX);
        buf_add(&t.b, w->good[1]);
        for (uint32_t k = 1 + rng_below(rng, CHANGES_MAX); k; k--) change(&t, w);
        write_file(w, "mallory", names[i], buf_str(&t.b));
        buf_fini(&t.b);
    }
}

static void clear_garbage(const struct world *w) {
    static const char *const names[] = {"app.yaml", "a.yaml", "b.yml", "c.json"};
    for (size_t i = 0; i < COUNT_OF(names); i++) unlink(path_of(w, "mallory", names[i]));
}

static void only_that_tenants_objects_change(void **state) {
    struct world *w = *state;
    char *wanted = state_of(w);
    assert_true(find_text(str_of(wanted), S("-> HTTPRoute/zoe/app[0]")) < strlen(wanted));
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        struct rng rng = {.state = seed};
        write_file(w, "mallory", "app.yaml", w->good[1]);
        settle(w);
        for (unsigned step = 0; step <= STEPS; step++) {
            char *got = state_of(w);
            assert_untouched(wanted, got, seed, step);
            free(got);
            if (step == 0) clear_garbage(w);
            if (step == STEPS) break;
            write_garbage(w, &rng);
            settle(w);
        }
        clear_garbage(w);
        settle(w);
        char *got = state_of(w);
        if (strcmp(got, wanted) != 0) {
            fprintf(stderr, "--- wanted\n%s--- got\n%s", wanted, got);
            fail_msg("seed %llu leaves something behind", (unsigned long long)seed);
        }
        free(got);
    }
    free(wanted);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_that_tenants_objects_change, setup, teardown)};
    if (argc > 1 && num_parse(str_of(argv[1]), UINT32_MAX, &first_seed) != OK) return 2;
    if (argc > 1) seeds = 1;
    if (argc > 2 && num_parse(str_of(argv[2]), UINT32_MAX, &seeds) != OK) return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
