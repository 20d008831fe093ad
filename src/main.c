/* SPDX-License-Identifier: Apache-2.0 */
/* Picks the subcommand. */
#include "cli/commands.h"
#include "cli/man.h"

static const char *name_at(const void *table, size_t i) {
    (void)table;
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    return i < n ? all[i].command->name : NULL;
}

static int print_help(void) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    printf("postern %s: the Kubernetes Gateway API in one program.\n\n"
           "Usage: postern COMMAND [options]\n\nCommands:\n",
           POSTERN_VERSION);
    for (size_t i = 0; i < n; i++) printf("  %-12s%s\n", all[i].command->name, all[i].summary);
    printf("  %-12s%s\n  %-12s%s\n", "help",
           "Print this help, or that of a COMMAND; with --man as a manual page.", "version",
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
    const struct commands_entry *e = commands_find(word);
    return e ? e->run(argc, argv) : print_unknown(word);
}

/* help [COMMAND] [--man] */
static int help(int argc, char **argv) {
    bool man = argc > 2 && strcmp(argv[argc - 1], "--man") == 0;
    const char *word = argc > 2 + man ? argv[2] : NULL;
    if (man) {
        const struct commands_entry *e = word ? commands_find(word) : NULL;
        return word && !e ? print_unknown(word) : man_print(e);
    }
    if (!word) return print_help();
    char option[] = "--help";
    char *of[] = {argv[2], option, NULL};
    return run(word, 2, of);
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
        printf("postern %s\n", POSTERN_VERSION);
        return CLI_DONE;
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc, argv);
    return run(word, argc - 1, argv + 1);
}
