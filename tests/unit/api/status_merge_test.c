/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "api/condition.h"
#include "api/status_merge.h"
#include "text/node.h"
#include "text/yaml.h"

enum { NOW_S = 1800000000 }; /* 2027-01-15T08:00:00Z */
#define OURS     "postern.dev/gateway-controller"
#define LONG_AGO "\"2020-01-01T00:00:00Z\""

static struct node *parse(struct arena *a, const char *text) {
    struct node *n = NULL;
    str message;
    uint32_t line, column;
    assert_int_equal(yaml_parse(a, str_of(text), 1, &n, &message, &line, &column), OK);
    return n;
}

static const char *json(struct arena *a, const struct node *n) {
    struct buf b;
    buf_init(&b, 1 << 20);
    node_json(&b, n, false);
    const char *text = arena_str(a, buf_str(&b)).p;
    buf_fini(&b);
    return text;
}

static struct condition condition(const char *type, enum condition_status status, int64_t generation) {
    return (struct condition){.type = str_of(type),
                              .status = (uint8_t)status,
                              .reason = str_of(type),
                              .message = S("words"),
                              .observed_generation = generation};
}

static const struct node *nth(const struct node *list, unsigned i) {
    const struct node *c = list->child;
    while (i--) c = c->next;
    return c;
}

static const struct node *merge(struct arena *a, enum api_kind kind, const char *existing, const void *ours,
                                bool *ret_changed) {
    return status_merge(a, kind, existing ? parse(a, existing) : NULL, ours, S(OURS), NOW_S, ret_changed);
}

static void test_the_first_status_has_the_time_of_now(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct condition c = condition("Accepted", CONDITION_TRUE, 1);
    struct gateway_class_status st = {.conditions = {&c, 1}};
    bool changed;
    const struct node *n = merge(a, KIND_GATEWAY_CLASS, NULL, &st, &changed);
    assert_true(changed);
    assert_str(node_get_str(node_get(n, S("conditions"))->child, S("lastTransitionTime")),
               "2027-01-15T08:00:00Z");
}

static void test_time_moves_with_the_status_alone(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct condition c[] = {condition("Accepted", CONDITION_TRUE, 3),
                            condition("Programmed", CONDITION_FALSE, 3)};
    struct gateway_status st = {.conditions = {c, 2}};
    bool changed;
    const struct node *n = merge(a, KIND_GATEWAY,
                                 "conditions:\n"
                                 "- {type: Programmed, status: \"True\", reason: x, message: y, "
                                 "observedGeneration: 2, lastTransitionTime: " LONG_AGO "}\n"
                                 "- {type: Accepted, status: \"True\", reason: x, message: y, "
                                 "observedGeneration: 2, lastTransitionTime: " LONG_AGO "}\n",
                                 &st, &changed);
    const struct node *list = node_get(n, S("conditions"));
    assert_true(changed);
    assert_int_equal(list->n, 2);
    assert_str(node_get_str(nth(list, 0), S("type")), "Programmed"); /* their order stays */
    assert_str(node_get_str(nth(list, 0), S("lastTransitionTime")), "2027-01-15T08:00:00Z");
    assert_str(node_get_str(nth(list, 1), S("lastTransitionTime")), "2020-01-01T00:00:00Z");
    assert_str(node_get_str(nth(list, 1), S("observedGeneration")), "3");
    assert_str(node_get_str(nth(list, 1), S("reason")), "Accepted");
}

static void test_nothing_new_is_no_change(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct condition c = condition("Accepted", CONDITION_TRUE, 1);
    struct gateway_class_status st = {.conditions = {&c, 1}};
    bool changed;
    const struct node *first = merge(a, KIND_GATEWAY_CLASS, NULL, &st, &changed);
    status_merge(a, KIND_GATEWAY_CLASS, first, &st, S(OURS), NOW_S + 1000, &changed);
    assert_false(changed);
}

/* Types of others, on the Gateway and on its listeners, come back as they were; ours that are not said again go. [GW 1.7] */
static void test_foreign_conditions_stay(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct condition c = condition("Accepted", CONDITION_TRUE, 5),
                     lc = condition("Accepted", CONDITION_TRUE, 5);
    struct listener_status l = {.name = S("http"), .attached_routes = 1, .conditions = {&lc, 1}};
    struct gateway_status st = {.conditions = {&c, 1}, .listeners = {&l, 1}};
    bool changed;
    const char *foreign =
        "{\"type\":\"example.com/x\",\"status\":\"Unknown\",\"reason\":\"r\",\"message\":\"\","
        "\"observedGeneration\":1,\"lastTransitionTime\":\"2020-01-01T00:00:00Z\",\"own\":[1,{}]}";
    const char *existing =
        arena_printf(a,
                     "{\"other\": {\"deep\": 1}, \"conditions\": [%s, {\"type\": \"AddressesAssigned\", "
                     "\"status\": \"True\"}], \"listeners\": ["
                     "{\"name\": \"gone\", \"conditions\": [%s]}, {\"name\": \"http\", \"extra\": 1, "
                     "\"conditions\": [{\"type\": \"OverlappingTLSConfig\", \"status\": \"True\"}, %s]}]}",
                     foreign, foreign, foreign)
            .p;
    const struct node *n = merge(a, KIND_GATEWAY, existing, &st, &changed);
    const struct node *list = node_get(n, S("conditions")), *listeners = node_get(n, S("listeners"));
    assert_true(changed);
    assert_string_equal(json(a, node_get(n, S("other"))), "{\"deep\":1}");
    assert_int_equal(list->n, 2);
    assert_string_equal(json(a, nth(list, 0)), foreign);
    assert_int_equal(listeners->n, 1);
    assert_str(node_get_str(listeners->child, S("attachedRoutes")), "1");
    assert_str(node_get_str(listeners->child, S("extra")), "1");
    list = node_get(listeners->child, S("conditions"));
    assert_int_equal(list->n, 2);
    assert_string_equal(json(a, nth(list, 0)), foreign);
    assert_str(node_get_str(nth(list, 1), S("type")), "Accepted");
}

