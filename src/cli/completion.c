/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

enum { SCRIPT_BYTES_MAX = 1 << 18 };

const struct cli_command completion_command = {
    .name = "completion",
    .args = "bash|zsh|fish",
    .summary = "Prints a script that completes commands and options in a shell.",
    .more = "Examples:\n"
            "  postern completion bash >/etc/bash_completion.d/postern\n"
            "  source <(postern completion bash)\n"
            "  postern completion fish >~/.config/fish/completions/postern.fish",
    .args_min = 1,
    .args_max = 1,
};

/* The first sentence of what help says of it, without its end. */
static str brief(const char *help) {
    str s = str_of(help);
    for (size_t i = 0; i + 1 < s.n; i++)
        if ((s.p[i] == '.' || s.p[i] == ';' || s.p[i] == ':') && s.p[i + 1] == ' ') return str_upto(s, i);
    return s.n && s.p[s.n - 1] == '.' ? str_upto(s, s.n - 1) : s;
}

/* Is the value a path, or does a path end it (NAMESPACE=DIR)? */
static bool is_path(const struct cli_option *o) {
    static const char *const words[] = {"PATH", "FILE", "DIR", "WHERE"};
    for (size_t i = 0; o->value && i < COUNT_OF(words); i++)
        if (strstr(o->value, words[i])) return true;
    return false;
}
static bool takes_paths(const struct cli_command *c) {
    return strstr(c->args, "PATH") || strcmp(c->name, "diff") == 0;
}

static void add_names(struct buf *b, const char *between) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    for (size_t i = 0; i < n; i++) buf_printf(b, "%s%s", i ? between : "", all[i].command->name);
}

/* Text between single quotes of a shell. */
static void add_quoted(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'') {
            buf_add(b, S("'\\''"));
        } else {
            buf_add_char(b, s.p[i]);
        }
    }
}

/* ---- bash ---- */

static void add_bash_value(struct buf *b, const struct cli_option *o) {
    if (!o->value) return;
    buf_printf(b, "        --%s%s", o->name, o->letter ? "|" : "");
    if (o->letter) buf_printf(b, "-%c", o->letter);
    if (o->choices)
        buf_printf(b, ") COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", o->choices);
    else if (is_path(o))
        buf_add(b, S(") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"));
    else
        buf_add(b, S(") return ;;\n"));
}

static void add_bash_command(struct buf *b, const struct cli_command *c) {
    buf_printf(b, "    %s)\n        case $prev in\n", c->name);
    for (size_t i = 0; i < c->options_n; i++) add_bash_value(b, &c->options[i]);
    buf_add(b, S("        esac\n        options='--help"));
    for (size_t i = 0; i < c->options_n; i++) buf_printf(b, " --%s", c->options[i].name);
    buf_add(b, S("'"));
    if (takes_paths(c)) buf_add(b, S(" paths=1"));
    if (c == &completion_command) buf_add(b, S(" words='bash zsh fish'"));
    buf_add(b, S(" ;;\n"));
}

static void bash(struct buf *b) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    buf_add(b, S("# bash completion of postern, made by: postern completion bash\n"
                 "_postern() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= options= "
                 "paths= words= i\n"
                 "    COMPREPLY=()\n"
                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        [[ ${COMP_WORDS[i]} != -* ]] && { command=${COMP_WORDS[i]}; break; }\n"
                 "    done\n"
                 "    case $command in\n"
                 "    ''|help) words='"));
    add_names(b, " ");
    buf_add(b, S(" help version' ;;\n"));
    for (size_t i = 0; i < n; i++) add_bash_command(b, all[i].command);
    buf_add(b, S("    esac\n"
                 "    if [[ $cur == -* ]]; then\n"
                 "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
                 "    elif [[ $paths ]]; then\n"
                 "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                 "    else\n"
                 "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                 "    fi\n"
                 "}\n"
                 "complete -o filenames -F _postern postern\n"));
}

/* ---- zsh ---- */

/* Within [...] and between : of _arguments. */
static void add_zsh_text(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("[]:\\", s.p[i])) buf_add_char(b, '\\');
        add_quoted(b, (str){s.p + i, 1});
    }
}

