/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "cli/problems.h"

struct fixture {
    char folder[64], file[80];
    struct offline off;
    struct problem *p;
    size_t n;
    struct buf out;
};

static const char gateway[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: c}\n"
    "spec: {controllerName: postern.dev/gateway-controller}\n---\n"
    "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
    "spec: {gatewayClassName: c, listeners: [{name: http, port: 80, protocol: HTTP}]}\n---\n";

static void check(struct fixture *f, const char *first, const char *second, enum problems_form form,
                  bool strict) {
    snprintf(f->folder, sizeof f->folder, "/tmp/postern-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof f->file, "%s/a.yaml", f->folder);
    FILE *w = fopen(f->file, "we");
    fprintf(w, "%s%s", first, second);
    fclose(w);
    const char *path = f->file, *missing;
    assert_ok(offline_init(&f->off, &path, 1, &(struct offline_settings){0}, &missing));
    f->p = problems_list(&f->off, f->off.arena, &f->n);
    buf_init(&f->out, 1 << 16);
    problems_print(&f->out, form, f->p, f->n, strict);
}

static void done(struct fixture *f) {
    offline_fini(&f->off);
    buf_fini(&f->out);
    unlink(f->file);
    rmdir(f->folder);
}

/* The output with the file's name as FILE. */
static void expect(struct fixture *f, const char *wanted) {
    struct buf b;
    buf_init(&b, 1 << 16);
    str s = buf_str(&f->out), name = str_of(f->file);
    for (size_t i = 0; i < s.n;) {
        bool here = str_starts(str_from(s, i), name);
        buf_add(&b, here ? S("FILE") : (str){s.p + i, 1});
        i += here ? name.n : 1;
    }
    assert_str(buf_str(&b), wanted);
    buf_fini(&b);
}

static void what_is_fine_says_nothing(void **state) {
    (void)state;
    struct fixture f;
    check(&f, gateway, "", PROBLEMS_TEXT, true);
    expect(&f, "");
    done(&f);
}

static void a_finding_shows_its_line_and_a_caret(void **state) {
    (void)state;
    struct fixture f;
    check(&f, gateway,
          "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n  "
          "parentRefs: [{name: g}]\n"
          "  bogus: 1\n",
          PROBLEMS_TEXT, false);
    assert_int_equal(f.n, 1);
    assert_true(problems_fails(&f.p[0], false));
    expect(&f, "FILE:16:3: HTTPRoute default/r: spec.bogus: unknown field \"bogus\"\n"
               "    16 |   bogus: 1\n"
               "       |   ^\n");
    done(&f);
}

static const char orphan[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: team}\n"
    "spec:\n  parentRefs: [{name: g, namespace: far}]\n  rules: [{backendRefs: [{name: s, port: 80}]}]\n";

static void what_is_missing_fails_only_when_strict(void **state) {
    (void)state;
    struct fixture f;
    check(&f, "", orphan, PROBLEMS_TEXT, false);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.p[0].class, FINDING_REFERENCE);
    assert_false(problems_fails(&f.p[0], false));
    assert_true(problems_fails(&f.p[0], true));
    expect(&f, "FILE:5:16: note: HTTPRoute team/r: spec.parentRefs[0]: Gateway far/g is not here; give the "
               "Gateway's manifest, too, or "
               "correct name and namespace\n"
               "     5 |   parentRefs: [{name: g, namespace: far}]\n"
               "       |                ^\n");
    done(&f);
}

static void github_annotations_are_escaped(void **state) {
    (void)state;
    struct fixture f;
    check(&f, "", orphan, PROBLEMS_GITHUB, true);
    expect(&f, "::error file=FILE,line=5,col=16::HTTPRoute team/r: spec.parentRefs[0]: Gateway far/g is not "
               "here; give "
               "the Gateway's "
               "manifest, too, or correct name and namespace\n");
    done(&f);
    struct problem p = {.file = S("a,b:c%"), .message = S("50%\nof"), .line = 2};
    struct buf b;
    buf_init(&b, 1024);
    problems_print(&b, PROBLEMS_GITHUB, &p, 1, false);
    assert_str(buf_str(&b), "::error file=a%2Cb%3Ac%25,line=2::50%25%0Aof\n");
    buf_fini(&b);
}

