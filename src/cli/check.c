/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/problems.h"

enum { OUTPUT_BYTES_MAX = 256 << 20 };

static const struct cli_option options[] = {
    {"strict", 0, NULL,
     "Fail for warnings, too, and for what is missing here: a parent, class, Secret or backend that no given "
     "manifest holds."},
    {"output", 'o', "FORM", "text (unless given), json, or github (annotations of a workflow)."},
    {"format", 0, "FORM", "The same as -o."},
    {"controller-name", 0, "NAME", "Whose classes are judged; postern.dev/gateway-controller unless given."},
};
static const struct cli_command command = {
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

/* One line that sums up, in text form alone; the exit status. */
static int sum_up(const struct offline *o, const struct problem *p, size_t n, bool strict, bool say) {
    size_t failing = 0, warnings = 0;
    for (size_t i = 0; i < n; i++) {
        failing += problems_fails(&p[i], strict);
        warnings += p[i].warning && !problems_fails(&p[i], strict);
    }
    uint32_t untold = o->findings.n > o->findings.n_max ? o->findings.n - o->findings.n_max : 0;
    failing += untold;
    if (say) {
        printf("%zu object%s in %u file%s: ", count_objects(o->pipeline.store),
               count_objects(o->pipeline.store) == 1 ? "" : "s", o->work.files_read,
               o->work.files_read == 1 ? "" : "s");
        if (failing) {
            printf("%zu problem%s", failing, failing == 1 ? "" : "s");
        } else {
            printf("nothing wrong");
        }
        size_t missing = n + untold - failing - warnings;
        if (warnings) printf(", %zu warning%s", warnings, warnings == 1 ? "" : "s");
        if (missing) printf(", %zu missing here", missing);
        if (warnings + missing) printf(" (--strict fails for %s)", warnings + missing == 1 ? "it" : "them");
        printf("%s\n", untold ? "; only the first are shown" : "");
    }
    return failing ? CLI_NO : CLI_DONE;
}

int check_main(int argc, char **argv) {
    static const char *const forms[] = {"text", "json", "github", NULL};
    struct cli_options o;
    err e = options_parse(&command, argc, argv, &o);
    if (e != OK) return options_status(e);
    size_t form;
    const char *missing;
    struct offline off;
    int status = CLI_USAGE;
    const char *by = options_has(&o, "format") ? "format" : "output";
    bool both = options_has(&o, "format") && options_has(&o, "output");
    if (both) options_wrong(&command, "--format and -o are the same; give one of them.");
    if (both || options_choice(&o, by, forms, &form) != OK) {
        options_fini(&o);
        return status;
    }
    struct offline_settings settings = {.controller_name = options_get(&o, "controller-name", NULL)};
    if (offline_init(&off, o.args, o.args_n, &settings, &missing) != OK) {
        status = options_wrong(&command, "\"%s\" can not be read: no such file or folder, or not permitted.",
                               missing);
    } else {
        struct buf b;
        buf_init(&b, OUTPUT_BYTES_MAX);
        size_t n;
        bool strict = options_has(&o, "strict");
        struct problem *p = problems_list(&off, off.arena, &n);
        problems_print(&b, (enum problems_form)form, p, n, strict);
        fwrite(b.p, 1, b.n, stdout);
        buf_fini(&b);
        status = sum_up(&off, p, n, strict, form == PROBLEMS_TEXT);
        offline_fini(&off);
    }
    options_fini(&o);
    return status;
}
