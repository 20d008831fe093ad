/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_source.h"

#include "fake_api.h"

/* A small API server: what it has is in the setting, and a watch stays open to be told more. */
struct setting {
    struct loop loop;
    struct fake fake;
    struct kube_client *client;
    struct kube_source *source;
    struct buf told;
    char until[64];
    bool done;
    struct kube_facts facts;
    bool has_gateways, forbids_routes, forbids_all_secrets;
    struct fake_conn *crds, *services;
    unsigned secret_watches, whole_secret_watches, lists;
};

static void check_done(struct setting *s) {
    buf_add_char(&s->told, 0);
    s->told.n--;
    s->done = s->until[0] && strstr(s->told.p, s->until);
}

static void on_batch(void *arg, struct kube_batch *b) {
    static const char *const words[] = {"put", "refused", "remove", "synced", "settled"};
    struct setting *s = arg;
    for (struct kube_change *c = b->first; c; c = c->next) {
        if (c->what == KUBE_CHANGE_SYNCED) continue;
        if (c->what == KUBE_CHANGE_SETTLED)
            buf_printf(&s->told, "settled %llu\n", (unsigned long long)c->revision);
        else
            buf_printf(&s->told, "%s %s " STR_FMT "/" STR_FMT " " STR_FMT "\n", words[c->what],
                       api_type_of(c->kind)->name, STR_ARG(c->ns), STR_ARG(c->name), STR_ARG(c->status));
    }
    kube_batch_free(b);
    check_done(s);
}

static void on_facts(void *arg, const struct kube_facts *f) {
    struct setting *s = arg;
    if (f->complete && !s->facts.complete) buf_printf(&s->told, "complete\n");
    if (f->kinds[KIND_GATEWAY].presence != s->facts.kinds[KIND_GATEWAY].presence)
        buf_printf(&s->told, "gateways %d\n", (int)f->kinds[KIND_GATEWAY].presence);
    s->facts = *f;
    check_done(s);
}

static void run_until(struct setting *s, const char *what) {
    snprintf(s->until, sizeof s->until, "%s", what);
    check_done(s);
    fake_run(&s->loop, &s->done);
}

#define END                                                                                                  \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\",\"annotations\":{\"k8s.io/"  \
    "initial-events-end\":\"true\"}}}}\n"
#define META(name)                                                                                           \
    "\"metadata\":{\"namespace\":\"n\",\"name\":\"" name "\",\"uid\":\"u-" name "\",\"resourceVersion\":"    \
    "\"1\""
#define ROUTE         "{" META("r") "},\"spec\":{},\"status\":{\"parents\":[]}}"
#define SERVICE(name) "{" META(name) "},\"spec\":{\"ports\":[{\"port\":80}]},\"status\":{}}"
#define SLICE(name, service)                                                                                 \
    "{" META(name) ",\"labels\":{\"kubernetes.io/service-name\":\"" service                                  \
                   "\"}},\"addressType\":\"IPv4\",\"endpoints\":[]}"
#define CRD(plural)                                                                                          \
    "{\"metadata\":{\"name\":\"" plural                                                                      \
    ".gateway.networking.k8s.io\",\"uid\":\"u\",\"resourceVersion\":\"1\",\"annotations\":{"                 \
    "\"gateway.networking.k8s.io/bundle-version\":\"v1.7.0\",\"gateway.networking.k8s.io/"                   \
    "channel\":\"standard\"}}}"
#define ADDED(object) "{\"type\":\"ADDED\",\"object\":" object "}\n"

