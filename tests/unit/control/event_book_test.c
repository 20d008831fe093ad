/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "control/event_book.h"
#include "text/yaml.h"

#define OURS "postern.dev/gateway-controller"
#define BAD                                                                                                  \
    "{conditions: [{type: Accepted, status: 'True', reason: Accepted, message: fine}, {type: Programmed, "   \
    "status: 'False', reason: AddressNotAssigned, message: install one}]}"
#define UP "{conditions: [{type: Programmed, status: 'True', reason: Programmed, message: all}]}"

struct world {
    struct event_book *book;
    char told[4096];
    unsigned n;
    uint64_t last_id;
    uint32_t last_count;
    size_t last_note;
    int64_t now_us;
};

static void take(void *arg, const struct event_out *e) {
    struct world *w = arg;
    w->n++;
    w->last_id = e->id;
    w->last_count = e->count;
    w->last_note = e->note.n;
    snprintf(w->told, sizeof w->told, "%s " STR_FMT "/" STR_FMT ": " STR_FMT,
             e->warning ? "Warning" : "Normal", STR_ARG(e->action), STR_ARG(e->reason), STR_ARG(e->note));
}

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    struct event_book_config c = {S(OURS), take, w};
    w->book = event_book_new(&c);
    w->now_us = INT64_C(1800000000000000);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    event_book_free(w->book);
    free(w);
    return 0;
}

static struct node *parse(struct arena *a, const char *text) {
    struct node *n = NULL;
    str why;
    uint32_t line, column;
    if (text) assert_int_equal(yaml_parse(a, str_of(text), 1, &n, &why, &line, &column), OK);
    return n;
}

static unsigned note(struct world *w, enum api_kind kind, const char *name, const char *before,
                     const char *after) {
    OWNED(arena) a = arena_new();
    unsigned n = w->n;
    event_book_note(w->book, kind, S("shop"), str_of(name), parse(a, before), parse(a, after), w->now_us);
    return w->n - n;
}

static void test_what_became_bad(void **state) {
    struct world *w = *state;
    assert_int_equal(note(w, KIND_GATEWAY, "gw", NULL, BAD), 1);
    assert_string_equal(w->told, "Warning Programmed/AddressNotAssigned: install one");
    assert_int_equal(note(w, KIND_GATEWAY, "gw", BAD, BAD), 0); /* was told, whoever led then */
    assert_int_equal(note(w, KIND_GATEWAY, "gw", BAD, UP), 1);
    assert_string_equal(w->told, "Normal Programmed/Programmed: all");
    assert_int_equal(note(w, KIND_GATEWAY, "gw", UP, UP), 0);
    assert_int_equal(note(w, KIND_GATEWAY, "gw", NULL,
                          "{conditions: [{type: Programmed, status: 'False', reason: Pending, message: x}]}"),
                     0);
}

static void test_places(void **state) {
    struct world *w = *state;
    assert_int_equal(
        note(w, KIND_GATEWAY, "gw", NULL,
             "{listeners: [{name: s, conditions: [{type: Conflicted, status: 'True', reason: "
             "HostnameConflict, message: change one}, {type: Accepted, status: 'True', reason: x}]}]}"),
        1);
    assert_string_equal(w->told, "Warning Conflicted/HostnameConflict: listener s: change one");
    assert_int_equal(note(w, KIND_HTTP_ROUTE, "r", NULL,
                          "{parents: [{controllerName: other.dev/c, parentRef: {name: x}, conditions: "
                          "[{type: Accepted, status: "
                          "'False', reason: No, message: theirs}]}, {controllerName: " OURS
                          ", parentRef: {name: gw, namespace: infra, sectionName: s}, conditions: [{type: "
                          "ResolvedRefs, status: "
                          "'False', reason: BackendNotFound, message: create it}]}]}"),
                     1);
    assert_string_equal(w->told,
                        "Warning ResolvedRefs/BackendNotFound: Gateway infra/gw, section s: create it");
}