#define THEIRS                                                                                               \
    "{\"parentRef\":{\"name\":\"gw\"},\"controllerName\":\"example.com/x\",\"conditions\":[{\"type\":"       \
    "\"Accepted\",\"status\":\"False\"}]}"
#define MINE(name)                                                                                           \
    "{\"parentRef\":{\"group\":\"gateway.networking.k8s.io\",\"kind\":\"Gateway\",\"name\":\"" name          \
    "\"},\"controllerName\":\"" OURS "\",\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\","        \
    "\"lastTransitionTime\":" LONG_AGO "},{\"type\":\"PartiallyInvalid\",\"status\":\"True\"}]}"

static struct route_parent_status parent(const char *name, struct condition *c) {
    return (struct route_parent_status){
        .parent_ref = {.group = S("gateway.networking.k8s.io"), .kind = S("Gateway"), .name = str_of(name)},
        .controller_name = S(OURS),
        .conditions = {c, 1}};
}

static void test_entries_of_others_stay_and_ours_follow_the_parents(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct condition c = condition("Accepted", CONDITION_TRUE, 2);
    struct route_parent_status p[] = {parent("new", &c), parent("gw", &c)};
    struct route_status st = {.parents = {p, 2}};
    bool changed;
    const struct node *n =
        merge(a, KIND_TCP_ROUTE, "{\"parents\":[" MINE("gone") "," MINE("gw") "," THEIRS "," MINE("gw") "]}",
              &st, &changed);
    const struct node *list = node_get(n, S("parents"));
    assert_true(changed);
    assert_int_equal(list->n, 3);
    assert_str(node_get_str(node_get(nth(list, 0), S("parentRef")), S("name")), "gw");
    const struct node *conditions = node_get(nth(list, 0), S("conditions"));
    assert_int_equal(conditions->n, 1); /* PartiallyInvalid is not said any more */
    assert_str(node_get_str(conditions->child, S("lastTransitionTime")), "2020-01-01T00:00:00Z");
    assert_string_equal(json(a, nth(list, 1)), THEIRS);
    assert_str(node_get_str(node_get(nth(list, 2), S("parentRef")), S("name")), "new");
}

static void test_nothing_to_say_takes_our_entries_out(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    bool changed;
    const struct node *n =
        merge(a, KIND_HTTP_ROUTE, "{\"parents\":[" MINE("gw") "," THEIRS "]}", NULL, &changed);
    assert_true(changed);
    assert_string_equal(json(a, node_get(n, S("parents"))), "[" THEIRS "]");
    merge(a, KIND_HTTP_ROUTE, "{\"parents\":[" THEIRS "]}", NULL, &changed);
    assert_false(changed);
    merge(a, KIND_GATEWAY, "{\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\"}]}", NULL, &changed);
    assert_false(changed); /* it belongs to another controller now */
    merge(a, KIND_GATEWAY, NULL, NULL, &changed);
    assert_false(changed);
}

static void test_full_ancestors_take_no_more(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_add(&b, S("{\"ancestors\":["));
    for (int i = 0; i < 16; i++)
        buf_printf(&b, "%s{\"ancestorRef\":{\"name\":\"g%d\"},\"controllerName\":\"example.com/x\"}",
                   i ? "," : "", i);
    buf_add(&b, S("]}"));
    struct condition c = condition("Accepted", CONDITION_TRUE, 2);
    struct policy_ancestor_status one = {
        .ancestor_ref = {.name = S("gw")}, .controller_name = S(OURS), .conditions = {&c, 1}};
    struct policy_status st = {.ancestors = {&one, 1}};
    bool changed;
    merge(a, KIND_BACKEND_TLS_POLICY, arena_str(a, buf_str(&b)).p, &st, &changed);
    assert_false(changed);
    buf_fini(&b);
}

static void test_a_later_judgement_is_left_alone(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    struct condition c = condition("Accepted", CONDITION_FALSE, 4);
    struct gateway_class_status st = {.conditions = {&c, 1}};
    bool changed;
    const struct node *n =
        merge(a, KIND_GATEWAY_CLASS,
              "{\"conditions\":[{\"type\":\"Accepted\",\"status\":\"True\",\"observedGeneration\":7}]}", &st,
              &changed);
    assert_false(changed);
    assert_str(node_get_str(node_get(n, S("conditions"))->child, S("observedGeneration")), "7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_status_has_the_time_of_now),
        cmocka_unit_test(test_time_moves_with_the_status_alone),
        cmocka_unit_test(test_nothing_new_is_no_change),
        cmocka_unit_test(test_foreign_conditions_stay),
        cmocka_unit_test(test_entries_of_others_stay_and_ours_follow_the_parents),
        cmocka_unit_test(test_nothing_to_say_takes_our_entries_out),
        cmocka_unit_test(test_full_ancestors_take_no_more),
        cmocka_unit_test(test_a_later_judgement_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