static void conditions_are_told_once(void **state) {
    (void)state;
    struct fixture f;
    check(&f, gateway,
          "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
          "spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: nowhere, port: 80}]}]}\n---\n"
          "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: q}\n"
          "spec: {parentRefs: [{name: g, sectionName: nosuch}]}\n",
          PROBLEMS_JSON, false);
    assert_int_equal(f.n, 2);
    assert_str(f.p[0].name, "r");
    assert_str(f.p[0].where, "parent g: ResolvedRefs=False (BackendNotFound)");
    assert_int_equal(f.p[0].class, FINDING_REFERENCE);
    assert_str(f.p[1].name, "q");
    assert_str(f.p[1].where, "parent g/nosuch: Accepted=False (NoMatchingParent)");
    assert_true(str_starts(buf_str(&f.out),
                           S("[\n  {\"class\": \"reference\", \"warning\": false, \"fails\": false, ")));
    done(&f);
}

static void a_secret_that_is_not_here_is_missing_not_wrong(void **state) {
    (void)state;
    struct fixture f;
    check(
        &f, gateway,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: t}\n"
        "spec: {gatewayClassName: c, listeners: [{name: s, port: 443, protocol: HTTPS, hostname: a.example, "
        "tls: {certificateRefs: [{name: cert}]}}]}\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: u}\n"
        "spec: {gatewayClassName: other, listeners: [{name: s, port: 90, protocol: HTTP}]}\n",
        PROBLEMS_TEXT, false);
    assert_int_equal(f.n, 2);
    assert_str(f.p[0].where, "listener s: ResolvedRefs=False (InvalidCertificateRef)");
    assert_int_equal(f.p[0].class, FINDING_REFERENCE);
    assert_str(f.p[1].where, "spec.gatewayClassName");
    done(&f);
}

/* What a status says is shown at the field that it is about, in whatever document and item of a list. */
static void conditions_have_their_place(void **state) {
    (void)state;
    struct fixture f;
    check(&f, gateway,
          "apiVersion: v1\nkind: List\nitems:\n"
          "- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}]}}\n"
          "- apiVersion: gateway.networking.k8s.io/v1\n  kind: HTTPRoute\n  metadata: {name: r}\n  spec:\n"
          "    parentRefs: [{name: g}]\n    rules:\n    - backendRefs:\n      - {name: s, port: 80}\n"
          "      - {name: nowhere, port: 80}\n---\n"
          "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: t}\nspec:\n"
          "  gatewayClassName: c\n  listeners:\n  - name: s\n    port: 443\n    protocol: HTTPS\n    tls:\n"
          "      certificateRefs:\n      - name: cert\n",
          PROBLEMS_TEXT, false);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.p[0].line, 23);
    assert_int_equal(f.p[0].column, 9);
    assert_int_equal(f.p[1].line, 36);
    assert_int_equal(f.p[1].column, 9);
    done(&f);
}

static void warnings_fail_only_when_strict(void **state) {
    (void)state;
    struct problem p = {.class = FINDING_MEANING, .warning = true, .file = S("a"), .message = S("m")};
    struct buf b;
    buf_init(&b, 1024);
    assert_false(problems_fails(&p, false));
    assert_true(problems_fails(&p, true));
    problems_print(&b, PROBLEMS_TEXT, &p, 1, false);
    problems_print(&b, PROBLEMS_GITHUB, &p, 1, false);
    problems_print(&b, PROBLEMS_TEXT, &p, 1, true);
    assert_str(buf_str(&b), "a: warning: m\n::warning file=a::m\na: m\n");
    buf_fini(&b);
}

/* A warning has its place and its line like any other. */
static void warnings_have_their_place(void **state) {
    (void)state;
    struct fixture f;
    check(&f, gateway,
          "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n---\n"
          "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
          "  parentRefs: [{name: g}]\n  rules:\n  - backendRefs: [{name: s, port: 80}]\n"
          "  - backendRefs: [{name: s, port: 80}]\n",
          PROBLEMS_TEXT, false);
    assert_int_equal(f.n, 1);
    assert_true(f.p[0].warning);
    assert_int_equal(f.p[0].line, 23);
    assert_true(memmem(f.out.p, f.out.n, "    23 |   - backendRefs", 21));
    done(&f);
}

static void a_path_that_is_not_there_is_named(void **state) {
    (void)state;
    struct offline o;
    const char *paths[] = {"/", "/nonexistent/x.yaml"}, *missing;
    assert_int_equal(offline_init(&o, paths, 2, &(struct offline_settings){0}, &missing), ERR_ABSENT);
    assert_string_equal(missing, paths[1]);
}

