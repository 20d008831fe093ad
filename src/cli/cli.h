/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one file per subcommand, each with its table of options; options.c reads them all in the same way.
 * In:    argc and argv from the subcommand's name on.     Out: the exit status: 0 done, 1 the answer is no, 2 used wrongly.
 * Own:   what a subcommand makes, until it returns. serve, echo and demo run a loop; the others ask once and end.
 * Never: exit() (main.c returns); an option that is accepted and ignored; colour or a question where no terminal is. */
#pragma once
#include "base/buf.h"

enum { CLI_DONE = 0, CLI_NO = 1, CLI_USAGE = 2 };

struct cli_option {
    const char *name;  /* "output": --output */
    char letter;       /* 'o': -o; 0: none */
    const char *value; /* what help calls its value ("PATH"); NULL: a switch without a value */
    const char *help;
    const char *choices; /* for completions: the values there are, between spaces; NULL: any */
};
struct cli_command {
    const char *name, *args, *summary; /* "check", "PATH...", one line that begins with a verb */
    const char *more;                  /* paragraphs for --help; NULL: none */
    const struct cli_option *options;
    size_t options_n;
    uint32_t args_min, args_max;
};
/* What was given. Values point into argv. */
struct cli_given {
    const struct cli_option *option;
    const char *value; /* "" for a switch */
};
struct cli_options {
    const struct cli_command *command;
    struct cli_given *given; /* in their order */
    size_t given_n;
    const char **args;
    size_t args_n;
};
/* Reads argv[1..]: `--x=v` `--x v` `-x v` `-xv` `--`; options and arguments in any order.
 * OK: *ret is to be finished by options_fini. ERR_END: help was asked for and printed. ERR_PROTO: it was used wrongly, standard error
 * says how. In both: return options_status(e). */
err options_parse(const struct cli_command *c, int argc, char **argv, struct cli_options *ret);
void options_fini(struct cli_options *o);
int options_status(err e);
/* The last value of --name, or otherwise. */
const char *options_get(const struct cli_options *o, const char *name, const char *otherwise);
bool options_has(const struct cli_options *o, const char *name);
/* All values of --name, in their order; *ret_n of them, in a block to free(). NULL when there are none. */
const char **options_all(const struct cli_options *o, const char *name, size_t *ret_n);
/* The index of --name's value in choices (NULL-terminated; the first is the default). ERR_PROTO: it is none, said on standard error. */
err options_choice(const struct cli_options *o, const char *name, const char *const *choices, size_t *ret);
/* --name's value, a number; *ret stays as it is when it is not given. ERR_PROTO: it is none from min to max, said on standard error. */
err options_number(const struct cli_options *o, const char *name, uint64_t min, uint64_t max, uint64_t *ret);
/* Says "postern COMMAND: ..." and where help is; returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int options_wrong(const struct cli_command *c, const char *fmt, ...);
/* The same; returns ERR_PROTO. */
__attribute__((format(printf, 2, 3))) err options_refuse(const struct cli_command *c, const char *fmt, ...);
/* The help of a command. */
void options_help(const struct cli_command *c, struct buf *b);
/* " Did you mean "x"?" when one of the names is near, else nothing. name_at gives the i-th name; NULL ends. */
void options_nearest(struct buf *b, str word, const char *(*name_at)(const void *table, size_t i),
                     const void *table);

/* The subcommands. */
extern const struct cli_command serve_command, check_command, status_command, explain_cmd_command,
    diff_command, top_command, echo_command, demo_command, completion_command, upgrade_cmd_command;
int upgrade_cmd_main(int argc, char **argv);
int top_main(int argc, char **argv);
int completion_main(int argc, char **argv);
int serve_main(int argc, char **argv);
int check_main(int argc, char **argv);
int status_main(int argc, char **argv);
int explain_cmd_main(int argc, char **argv);
int diff_main(int argc, char **argv);
int echo_main(int argc, char **argv);
int demo_main(int argc, char **argv);