static void add_zsh_option(struct buf *b, const struct cli_option *o) {
    for (int form = o->letter ? 0 : 1; form < 2; form++) {
        buf_add(b, S("        '*"));
        if (form)
            buf_printf(b, "--%s[", o->name);
        else
            buf_printf(b, "-%c[", o->letter);
        add_zsh_text(b, brief(o->help));
        buf_add_char(b, ']');
        if (o->value) {
            buf_add_char(b, ':');
            add_zsh_text(b, str_of(o->value));
            buf_add_char(b, ':');
            if (o->choices) buf_printf(b, "(%s)", o->choices);
            if (!o->choices && is_path(o)) buf_add(b, S("_files"));
        }
        buf_add(b, S("' \\\n"));
    }
}

static void zsh(struct buf *b) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    buf_add(b, S("#compdef postern\n# zsh completion of postern, made by: postern completion zsh\n"
                 "_postern() {\n    local -a commands\n    commands=(\n"));
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "        '%s:", all[i].command->name);
        add_zsh_text(b, brief(all[i].summary));
        buf_add(b, S("'\n"));
    }
    buf_add(b, S("        'help:Print help'\n        'version:Print the version'\n    )\n"
                 "    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    fi\n"
                 "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in\n"));
    for (size_t i = 0; i < n; i++) {
        const struct cli_command *c = all[i].command;
        buf_printf(b, "    %s)\n        _arguments \\\n", c->name);
        for (size_t k = 0; k < c->options_n; k++) add_zsh_option(b, &c->options[k]);
        buf_add(b, S("        '--help[Print help]' \\\n"));
        buf_add(b, c == &completion_command ? S("        '1:shell:(bash zsh fish)' ;;\n")
                   : takes_paths(c)         ? S("        '*:path:_files' ;;\n")
                                            : S("        '*:argument:' ;;\n"));
    }
    buf_add(
        b,
        S("    help) _describe command commands ;;\n    esac\n}\n"
          "if [[ $funcstack[1] == _postern ]]; then _postern \"$@\"; else compdef _postern postern; fi\n"));
}

/* ---- fish ---- */

/* Between single quotes, where a backslash escapes. */
static void add_fish_text(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'' || s.p[i] == '\\') buf_add_char(b, '\\');
        buf_add_char(b, s.p[i]);
    }
}

static void add_fish_option(struct buf *b, const struct cli_command *c, const struct cli_option *o) {
    buf_printf(b, "complete -c postern -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter) buf_printf(b, " -s %c", o->letter);
    if (o->choices)
        buf_printf(b, " -xa '%s'", o->choices);
    else if (o->value)
        buf_add(b, is_path(o) ? S(" -rF") : S(" -x"));
    buf_add(b, S(" -d '"));
    add_fish_text(b, brief(o->help));
    buf_add(b, S("'\n"));
}

static void fish(struct buf *b) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    buf_add(b, S("# fish completion of postern, made by: postern completion fish\ncomplete -c postern -f\n"));
    for (size_t i = 0; i < n; i++) {
        const struct cli_command *c = all[i].command;
        buf_printf(b, "complete -c postern -n __fish_use_subcommand -a %s -d '", c->name);
        add_fish_text(b, brief(all[i].summary));
        buf_add(b, S("'\n"));
        if (takes_paths(c))
            buf_printf(b, "complete -c postern -n '__fish_seen_subcommand_from %s' -F\n", c->name);
        for (size_t k = 0; k < c->options_n; k++) add_fish_option(b, c, &c->options[k]);
    }
    buf_add(b, S("complete -c postern -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n"
                 "complete -c postern -n '__fish_seen_subcommand_from help' -a '"));
    add_names(b, " ");
    buf_add(b, S("'\n"));
}

int completion_main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*print)(struct buf *b);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    struct cli_options o;
    err e = options_parse(&completion_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    int status = -1;
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        if (strcmp(o.args[0], shells[i].name) != 0) continue;
        struct buf b;
        buf_init(&b, SCRIPT_BYTES_MAX);
        shells[i].print(&b);
        fwrite(b.p, 1, b.n, stdout);
        buf_fini(&b);
        status = CLI_DONE;
    }
    if (status < 0)
        status = options_wrong(&completion_command, "\"%s\" is no shell that is known: bash, zsh, fish.",
                               o.args[0]);
    options_fini(&o);
    return status;
}
