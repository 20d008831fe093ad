/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/problems.h"

enum { OUTPUT_BYTES_MAX = 256 << 20 };

static const struct cli_option options[] = {
    {"strict", 0, NULL,
     "Fail for warnings, too, and for what is missing here: a parent, class, Secret or backend that no given "
     "manifest holds."},
    {"output", 'o', "FORM", "text (unless given), json, or github (annotations of a workflow).",
     "text json github"},
    {"format", 0, "FORM", "The same as -o.", "text json github"},
    {"controller-name", 0, "NAME", "Whose classes are judged; postern.dev/gateway-controller unless given."},
};
const struct cli_command check_command = {
    .name = "check",
    .args = "PATH...",
    .summary =
        "Read manifests (files, or folders in depth) and say what is wrong with them, without serving.",
    .more =
        "What is wrong is told with its file, line and column; a caret shows the place.\n\n"
        "Examples:\n"
        "  postern check manifests/\n"
        "  postern check manifests/ --strict -o json\n"
        "  postern check --format github manifests/     in a workflow: marks the lines of a pull request\n\n"
        "Exit status: 0 nothing is wrong, 1 something is, 2 used wrongly.",
    .options = options,
    .options_n = COUNT_OF(options),
    .args_min = 1,
    .args_max = UINT32_MAX,
};

static size_t count_objects(const struct store *s) {
    size_t n = 0;
    for (int k = KIND_NONE + 1; k < KIND_COUNT; k++) n += store_count(s, (enum api_kind)k);
    return n;
}

struct sums {
    size_t failing, warnings, missing, untold; /* untold: past what is kept, counted as failing */
};

static struct sums sum_up(const struct offline *o, const struct problem *p, size_t n, bool strict) {
    struct sums s = {.untold = o->findings.n > o->findings.n_max ? o->findings.n - o->findings.n_max : 0};
    for (size_t i = 0; i < n; i++) {
        bool fails = problems_fails(&p[i], strict);
        s.failing += fails;
        s.warnings += !fails && p[i].warning;
        s.missing += !fails && !p[i].warning;
    }
    s.failing += s.untold;
    return s;
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

static void print_sums(const struct offline *o, const struct sums *s) {
    size_t objects = count_objects(o->pipeline.store), spared = s->warnings + s->missing;
    printf("%zu object%s in %u file%s: ", objects, plural(objects), o->work.files_read,
           plural(o->work.files_read));
    if (s->failing) {
        printf("%zu problem%s", s->failing, plural(s->failing));
    } else {
        printf("nothing wrong");
    }
    if (s->warnings) printf(", %zu warning%s", s->warnings, plural(s->warnings));
    if (s->missing) printf(", %zu missing here", s->missing);
    if (spared) printf(" (--strict fails for %s)", spared == 1 ? "it" : "them");
    printf("%s\n", s->untold ? "; only the first are shown" : "");
}

int check_main(int argc, char **argv) {
    static const char *const forms[] = {"text", "json", "github", NULL};
    struct cli_options o;
    err e = options_parse(&check_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    size_t form;
    const char *missing;
    struct offline off;
    int status = CLI_USAGE;
    const char *by = options_has(&o, "format") ? "format" : "output";
    bool both = options_has(&o, "format") && options_has(&o, "output");
    if (both) options_wrong(&check_command, "--format and -o are the same; give one of them.");
    if (both || options_choice(&o, by, forms, &form) != OK) {
        options_fini(&o);
        return status;
    }
    struct offline_settings settings = {.controller_name = options_get(&o, "controller-name", NULL)};
    if (offline_init(&off, o.args, o.args_n, &settings, &missing) != OK) {
        status = options_wrong(&check_command,
                               "\"%s\" can not be read: no such file or folder, or not permitted.", missing);
    } else {
        struct buf b;
        buf_init(&b, OUTPUT_BYTES_MAX);
        size_t n;
        bool strict = options_has(&o, "strict");
        struct problem *p = problems_list(&off, off.arena, &n);
        problems_print(&b, (enum problems_form)form, p, n, strict);
        if (b.n) fwrite(b.p, 1, b.n, stdout);
        buf_fini(&b);
        struct sums sums = sum_up(&off, p, n, strict);
        if (form == PROBLEMS_TEXT) print_sums(&off, &sums);
        status = sums.failing ? CLI_NO : CLI_DONE;
        offline_fini(&off);
    }
    options_fini(&o);
    return status;
}