static void discover(struct setting *s, struct fake_conn *c) {
    if (strcmp(c->path, "/version") == 0)
        fake_answer(c, 200, "", "{\"gitVersion\":\"v1.37.0\"}");
    else if (strcmp(c->path, "/api/v1") == 0)
        fake_answer(c, 200, "",
                    "{\"resources\":[{\"name\":\"services\"},{\"name\":\"services/"
                    "status\"},{\"name\":\"secrets\"},{\"name\":\"namespaces\"}]}");
    else if (strcmp(c->path, "/apis/discovery.k8s.io/v1") == 0)
        fake_answer(c, 200, "", "{\"resources\":[{\"name\":\"endpointslices\"}]}");
    else if (strcmp(c->path, "/apis/gateway.networking.k8s.io/v1beta1") == 0)
        fake_answer(c, 200, "", "{\"resources\":[{\"name\":\"referencegrants\"},{\"name\":\"httproutes\"}]}");
    else if (strcmp(c->path, "/apis/gateway.networking.k8s.io/v1") == 0)
        fake_answer(c, 200, "",
                    s->has_gateways ? "{\"resources\":[{\"name\":\"httproutes\"},{\"name\":\"gateways\"}]}"
                                    : "{\"resources\":[{\"name\":\"httproutes\"}]}");
    else
        fake_answer(c, 404, "", "404 page not found");
}

static const char forbidden[] = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"not you\"}";

static void watch(struct setting *s, struct fake_conn *c) {
    const char *objects = "";
    bool named = strstr(c->path, "fieldSelector=metadata.name%3D");
    if (strstr(c->path, "/httproutes?")) objects = ADDED(ROUTE);
    if (strstr(c->path, "/httproutes?") && s->forbids_routes) {
        fake_answer(c, 403, "", forbidden);
        return;
    }
    if (strstr(c->path, "/customresourcedefinitions?")) s->crds = c, objects = ADDED(CRD("httproutes"));
    if (strstr(c->path, "/services?")) s->services = c, objects = ADDED(SERVICE("a")) ADDED(SERVICE("x"));
    if (strstr(c->path, "/endpointslices?")) objects = ADDED(SLICE("a-1", "a")) ADDED(SLICE("x-1", "x"));
    if (strstr(c->path, "/secrets?")) {
        s->secret_watches += named, s->whole_secret_watches += !named;
        if (!named && s->forbids_all_secrets) {
            fake_answer(c, 403, "", forbidden);
            return;
        }
        objects = ADDED("{" META("s1") "},\"type\":\"Opaque\"}");
        if (named && !strstr(c->path, "%3Ds1&")) objects = "";
    }
    fake_stream(c);
    if (*objects) fake_chunk(c, objects);
    fake_chunk(c, END);
}

static void on_request(struct fake *f, struct fake_conn *c, str body) {
    struct setting *s = f->arg;
    (void)body;
    if (strstr(c->path, "watch=true")) {
        watch(s, c);
    } else if (!strchr(c->path, '?')) {
        discover(s, c);
    } else {
        s->lists++;
        if (strstr(c->path, "/services?fieldSelector=metadata.name%3Db"))
            fake_answer(c, 200, "", "{\"metadata\":{},\"items\":[" SERVICE("b") "]}");
        else
            fake_answer(c, 200, "", "{\"metadata\":{},\"items\":[]}");
    }
}

static void begin(struct setting *s, const struct setting *with) {
    *s = *with;
    loop_init(&s->loop);
    buf_init(&s->told, 1 << 16);
    fake_init(&s->fake, &s->loop, "", on_request, s);
    s->client = fake_client(&s->fake);
    struct kube_source_config c = {.on_batch = on_batch, .on_facts = on_facts, .arg = s};
    s->source = kube_source_new(s->client, &c);
}

static void end(struct setting *s) {
    kube_source_free(s->source);
    kube_client_free(s->client);
    fake_fini(&s->fake);
    buf_fini(&s->told);
    loop_fini(&s->loop);
}

static void follows_what_is_there(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){0});
    run_until(&s, "complete");
    assert_non_null(strstr(s.told.p, "put HTTPRoute n/r {\"parents\":[]}\n"));
    assert_int_equal(s.facts.kinds[KIND_HTTP_ROUTE].presence, KUBE_FOLLOWED);
    assert_string_equal(s.facts.kinds[KIND_HTTP_ROUTE].version, "v1");
    assert_string_equal(s.facts.kinds[KIND_HTTP_ROUTE].channel, "standard");
    assert_string_equal(s.facts.kinds[KIND_REFERENCE_GRANT].version, "v1beta1");
    assert_int_equal(s.facts.kinds[KIND_GATEWAY].presence, KUBE_MISSING);
    assert_string_equal(s.facts.bundle_version, "v1.7.0");
    assert_string_equal(s.facts.server_version, "v1.37.0");
    assert_null(strstr(s.told.p, "Service"));
    end(&s);
}

