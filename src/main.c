/* SPDX-License-Identifier: Apache-2.0 */
/* Picks the subcommand. */
#include "cli/cli.h"

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"demo", "Start a gateway with example manifests and backends, and show requests to try.", demo_main},
    {"serve", "Serve traffic by the manifests in files and folders, followed as they change.", serve_main},
    {"check", "Read manifests and say what is wrong with them, without serving.", check_main},
    {"status", "Show what a running instance says of its objects, problems first.", status_main},
    {"explain", "Show what would become of a request: listener, route, filters, backends.", explain_cmd_main},
    {"diff", "Show what a change of manifests would do to traffic and statuses.", diff_main},
    {"echo", "Be a small HTTP backend that answers with what it was asked.", echo_main},
};

static const char *name_at(const void *table, size_t i) {
    (void)table;
    return i < COUNT_OF(commands) ? commands[i].name : NULL;
}

static int print_help(void) {
    printf("postern %s: the Kubernetes Gateway API in one program.\n\n"
           "Usage: postern COMMAND [options]\n\nCommands:\n",
           POSTERN_VERSION);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("  %-10s%s\n", commands[i].name, commands[i].summary);
    printf("  %-10s%s\n  %-10s%s\n", "help", "Print this help, or that of a COMMAND.", "version",
           "Print the version.");
    printf("\nStart with:  postern demo\n"
           "Then:        postern serve -f manifests/ --map-port 80:8080\n"
           "Exit status: 0 done, 1 the answer is no, 2 used wrongly.\n");
    return CLI_DONE;
}

static int print_unknown(const char *word) {
    struct buf b;
    buf_init(&b, 1024);
    options_nearest(&b, str_of(word), name_at, NULL);
    fprintf(stderr, "postern: unknown command \"%s\"." STR_FMT "\nTry: postern --help\n", word,
            STR_ARG(buf_str(&b)));
    buf_fini(&b);
    return CLI_USAGE;
}

static int run(const char *word, int argc, char **argv) {
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, word) == 0) return commands[i].run(argc, argv);
    }
    return print_unknown(word);
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        printf("postern %s\n", POSTERN_VERSION);
        return CLI_DONE;
    }
    bool help = strcmp(word, "help") == 0;
    if (help && argc > 2) {
        char option[] = "--help";
        char *of[] = {argv[2], option, NULL};
        return run(argv[2], 2, of);
    }
    if (help || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return print_help();
    return run(word, argc - 1, argv + 1);
}
