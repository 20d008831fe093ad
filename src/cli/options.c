/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/num.h"

enum { HELP_COLUMN = 30, HELP_WIDTH = 100, HELP_BYTES_MAX = 1 << 16 };

static const char *option_name_at(const void *table, size_t i) {
    const struct cli_command *c = table;
    return i < c->options_n ? c->options[i].name : NULL;
}

void options_nearest(struct buf *b, str word, const char *(*name_at)(const void *table, size_t i),
                     const void *table) {
    const char *best = NULL;
    unsigned best_distance = word.n > 4 ? 3 : 2; /* further away is another word, not a slip of the hand */
    for (size_t i = 0; name_at(table, i); i++) {
        str name = str_of(name_at(table, i));
        unsigned d = word.n >= 3 && str_starts(name, word) ? 1 : str_distance(word, name);
        if (d < best_distance) best = name.p, best_distance = d;
    }
    if (best) buf_printf(b, " Did you mean \"%s\"?", best);
}

static void say_wrong(const struct cli_command *c, const char *fmt, va_list args) {
    struct buf b;
    buf_init(&b, HELP_BYTES_MAX);
    buf_printf(&b, "postern %s: ", c->name);
    buf_vprintf(&b, fmt, args);
    fprintf(stderr, STR_FMT "\nTry: postern %s --help\n", STR_ARG(buf_str(&b)), c->name);
    buf_fini(&b);
}

int options_wrong(const struct cli_command *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say_wrong(c, fmt, args);
    va_end(args);
    return CLI_USAGE;
}

err options_refuse(const struct cli_command *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    say_wrong(c, fmt, args);
    va_end(args);
    return ERR_PROTO;
}

/* Words of text, broken before HELP_WIDTH, further lines begin at column. */
static void add_wrapped(struct buf *b, str text, size_t column) {
    size_t at = column;
    while (text.n) {
        str word = str_cut(&text, ' ');
        if (at > column && at + 1 + word.n > HELP_WIDTH) {
            buf_printf(b, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            buf_add_char(b, ' ');
            at++;
        }
        buf_add(b, word);
        at += word.n;
    }
    buf_add_char(b, '\n');
}

static void add_option(struct buf *b, char letter, const char *name, const char *value, const char *help) {
    size_t start = b->n;
    if (letter) {
        buf_printf(b, "  -%c, --%s", letter, name);
    } else {
        buf_printf(b, "      --%s", name);
    }
    if (value) buf_printf(b, " %s", value);
    size_t used = b->n - start;
    bool fits = used + 2 <= HELP_COLUMN;
    buf_printf(b, "%s%*s", fits ? "" : "\n", (int)(HELP_COLUMN - (fits ? used : 0)), "");
    add_wrapped(b, str_of(help), HELP_COLUMN);
}

void options_help(const struct cli_command *c, struct buf *b) {
    buf_printf(b, "Usage: postern %s%s%s%s\n\n", c->name, c->args[0] ? " " : "", c->args,
               c->options_n ? " [options]" : "");
    add_wrapped(b, str_of(c->summary), 0);
    if (c->more) buf_printf(b, "\n%s\n", c->more);
    buf_add(b, S("\nOptions:\n"));
    for (size_t i = 0; i < c->options_n; i++) {
        const struct cli_option *o = &c->options[i];
        add_option(b, o->letter, o->name, o->value, o->help);
    }
    add_option(b, 'h', "help", NULL, "Print this help.");
}

static err print_help(const struct cli_command *c) {
    struct buf b;
    buf_init(&b, HELP_BYTES_MAX);
    options_help(c, &b);
    fwrite(b.p, 1, b.n, stdout);
    buf_fini(&b);
    return ERR_END;
}

static const struct cli_option *find_option(const struct cli_command *c, str name, char letter) {
    for (size_t i = 0; i < c->options_n; i++) {
        if (letter ? c->options[i].letter == letter : str_eq(str_of(c->options[i].name), name))
            return &c->options[i];
    }
    return NULL;
}

static err unknown_option(const struct cli_command *c, const char *word, str name) {
    struct buf b;
    buf_init(&b, HELP_BYTES_MAX);
    options_nearest(&b, name, option_name_at, c);
    options_wrong(c, "unknown option \"%s\"." STR_FMT, word, STR_ARG(buf_str(&b)));
    buf_fini(&b);
    return ERR_PROTO;
}

/* argv[*at] is an option: it and its value are taken. */
static err take_option(struct cli_options *o, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    bool is_long = word[1] == '-';
    str rest = str_of(word + 2), name = is_long ? str_cut(&rest, '=') : (str){word + 1, 1};
    if (is_long ? str_eq(name, S("help")) : word[1] == 'h' && !find_option(o->command, name, 'h')) {
        return print_help(o->command);
    }
    const struct cli_option *found = find_option(o->command, name, is_long ? 0 : word[1]);
    if (!found) return unknown_option(o->command, word, name);
    const char *inside = is_long ? rest.p : word[2] ? word + 2 : NULL;
    if (!found->value && inside) {
        return options_refuse(o->command, "\"--%s\" takes no value, but \"%s\" gives one.", found->name,
                              word);
    }
    if (found->value && !inside && *at + 1 >= argc) {
        return options_refuse(o->command, "\"%s\" needs a value: %s %s", word, word, found->value);
    }
    const char *value = !found->value ? "" : inside ? inside : argv[++*at];
    o->given[o->given_n++] = (struct cli_given){found, value};
    return OK;
}

static err take_all(struct cli_options *o, int argc, char **argv) {
    const struct cli_command *c = o->command;
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            TRY(take_option(o, argc, argv, &i));
        } else {
            o->args[o->args_n++] = argv[i];
        }
    }
    if (o->args_n < c->args_min) {
        return options_refuse(c, "something is missing: postern %s %s", c->name, c->args);
    }
    if (o->args_n > c->args_max) {
        return options_refuse(c, "\"%s\" is one argument too many.", o->args[c->args_max]);
    }
    return OK;
}

