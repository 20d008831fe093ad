/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include <unistd.h>

#include "cli/cli.h"

static const struct cli_option options[] = {
    {"file", 'f', "PATH", "A path; may be repeated."},
    {"output", 'o', "FORM", "How to print."},
    {"strict", 's', NULL, "A switch."},
};
static const struct cli_command command = {.name = "test",
                                           .args = "WORD...",
                                           .summary = "Test options.",
                                           .options = options,
                                           .options_n = 3,
                                           .args_min = 1,
                                           .args_max = 2};

/* Parses with standard output and error kept; *ret_said is what was printed. */
static err parse(const char *const *words, struct cli_options *ret, struct buf *said) {
    char *argv[16] = {"test"};
    int argc = 1;
    for (; *words; words++) argv[argc++] = (char *)(uintptr_t)*words;
    FILE *kept = tmpfile();
    fflush(stdout);
    int out = dup(1), er = dup(2);
    dup2(fileno(kept), 1), dup2(fileno(kept), 2);
    err e = options_parse(&command, argc, argv, ret);
    fflush(stdout), fflush(stderr);
    dup2(out, 1), dup2(er, 2);
    close(out), close(er);
    rewind(kept);
    buf_init(said, 1 << 16);
    for (int c; (c = fgetc(kept)) != EOF;) buf_add_char(said, (char)c);
    fclose(kept);
    return e;
}

static bool contains(str s, const char *what) {
    char *z = str_dup(s);
    bool found = strstr(z, what);
    free(z);
    return found;
}

static void refused(const char *const *words, err wanted, const char *saying) {
    struct cli_options o;
    struct buf said;
    assert_int_equal(parse(words, &o, &said), wanted);
    if (!contains(buf_str(&said), saying)) fail_msg("said: " STR_FMT, STR_ARG(buf_str(&said)));
    buf_fini(&said);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void every_spelling_is_read(void **state) {
    (void)state;
    struct cli_options o;
    struct buf said;
    assert_ok(
        parse(WORDS("--file=a", "x", "--file", "b", "-fc", "-f", "d", "-s", "--", "--output"), &o, &said));
    size_t n;
    const char **files = options_all(&o, "file", &n);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(files[i], ((const char *const[]){"a", "b", "c", "d"})[i]);
    free((void *)files);
    assert_string_equal(options_get(&o, "file", ""), "d"); /* the last */
    assert_string_equal(options_get(&o, "output", "none"), "none");
    assert_true(options_has(&o, "strict"));
    assert_false(options_has(&o, "output"));
    assert_int_equal(o.args_n, 2);
    assert_string_equal(o.args[0], "x");
    assert_string_equal(o.args[1], "--output");
    assert_int_equal(said.n, 0);
    options_fini(&o);
    buf_fini(&said);
    assert_ok(
        parse(WORDS("-o=", "-"), &o, &said)); /* "-" is an argument; a letter's value is what follows it */
    assert_string_equal(options_get(&o, "output", NULL), "=");
    assert_string_equal(o.args[0], "-");
    options_fini(&o);
    buf_fini(&said);
    assert_ok(parse(WORDS("--output=", "w"), &o, &said));
    assert_string_equal(options_get(&o, "output", NULL), "");
    options_fini(&o);
    buf_fini(&said);
}

static void wrong_use_is_said(void **state) {
    (void)state;
    refused(WORDS("x", "--fiel", "a"), ERR_PROTO, "unknown option \"--fiel\". Did you mean \"file\"?");
    refused(WORDS("x", "--fiel=a"), ERR_PROTO, "Did you mean \"file\"?");
    refused(WORDS("x", "--quite-another"), ERR_PROTO, "unknown option \"--quite-another\".\n");
    refused(WORDS("x", "-z"), ERR_PROTO, "unknown option \"-z\"");
    refused(WORDS("x", "--strict=yes"), ERR_PROTO, "takes no value");
    refused(WORDS("x", "--file"), ERR_PROTO, "needs a value: --file PATH");
    refused(WORDS("-s"), ERR_PROTO, "something is missing: postern test WORD...");
    refused(WORDS("a", "b", "c"), ERR_PROTO, "\"c\" is one argument too many");
    refused(WORDS("--help"), ERR_END, "Usage: postern test WORD... [options]");
    refused(WORDS("-h"), ERR_END, "-f, --file PATH");
    assert_int_equal(options_status(ERR_PROTO), 2);
    assert_int_equal(options_status(ERR_END), 0);
}

static void choices_are_held(void **state) {
    (void)state;
    static const char *const forms[] = {"text", "json", NULL};
    struct cli_options o;
    struct buf said;
    size_t which;
    assert_ok(parse(WORDS("x"), &o, &said));
    assert_ok(options_choice(&o, "output", forms, &which));
    assert_int_equal(which, 0);
    options_fini(&o);
    assert_ok(parse(WORDS("x", "-o", "json"), &o, &said));
    assert_ok(options_choice(&o, "output", forms, &which));
    assert_int_equal(which, 1);
    options_fini(&o);
    assert_ok(parse(WORDS("x", "-o", "xml"), &o, &said));
    assert_int_equal(options_choice(&o, "output", forms, &which), ERR_PROTO);
    options_fini(&o);
    buf_fini(&said);
}

static err number(const char *word, uint64_t *ret) {
    struct cli_options o;
    struct buf said;
    assert_ok(word ? parse(WORDS("x", "-o", word), &o, &said) : parse(WORDS("x"), &o, &said));
    err e = options_number(&o, "output", 3, 70, ret);
    options_fini(&o);
    buf_fini(&said);
    return e;
}

static void numbers_are_held(void **state) {
    (void)state;
    static const char *const none[] = {"2", "71", "", "-3", "3s", "99999999999999999999"};
    uint64_t v = 11;
    assert_ok(number(NULL, &v));
    assert_int_equal(v, 11);
    for (size_t i = 0; i < COUNT_OF(none); i++) assert_int_equal(number(none[i], &v), ERR_PROTO);
    assert_int_equal(v, 11);
    assert_ok(number("3", &v));
    assert_int_equal(v, 3);
    assert_ok(number("70", &v));
    assert_int_equal(v, 70);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_is_read),
        cmocka_unit_test(wrong_use_is_said),
        cmocka_unit_test(choices_are_held),
        cmocka_unit_test(numbers_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