static void keeps_what_is_wanted_alone(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){0});
    run_until(&s, "complete");
    buf_clear(&s.told);
    struct kube_want wants[] = {{KIND_SERVICE, S("n"), S("a")}, {KIND_SERVICE, S("n"), S("b")}};
    kube_source_want(s.source, wants, 1, 1);
    run_until(&s, "settled 1");
    assert_non_null(strstr(s.told.p, "put Service n/a"));
    assert_non_null(strstr(s.told.p, "put EndpointSlice n/a-1"));
    assert_null(strstr(s.told.p, "n/x"));
    buf_clear(&s.told);
    fake_chunk(s.services, ADDED(SERVICE("y")));
    kube_source_want(s.source, wants, 2, 2);
    run_until(&s, "settled 2");
    assert_str(buf_str(&s.told), "put Service n/b \nsettled 2\n");
    assert_int_equal(s.lists, 2);
    buf_clear(&s.told);
    kube_source_want(s.source, NULL, 0, 3);
    run_until(&s, "settled 3");
    assert_non_null(strstr(s.told.p, "remove Service n/a"));
    assert_non_null(strstr(s.told.p, "remove Service n/b"));
    assert_non_null(strstr(s.told.p, "remove EndpointSlice n/a-1"));
    end(&s);
}

static void picks_up_a_kind(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){0});
    run_until(&s, "complete");
    s.has_gateways = true;
    fake_chunk(s.crds, ADDED(CRD("gateways")));
    run_until(&s, "gateways 4");
    s.has_gateways = false;
    fake_chunk(s.crds, "{\"type\":\"DELETED\",\"object\":" CRD("gateways") "}\n");
    buf_clear(&s.told);
    run_until(&s, "gateways 1");
    end(&s);
}

static void goes_on_without_what_is_forbidden(void **state) {
    (void)state;
    struct setting s;
    begin(&s, &(struct setting){.forbids_routes = true});
    run_until(&s, "complete");
    assert_int_equal(s.facts.kinds[KIND_HTTP_ROUTE].presence, KUBE_FORBIDDEN);
    assert_string_equal(s.facts.kinds[KIND_HTTP_ROUTE].message, "not you");
    s.forbids_routes = false;
    run_until(&s, "put HTTPRoute n/r");
    assert_int_equal(kube_source_facts(s.source)->kinds[KIND_HTTP_ROUTE].presence, KUBE_FOLLOWED);
    end(&s);
}

static void want_secrets(struct setting *s, unsigned n, uint64_t revision) {
    struct kube_want wants[32];
    char names[32][8];
    for (unsigned i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "s%u", i);
        wants[i] = (struct kube_want){KIND_SECRET, S("n"), str_of(names[i])};
    }
    kube_source_want(s->source, wants, n, revision);
}

static void secrets_by_name_until_they_are_many(void **state) {
    (void)state;
    for (unsigned denied = 0; denied < 2; denied++) {
        struct setting s;
        begin(&s, &(struct setting){.forbids_all_secrets = denied});
        run_until(&s, "complete");
        want_secrets(&s, 3, 1);
        run_until(&s, "settled 1");
        assert_int_equal(s.secret_watches, 3);
        assert_non_null(strstr(s.told.p, "put Secret n/s1"));
        want_secrets(&s, 20, 2);
        run_until(&s, "settled 2");
        assert_int_equal(s.whole_secret_watches, 1);
        assert_int_equal(s.secret_watches, denied ? 20 : 3);
        assert_null(strstr(s.told.p, "remove"));
        buf_clear(&s.told);
        want_secrets(&s, 1, 3);
        run_until(&s, "settled 3");
        assert_non_null(strstr(s.told.p, "remove Secret n/s1"));
        end(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_what_is_there),
        cmocka_unit_test(keeps_what_is_wanted_alone),
        cmocka_unit_test(picks_up_a_kind),
        cmocka_unit_test(goes_on_without_what_is_forbidden),
        cmocka_unit_test(secrets_by_name_until_they_are_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
