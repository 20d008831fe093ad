/* SPDX-License-Identifier: Apache-2.0 */
#include "api/pattern.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/rng.h"
#include "text/regex.h"

static const struct pattern *const all[] = {
    &pattern_label,        &pattern_namespace,      &pattern_subdomain,
    &pattern_group,        &pattern_kind,           &pattern_hostname,
    &pattern_controller,   &pattern_protocol,       &pattern_address_type,
    &pattern_header_name,  &pattern_header_value,   &pattern_path,
    &pattern_cors_origin,  &pattern_label_value,    &pattern_qualified,
    &pattern_data_key,     &pattern_port_name,      &pattern_bundle_name,
    &pattern_uri,          &pattern_well_known,     &pattern_grpc_service,
    &pattern_grpc_method,  &pattern_telemetry_name, &pattern_span_name,
    &pattern_attribute_key};

static const char *const pieces[] = {
    "a",   "Z",       "0",        "-",       ".",      "/",        "*",         "*.",
    ":",   "_",       "%",        "%2f",     "~",      "#",        " ",         "\t",
    "\n",  "http://", "https://", "example", ".com",   "Hostname", "IPAddress", "NamedAddress",
    ":80", ":123456", "@",        "a-b",     "--",     "\xC3\xA9", "`",         "|",
    "",    "x",       "1",        "://",     "System", "a:"};

/* The hand-written functions and the CRDs' expressions agree, on thousands of made strings for which both answers occur. */
static void agree_with_their_expressions(void **state) {
    (void)state;
    OWNED(arena) a = arena_new();
    for (size_t p = 0; p < COUNT_OF(all); p++) {
        struct regex *r = NULL;
        str message = {0};
        if (regex_new(a, str_of(all[p]->expression), &r, &message) != OK) fail_msg("%.*s", STR_ARG(message));
        struct rng rng = {p + 1};
        uint32_t held = 0, turns = 20000;
        for (uint32_t i = 0; i < turns; i++) {
            char text[200];
            size_t n = 0;
            for (uint32_t k = rng_below(&rng, 8); k > 0; k--) {
                str piece = str_of(pieces[rng_below(&rng, COUNT_OF(pieces))]);
                memcpy(text + n, piece.p, piece.n), n += piece.n;
            }
            str s = {text, n};
            bool holds = all[p]->holds(s);
            if (holds != regex_search(r, s))
                fail_msg("%s: \"%.*s\" %d", all[p]->expression, STR_ARG(s), holds);
            held += holds;
        }
        assert_true(held > 20 && held < turns);
        assert_true(str_starts(str_of(all[p]->says), S("must be ")));
        regex_free(r);
    }
}

/* Bounds that are not in the expression's words above. */
static void lengths(void **state) {
    (void)state;
    char text[400];
    memset(text, 'a', sizeof text);
    assert_true(pattern_qualified.holds((str){text, 63}));
    assert_false(pattern_qualified.holds((str){text, 64}));
    text[253] = '/';
    assert_true(pattern_qualified.holds((str){text, 257}));
    text[253] = 'a', text[254] = '/';
    assert_false(pattern_qualified.holds((str){text, 258}));
    text[254] = 'a';
    assert_true(pattern_data_key.holds((str){text, 253}));
    assert_false(pattern_data_key.holds((str){text, 254}));
    assert_true(pattern_port_name.holds((str){text, 15}));
    assert_false(pattern_port_name.holds((str){text, 16}));
    assert_false(pattern_label.holds((str){0}));
    assert_true(pattern_group.holds((str){0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(agree_with_their_expressions),
                                       cmocka_unit_test(lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