#define GW "apiVersion: gateway.networking.k8s.io/v1\nkind: "
#define GX "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: "
static void what_is_absent_is_a_reference_whatever_names_it(void **state) {
    (void)state;
    static const struct {
        const char *manifest, *where, *message;
    } cases[] = {
        {GW "Gateway\nmetadata: {name: x}\nspec: {gatewayClassName: nope, listeners: [{name: h, port: 81, "
            "protocol: "
            "HTTP}]}\n",
         "spec.gatewayClassName", "GatewayClass \"nope\" is not here, so nobody serves this Gateway"},
        {GW "ListenerSet\nmetadata: {name: x}\nspec: {parentRef: {name: nope, namespace: b}, listeners: "
            "[{name: h, "
            "port: 81, protocol: HTTP}]}\n",
         "spec.parentRef", "Gateway b/nope is not here"},
        {GW "HTTPRoute\nmetadata: {name: x}\nspec: {parentRefs: [{name: g}, {name: nope}]}\n",
         "spec.parentRefs[1]", "Gateway default/nope is not here"},
        {GW "GRPCRoute\nmetadata: {name: x}\nspec: {parentRefs: [{name: nope}]}\n", "spec.parentRefs[0]",
         "Gateway default/nope is not here"},
        {GW "TLSRoute\nmetadata: {name: x}\nspec: {parentRefs: [{kind: ListenerSet, name: nope}], hostnames: "
            "[a.test], rules: [{backendRefs: [{name: s, port: 1}]}]}\n",
         "spec.parentRefs[0]", "ListenerSet default/nope is not here"},
        {GW "TCPRoute\nmetadata: {name: x}\nspec: {parentRefs: [{name: nope}], rules: [{backendRefs: [{name: "
            "s, port: "
            "1}]}]}\n",
         "spec.parentRefs[0]", "Gateway default/nope is not here"},
        {GW "UDPRoute\nmetadata: {name: x}\nspec: {parentRefs: [{name: nope}], rules: [{backendRefs: [{name: "
            "s, port: "
            "1}]}]}\n",
         "spec.parentRefs[0]", "Gateway default/nope is not here"},
        {GW "BackendTLSPolicy\nmetadata: {name: x}\nspec: {targetRefs: [{group: '', kind: Service, name: "
            "nope}], "
            "validation: {hostname: a.test, wellKnownCACertificates: System}}\n",
         "spec.targetRefs[0]", "Service default/nope is not here"},
        {GX "XBackendTrafficPolicy\nmetadata: {name: x}\nspec: {targetRefs: [{group: '', kind: Service, "
            "name: nope}]}\n",
         "spec.targetRefs[0]", "Service default/nope is not here"},
        {GX "XTelemetryPolicy\nmetadata: {name: x}\nspec: {targetRefs: [{group: gateway.networking.k8s.io, "
            "kind: "
            "Gateway, name: nope}], tracing: {mode: Disabled}}\n",
         "spec.targetRefs[0]", "Gateway default/nope is not here"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        check(&f, gateway, cases[i].manifest, PROBLEMS_TEXT, false);
        const struct problem *p = NULL;
        for (size_t k = 0; k < f.n; k++)
            if (str_eq(f.p[k].where, str_of(cases[i].where))) p = &f.p[k];
        assert_non_null(p);
        assert_str(p->message, cases[i].message);
        assert_int_equal(p->class, FINDING_REFERENCE);
        assert_true(p->column > 0 && p->remedy.n);
        assert_false(problems_fails(p, false));
        done(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_is_a_reference_whatever_names_it),
        cmocka_unit_test(what_is_fine_says_nothing),
        cmocka_unit_test(a_finding_shows_its_line_and_a_caret),
        cmocka_unit_test(what_is_missing_fails_only_when_strict),
        cmocka_unit_test(github_annotations_are_escaped),
        cmocka_unit_test(conditions_are_told_once),
        cmocka_unit_test(a_secret_that_is_not_here_is_missing_not_wrong),
        cmocka_unit_test(conditions_have_their_place),
        cmocka_unit_test(warnings_fail_only_when_strict),
        cmocka_unit_test(warnings_have_their_place),
        cmocka_unit_test(a_path_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
