/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_cut.h"

#include "../unit.h"

struct seen {
    struct buf text;
    struct kube_cut *cut;
    unsigned n, stop_at;
};

static void on_object(void *arg, const struct kube_cut_object *o) {
    struct seen *s = arg;
    buf_printf(&s->text, STR_FMT " " STR_FMT " | " STR_FMT " | " STR_FMT "%s\n", STR_ARG(o->type),
               STR_ARG(o->too_long ? S("") : o->object), STR_ARG(o->metadata), STR_ARG(o->status),
               o->too_long ? " too long" : "");
    if (++s->n == s->stop_at) s->cut->stopped = true;
}

/* In pieces of `step` bytes. */
static err cut(enum kube_cut_form form, const char *text, size_t step, size_t max, struct buf *ret,
               bool *ret_whole) {
    struct kube_cut c;
    struct seen s = {.cut = &c};
    buf_init(&s.text, 1 << 20);
    kube_cut_init(&c, form, max, on_object, &s);
    err e = OK;
    for (str rest = str_of(text); rest.n && e == OK; rest = str_from(rest, step))
        e = kube_cut_push(&c, str_upto(rest, step));
    *ret_whole = kube_cut_is_whole(&c);
    if (form == KUBE_CUT_LIST) buf_printf(&s.text, "list " STR_FMT "\n", STR_ARG(buf_str(&c.list_metadata)));
    kube_cut_fini(&c);
    *ret = s.text;
    return e;
}

static void check(enum kube_cut_form form, const char *text, const char *wanted) {
    for (size_t step = 1; step <= strlen(text); step++) {
        struct buf got;
        bool whole;
        assert_ok(cut(form, text, step, 1 << 16, &got, &whole));
        assert_str(buf_str(&got), wanted);
        assert_true(whole);
        buf_fini(&got);
    }
}

static void events_wherever_they_break(void **state) {
    (void)state;
    check(KUBE_CUT_EVENTS,
          "{\"type\":\"ADDED\",\"object\":{\"kind\":\"A\",\"metadata\":{\"name\":\"x\\\"}\","
          "\"managedFields\":[{\"a\":\"]}\"}],"
          "\"uid\":\"u\"},\"spec\":{\"a\":[1,{\"b\":\"\\\\\"}]},\"status\":{\"c\":[{}]}}}\n"
          "{ \"object\" : {\"metadata\":{\"managedFields\":[]}, \"n\": 1.5 } , \"type\" : \"DELETED\" }\n"
          "{\"type\":\"ERROR\",\"object\":{\"status\":\"Failure\",\"code\":410}}",
          "ADDED "
          "{\"kind\":\"A\",\"metadata\":{\"name\":\"x\\\"}\",\"uid\":\"u\"},\"spec\":{\"a\":[1,{\"b\":"
          "\"\\\\\"}]}} | "
          "{\"name\":\"x\\\"}\",\"uid\":\"u\"} | {\"c\":[{}]}\n"
          "DELETED {\"metadata\":{},\"n\":1.5} | {} | \n"
          "ERROR {\"code\":410} |  | \"Failure\"\n");
}

static void lists_wherever_they_break(void **state) {
    (void)state;
    check(KUBE_CUT_LIST,
          "{\"kind\":\"L\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"t\"},"
          "\"items\":["
          "{\"metadata\":{\"name\":\"a\",\"managedFields\":[1]},\"status\":null,\"x\":\"y\"},{\"metadata\":{"
          "\"name\":\"b\"}} ]}",
          " {\"metadata\":{\"name\":\"a\"},\"x\":\"y\"} | {\"name\":\"a\"} | null\n"
          " {\"metadata\":{\"name\":\"b\"}} | {\"name\":\"b\"} | \n"
          "list {\"resourceVersion\":\"7\",\"continue\":\"t\"}\n");
    check(KUBE_CUT_LIST, "{\"items\":[],\"metadata\":{}}", "list {}\n");
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        enum kube_cut_form form;
        const char *text;
        err wanted;
    } cases[] = {
        {KUBE_CUT_EVENTS, "[]", ERR_PROTO},
        {KUBE_CUT_EVENTS, "{]", ERR_PROTO},
        {KUBE_CUT_EVENTS, "{\"a\" 1}", ERR_PROTO},
        {KUBE_CUT_EVENTS, "{\"a\":1]", ERR_PROTO},
        {KUBE_CUT_EVENTS, "{\"a\":}", ERR_PROTO},
        {KUBE_CUT_EVENTS, "<html>", ERR_PROTO},
        {KUBE_CUT_LIST, "{\"items\":[1]}", ERR_PROTO},
        {KUBE_CUT_LIST, "{} {}", ERR_PROTO},
        {KUBE_CUT_EVENTS,
         "{\"type\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}", ERR_PROTO},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf got;
        bool whole;
        if (cut(cases[i].form, cases[i].text, 3, 1000, &got, &whole) != cases[i].wanted)
            fail_msg("%s", cases[i].text);
        buf_fini(&got);
    }
}

static void bounds_depth_and_length(void **state) {
    (void)state;
    struct buf got;
    bool whole;
    char deep[KUBE_CUT_DEPTH_MAX + 64] = "{\"x\":";
    memset(deep + 5, '[', KUBE_CUT_DEPTH_MAX + 8);
    assert_int_equal(cut(KUBE_CUT_EVENTS, deep, 1, 1000, &got, &whole), ERR_LIMIT);
    buf_fini(&got);
    assert_ok(cut(KUBE_CUT_EVENTS,
                  "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"},\"spec\":"
                  "\"0123456789012345678901234567890123\"}}"
                  "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\"}}}",
                  7, 40, &got, &whole));
    assert_str(buf_str(&got), "ADDED  | {\"name\":\"a\"} |  too long\n"
                              "ADDED {\"metadata\":{\"name\":\"b\"}} | {\"name\":\"b\"} | \n");
    assert_true(whole);
    buf_fini(&got);
}

static void what_was_cut_off_is_not_whole(void **state) {
    (void)state;
    static const char text[] = "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"a\"}}]}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char cut_off[sizeof text];
        struct buf got;
        bool whole;
        snprintf(cut_off, n + 1, "%s", text);
        assert_ok(cut(KUBE_CUT_LIST, cut_off, 5, 1000, &got, &whole));
        assert_false(whole);
        buf_fini(&got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_wherever_they_break),
        cmocka_unit_test(lists_wherever_they_break),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds_depth_and_length),
        cmocka_unit_test(what_was_cut_off_is_not_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