static void test_one_thing_is_told_once(void **state) {
    struct world *w = *state;
    assert_int_equal(
        note(w, KIND_GATEWAY, "gw", NULL,
             "{listeners: [{name: s, conditions: [{type: Programmed, status: 'False', reason: Invalid, "
             "message: no secret}, {type: ResolvedRefs, status: 'False', reason: "
             "InvalidCertificateRef, message: no secret}]}]}"),
        1);
    assert_string_equal(w->told, "Warning ResolvedRefs/InvalidCertificateRef: listener s: no secret");
}

/* What a Gateway says of itself only because of its listeners is told of them. */
static void test_sums_are_not_told(void **state) {
    struct world *w = *state;
    assert_int_equal(
        note(w, KIND_GATEWAY, "gw", NULL,
             "{conditions: [{type: Programmed, status: 'False', reason: Invalid, message: no secret}, "
             "{type: ResolvedRefs, status: 'False', reason: ListenersNotResolved, message: 1 of 1}], "
             "listeners: [{name: s, conditions: [{type: Programmed, status: 'False', reason: Invalid, "
             "message: no secret}, {type: ResolvedRefs, status: 'False', reason: "
             "InvalidCertificateRef, message: no secret}]}]}"),
        1);
    assert_string_equal(w->told, "Warning ResolvedRefs/InvalidCertificateRef: listener s: no secret");
    assert_int_equal(
        note(
            w, KIND_GATEWAY, "busy", NULL,
            "{conditions: [{type: Programmed, status: 'False', reason: NoResources, message: in use}], "
            "listeners: [{name: s, conditions: [{type: Programmed, status: 'False', reason: PortUnavailable, "
            "message: in use}]}]}"),
        1);
    assert_string_equal(w->told, "Warning Programmed/PortUnavailable: listener s: in use");
    assert_int_equal(note(w, KIND_GATEWAY, "no-address", NULL,
                          "{conditions: [{type: Programmed, status: 'False', reason: AddressNotAssigned, "
                          "message: install one}], "
                          "listeners: [{name: s, conditions: [{type: ResolvedRefs, status: 'False', reason: "
                          "InvalidCertificateRef, message: no secret}]}]}"),
                     2);
}

static void test_repeated(void **state) {
    struct world *w = *state;
    note(w, KIND_GATEWAY, "gw", UP, BAD);
    uint64_t id = w->last_id;
    assert_int_equal(w->last_count, 1);
    note(w, KIND_GATEWAY, "gw", UP, BAD);
    assert_int_equal(w->last_count, 2);
    assert_true(w->last_id == id);
    w->now_us += INT64_C(700000000); /* so much later it is another one */
    note(w, KIND_GATEWAY, "gw", UP, BAD);
    assert_int_equal(w->last_count, 1);
    assert_true(w->last_id != id);
}

static void test_rates(void **state) {
    struct world *w = *state;
    char name[32];
    for (unsigned i = 0; i < 20; i++) note(w, KIND_GATEWAY, "gw", UP, BAD);
    assert_int_equal(w->n, 8);
    assert_int_equal(event_book_dropped(w->book), 12);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "gw%u", i);
        note(w, KIND_GATEWAY, name, UP, BAD);
    }
    assert_int_equal(w->n, 50);
    w->now_us += 60000000;
    assert_int_equal(note(w, KIND_GATEWAY, "gw", UP, BAD), 1);
}

static void test_a_long_note(void **state) {
    struct world *w = *state;
    char text[4000], words[3001];
    for (unsigned i = 0; i < 3000; i += 2) memcpy(words + i, "\xc3\xa4", 2);
    words[3000] = 0;
    snprintf(text, sizeof text,
             "{conditions: [{type: Accepted, status: 'False', reason: No, message: 'x%s'}]}", words);
    assert_int_equal(note(w, KIND_GATEWAY, "gw", NULL, text), 1);
    assert_int_equal(w->last_note, 1023); /* no half of a character */
}

int main(void) {
#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BOOK_TEST(test_what_became_bad),   BOOK_TEST(test_places),   BOOK_TEST(test_one_thing_is_told_once),
        BOOK_TEST(test_sums_are_not_told), BOOK_TEST(test_repeated), BOOK_TEST(test_rates),
        BOOK_TEST(test_a_long_note)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