err options_parse(const struct cli_command *c, int argc, char **argv, struct cli_options *ret) {
    size_t n = argc > 0 ? (size_t)argc : 1;
    struct cli_options o = {
        .command = c, .given = base_zalloc(sizeof *o.given * n), .args = base_zalloc(sizeof *o.args * n)};
    err e = take_all(&o, argc, argv);
    if (e != OK) {
        options_fini(&o);
        return e;
    }
    *ret = o;
    return OK;
}

void options_fini(struct cli_options *o) {
    free(o->given);
    free((void *)o->args);
    *o = (struct cli_options){0};
}

int options_status(err e) { return e == OK || e == ERR_END ? CLI_DONE : CLI_USAGE; }

const char *options_get(const struct cli_options *o, const char *name, const char *otherwise) {
    const char *value = otherwise;
    for (size_t i = 0; i < o->given_n; i++) {
        if (strcmp(o->given[i].option->name, name) == 0) value = o->given[i].value;
    }
    return value;
}

bool options_has(const struct cli_options *o, const char *name) { return options_get(o, name, NULL); }

const char **options_all(const struct cli_options *o, const char *name, size_t *ret_n) {
    const char **values = NULL;
    size_t n = 0;
    for (size_t i = 0; i < o->given_n; i++) {
        if (strcmp(o->given[i].option->name, name) != 0) continue;
        values = base_realloc((void *)values, sizeof *values * (n + 1));
        values[n++] = o->given[i].value;
    }
    *ret_n = n;
    return values;
}

err options_number(const struct cli_options *o, const char *name, uint64_t min, uint64_t max, uint64_t *ret) {
    const char *text = options_get(o, name, NULL);
    if (!text) return OK;
    uint64_t v;
    if (num_parse(str_of(text), max, &v) != OK || v < min)
        return options_refuse(o->command, "--%s \"%s\" is not a number from %llu to %llu", name, text,
                              (unsigned long long)min, (unsigned long long)max);
    *ret = v;
    return OK;
}

err options_choice(const struct cli_options *o, const char *name, const char *const *choices, size_t *ret) {
    const char *value = options_get(o, name, choices[0]);
    struct buf b;
    buf_init(&b, HELP_BYTES_MAX);
    for (size_t i = 0; choices[i]; i++) {
        if (strcmp(choices[i], value) == 0) {
            buf_fini(&b);
            *ret = i;
            return OK;
        }
        buf_printf(&b, "%s%s", i ? ", " : "", choices[i]);
    }
    options_wrong(o->command, "--%s \"%s\" is none of: " STR_FMT ".", name, value, STR_ARG(buf_str(&b)));
    buf_fini(&b);
    return ERR_PROTO;
}
