/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_access.h"

#include <errno.h>

/* A template's file has one line; its newline is no part of it. */
static err read_file(const struct cli_options *o, struct arena *a, const char *path, str *ret) {
    char text[ACCESS_TEMPLATE_BYTES_MAX + 2];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    bool failed = !f || ferror(f);
    int why = errno;
    if (f) fclose(f);
    if (failed)
        return options_refuse(o->command, "--access-log @%s: it can not be read: %s", path, strerror(why));
    if (n && text[n - 1] == '\n') n--;
    *ret = arena_str(a, (str){text, n});
    return OK;
}

/* The line with a caret below the place. */
static err tell(const struct cli_options *o, const char *file, str text, const struct access_fault *f) {
    str before = str_upto(text, f->at);
    unsigned line = 1;
    for (size_t newline; (newline = str_find(before, '\n')) < before.n; line++) {
        before = str_from(before, newline + 1);
        text = str_from(text, str_find(text, '\n') + 1);
    }
    text = str_upto(text, str_find(text, '\n'));
    return options_refuse(o->command,
                          "--access-log: %s%s%u:%zu: " STR_FMT "; " STR_FMT "\n  " STR_FMT "\n  %*s^",
                          file ? file : "", file ? ":" : "", line, before.n + 1, STR_ARG(f->message),
                          STR_ARG(f->remedy), STR_ARG(text), (int)before.n, "");
}

err serve_access_read(const struct cli_options *o, struct serve_access *ret) {
    const char *form = options_get(o, "access-log", "off"), *file = form[0] == '@' ? form + 1 : NULL;
    *ret = (struct serve_access){.words = arena_new(), .to = options_get(o, "access-log-to", "-")};
    str text = str_of(form);
    if (file) TRY(read_file(o, ret->words, file, &text));
    if (!ret->to[0] || strcmp(ret->to, "unix:") == 0)
        return options_refuse(o->command, "--access-log-to \"%s\" names nothing: a file, unix:PATH, or -",
                              ret->to);
    struct access_fault fault;
    if (access_format_parse(ret->words, text, &ret->form, &ret->program, &fault) == OK) return OK;
    return tell(o, file, text, &fault);
}

void serve_access_fini(struct serve_access *s) {
    arena_free(s->words);
    *s = (struct serve_access){0};
}
