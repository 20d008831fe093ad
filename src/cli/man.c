/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/man.h"

enum { PAGE_BYTES_MAX = 1 << 18 };

/* Text of man(7): a hyphen that is one, a backslash, and no line that begins as a request does. */
static void add_text(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        bool line = i == 0 ? !b->n || b->p[b->n - 1] == '\n' : s.p[i - 1] == '\n';
        if (line && (s.p[i] == '.' || s.p[i] == '\'')) buf_add(b, S("\\&"));
        if (s.p[i] == '-') {
            buf_add(b, S("\\-"));
        } else if (s.p[i] == '\\') {
            buf_add(b, S("\\e"));
        } else {
            buf_add_char(b, s.p[i]);
        }
    }
}

static void add_line(struct buf *b, str s) {
    add_text(b, s);
    buf_add_char(b, '\n');
}

static void add_title(struct buf *b, const char *command) {
    buf_printf(b, ".TH POSTERN%s%s 1 \"\" \"postern %s\" \"\"\n", command ? "\\-" : "",
               command ? command : "", POSTERN_VERSION);
}

static void add_option(struct buf *b, char letter, const char *name, const char *value, const char *help) {
    buf_add(b, S(".TP\n"));
    if (letter) buf_printf(b, "\\fB\\-%c\\fR, ", letter);
    buf_add(b, S("\\fB\\-\\-"));
    add_text(b, str_of(name));
    buf_add(b, S("\\fR"));
    if (value) {
        buf_add(b, S(" \\fI"));
        add_text(b, str_of(value));
        buf_add(b, S("\\fR"));
    }
    buf_add_char(b, '\n');
    add_line(b, str_of(help));
}

/* Lines that are indented stand as they are, those between blank ones are a paragraph. */
static void add_more(struct buf *b, str more) {
    bool indented = false, begun = false;
    while (more.n) {
        str line = str_cut(&more, '\n');
        bool now = str_starts(line, S("  "));
        if (indented && !now) buf_add(b, S(".EE\n.RE\n"));
        if (!indented && now) buf_add(b, S(".PP\n.RS 4\n.EX\n"));
        if (!now && (!begun || indented || !line.n)) begun = false;
        indented = now;
        if (!line.n) continue;
        if (!now && !begun) buf_add(b, S(".PP\n")), begun = true;
        add_line(b, now ? str_from(line, 2) : line);
    }
    if (indented) buf_add(b, S(".EE\n.RE\n"));
}

static void add_common(struct buf *b) {
    buf_add(b, S(".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nThe answer is no, or it could not be "
                 "had.\n.TP\n2\nUsed wrongly; "
                 "standard error says how.\n"));
    buf_add(
        b,
        S(".SH ENVIRONMENT\n.TP\n\\fBPOSTERN_ADMIN\\fR\nThe address of \\fB\\-\\-admin\\fR, unless that is "
          "given.\n.TP\n\\fBKUBECONFIG\\fR\nWhere the API server is, for \\fB\\-\\-kube\\fR.\n.TP\n"
          "\\fBNO_COLOR\\fR\nNo colours, if set.\n"));
}

static void add_see_also(struct buf *b, const struct commands_entry *but) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    buf_add(b, S(".SH SEE ALSO\n"));
    if (but) buf_add(b, S(".BR postern (1)"));
    for (size_t i = 0; i < n; i++) {
        if (&all[i] == but) continue;
        buf_printf(b, "%s.BR postern\\-%s (1)", i || but ? ",\n" : "", all[i].command->name);
    }
    buf_add_char(b, '\n');
}

static void add_command(struct buf *b, const struct commands_entry *e) {
    const struct cli_command *c = e->command;
    add_title(b, c->name);
    buf_printf(b, ".SH NAME\npostern\\-%s \\- ", c->name);
    add_line(b, str_of(e->summary));
    buf_printf(b, ".SH SYNOPSIS\n\\fBpostern %s\\fR ", c->name);
    add_text(b, str_of(c->args));
    add_line(b, c->options_n ? S(" [options]") : S(""));
    buf_add(b, S(".SH DESCRIPTION\n"));
    add_line(b, str_of(c->summary));
    if (c->more) add_more(b, str_of(c->more));
    buf_add(b, S(".SH OPTIONS\n"));
    for (size_t i = 0; i < c->options_n; i++)
        add_option(b, c->options[i].letter, c->options[i].name, c->options[i].value, c->options[i].help);
    add_option(b, 'h', "help", NULL, "Print a short help.");
    add_common(b);
    add_see_also(b, e);
}

static void add_program(struct buf *b) {
    size_t n;
    const struct commands_entry *all = commands_all(&n);
    add_title(b, NULL);
    buf_add(b, S(".SH NAME\npostern \\- the Kubernetes Gateway API in one program\n.SH SYNOPSIS\n"
                 "\\fBpostern\\fR \\fICOMMAND\\fR [options]\n.SH DESCRIPTION\n"));
    add_line(
        b,
        S("A gateway for HTTP, HTTPS and more, configured by the objects of the Kubernetes Gateway API: as "
          "manifests in files, or followed in a cluster."));
    buf_add(b, S(".SH COMMANDS\n"));
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, ".TP\n\\fB%s\\fR\n", all[i].command->name);
        add_line(b, str_of(all[i].summary));
    }
    add_common(b);
    add_see_also(b, NULL);
}

int man_print(const struct commands_entry *e) {
    struct buf b;
    buf_init(&b, PAGE_BYTES_MAX);
    if (e)
        add_command(&b, e);
    else
        add_program(&b);
    fwrite(b.p, 1, b.n, stdout);
    buf_fini(&b);
    return CLI_DONE;
}
