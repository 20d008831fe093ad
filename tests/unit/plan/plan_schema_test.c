/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "plan/plan.h"

/* Each field of a piece is in its table: a change of it is a change of the hash, and packing keeps it. */
#define CHANGES(type, kind_, field, value)                                                                   \
    do {                                                                                                     \
        struct type x_ = {.piece = {.kind = kind_, .key = S("k")}}, y_ = x_;                                 \
        y_.field = value;                                                                                    \
        struct plan_piece *px_ = plan_pack(&x_), *py_ = plan_pack(&y_);                                      \
        if (px_->hash == py_->hash) fail_msg(#type "." #field " is not in its table");                       \
        plan_release(px_), plan_release(py_);                                                                \
    } while (0)

static void test_flat_fields(void **state) {
    (void)state;
    CHANGES(plan_listener, PLAN_LISTENER, gateway, S("x"));
    CHANGES(plan_listener, PLAN_LISTENER, section, S("x"));
    CHANGES(plan_listener, PLAN_LISTENER, bind_address, S("x"));
    CHANGES(plan_listener, PLAN_LISTENER, bind_port, 1);
    CHANGES(plan_listener, PLAN_LISTENER, port, 1);
    CHANGES(plan_listener, PLAN_LISTENER, protocol, PLAN_HTTPS);
    CHANGES(plan_listener, PLAN_LISTENER, hostname, S("x"));
    CHANGES(plan_listener, PLAN_LISTENER, tls_min, PLAN_TLS_1_3);
    CHANGES(plan_listener, PLAN_LISTENER, tls_max, PLAN_TLS_1_3);
    CHANGES(plan_certificate, PLAN_CERTIFICATE, key_kind, KEY_RSA);
    CHANGES(plan_certificate, PLAN_CERTIFICATE, ocsp, S("x"));
    CHANGES(plan_route, PLAN_ROUTE, ns, S("x"));
    CHANGES(plan_route, PLAN_ROUTE, name, S("x"));
    CHANGES(plan_route, PLAN_ROUTE, created_s, 1);
    CHANGES(plan_backend, PLAN_BACKEND, ns, S("x"));
    CHANGES(plan_backend, PLAN_BACKEND, name, S("x"));
    CHANGES(plan_backend, PLAN_BACKEND, port, 1);
    CHANGES(plan_backend, PLAN_BACKEND, protocol, PLAN_BACKEND_HTTP);
    CHANGES(plan_backend, PLAN_BACKEND, external, S("x"));
    CHANGES(plan_backend, PLAN_BACKEND, retry_budget, (&(struct plan_retry_budget){.percent = 20}));
    CHANGES(plan_backend, PLAN_BACKEND, tls, (&(struct plan_backend_tls){.client_certificate = S("x")}));
    CHANGES(plan_certificate, PLAN_CERTIFICATE, chain_pem, S("x"));
    CHANGES(plan_certificate, PLAN_CERTIFICATE, key_pem, S("x"));
    CHANGES(plan_certificate, PLAN_CERTIFICATE, not_after_s, 1);
}

/* A route with everything set, and then one leaf after another changed. */
struct full {
    struct plan_value_match header, query;
    struct plan_match match;
    struct plan_header set, add;
    str remove, text;
    int64_t code;
    struct plan_mirror mirror;
    struct plan_cors cors;
    struct plan_auth auth;
    struct plan_filter filter;
    struct plan_session session;
    struct plan_target target;
    struct plan_retry retry;
    struct plan_rule rule;
    struct plan_attachment attachment;
    str hostname;
    struct plan_route route;
};

static void fill(struct full *f) {
    *f = (struct full){0};
    f->header = f->query = (struct plan_value_match){PLAN_VALUE_EXACT, S("n"), S("v")};
    f->match = (struct plan_match){PLAN_PATH_EXACT, S("/p"), S("GET"), {&f->header, 1}, {&f->query, 1}};
    f->set = f->add = (struct plan_header){S("n"), S("v")};
    f->remove = S("r");
    f->text = S("t");
    f->code = 500;
    f->mirror = (struct plan_mirror){S("b"), 1, 2};
    f->cors = (struct plan_cors){.origins = {&f->text, 1}};
    f->auth = (struct plan_auth){.protocol = PLAN_AUTH_HTTP, .backend = S("b")};
    f->filter = (struct plan_filter){.type = PLAN_FILTER_REDIRECT,
                                     .set = {&f->set, 1},
                                     .add = {&f->add, 1},
                                     .remove = {&f->remove, 1},
                                     .mirror = &f->mirror,
                                     .cors = &f->cors,
                                     .auth = &f->auth};
    f->session = (struct plan_session){.type = PLAN_SESSION_COOKIE, .name = S("n")};
    f->target = (struct plan_target){.backend = S("b"), .filters = {&f->filter, 1}, .session = &f->session};
    f->retry = (struct plan_retry){.codes = {&f->code, 1}, .attempts = 1};
    f->rule = (struct plan_rule){.matches = {&f->match, 1},
                                 .filters = {&f->filter, 1},
                                 .targets = {&f->target, 1},
                                 .retry = &f->retry};
    f->hostname = S("h");
    f->attachment = (struct plan_attachment){S("l"), {&f->hostname, 1}};
    f->route = (struct plan_route){.piece = {.kind = PLAN_ROUTE, .key = S("k")},
                                   .attachments = {&f->attachment, 1},
                                   .rules = {&f->rule, 1}};
}

static uint64_t hash_of(const struct full *f) {
    struct plan_piece *p = plan_pack(&f->route);
    uint64_t h = p->hash;
    plan_release(p);
    return h;
}

static void test_nested_fields(void **state) {
    (void)state;
    struct full f;
    fill(&f);
    uint64_t start = hash_of(&f);
#define LEAF(what)                                                                                           \
    do {                                                                                                     \
        fill(&f);                                                                                            \
        what;                                                                                                \
        if (hash_of(&f) == start) fail_msg("not in its table: " #what);                                      \
    } while (0)
    LEAF(f.header.type = PLAN_VALUE_REGEX);
    LEAF(f.header.name = S("x"));
    LEAF(f.query.value = S("x"));
    LEAF(f.match.path_type = PLAN_PATH_PREFIX);
    LEAF(f.match.path = S("/x"));
    LEAF(f.match.method = S("PUT"));
    LEAF(f.set.name = S("x"));
    LEAF(f.add.value = S("x"));
    LEAF(f.remove = S("x"));
    LEAF(f.filter.type = PLAN_FILTER_REWRITE);
    LEAF(f.filter.scheme = S("x"));
    LEAF(f.filter.hostname = S("x"));
    LEAF(f.filter.path_change = PLAN_PATH_REPLACE_FULL);
    LEAF(f.filter.path = S("x"));
    LEAF(f.filter.port = 1);
    LEAF(f.filter.status = 1);
    LEAF(f.mirror.backend = S("x"));
    LEAF(f.mirror.numerator = 3);
    LEAF(f.mirror.denominator = 3);
    LEAF(f.text = S("x"));
    LEAF((f.cors.methods.p = &f.text, f.cors.methods.n = 1));
    LEAF((f.cors.headers.p = &f.text, f.cors.headers.n = 1));
    LEAF((f.cors.expose.p = &f.text, f.cors.expose.n = 1));
    LEAF(f.cors.credentials = true);
    LEAF(f.cors.max_age_s = 1);
    LEAF(f.auth.protocol = PLAN_AUTH_GRPC);
    LEAF(f.auth.backend = S("x"));
    LEAF(f.auth.why = S("x"));
    LEAF(f.auth.path = S("/x"));
    LEAF((f.auth.request_headers.p = &f.text, f.auth.request_headers.n = 1));
    LEAF((f.auth.response_headers.p = &f.text, f.auth.response_headers.n = 1));
    LEAF(f.auth.body_bytes_max = 1);
    LEAF(f.session.type = PLAN_SESSION_HEADER);
    LEAF(f.session.name = S("x"));
    LEAF(f.session.path = S("/"));
    LEAF(f.session.permanent = true);
    LEAF(f.session.absolute_timeout = ((struct opt_int){1000, true}));
    LEAF(f.target.session = NULL);
    LEAF(f.code = 503);
    LEAF(f.retry.attempts = 2);
    LEAF(f.retry.backoff = ((struct opt_int){1000, true}));
    LEAF(f.rule.retry = NULL);
    LEAF(f.target.backend = S("x"));
    LEAF(f.target.weight = 1);
    LEAF(f.target.answer = 500);
    LEAF(f.target.why = S("x"));
    LEAF(f.rule.index = 1);
    LEAF(f.rule.name = S("x"));
    LEAF(f.rule.request_timeout = ((struct opt_int){1000, true}));
    LEAF(f.rule.backend_timeout = ((struct opt_int){0, true}));
    LEAF(f.attachment.listener = S("x"));
    LEAF(f.hostname = S("x"));
#undef LEAF
}

static void test_a_packed_piece_outlives_what_it_was_made_of(void **state) {
    (void)state;
    struct full f;
    fill(&f);
    char name[] = "changing";
    f.header.name = str_of(name);
    struct plan_piece *p = plan_pack(&f.route);
    memset(name, 'x', sizeof name - 1);
    OWNED(arena) a = arena_new();
    const struct plan_route *r = plan_open(a, p);
    assert_str(r->rules.p[0].matches.p[0].headers.p[0].name, "changing");
    assert_str(r->attachments.p[0].hostnames.p[0], "h");
    plan_release(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_fields),
        cmocka_unit_test(test_nested_fields),
        cmocka_unit_test(test_a_packed_piece_outlives_what_it_was_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
