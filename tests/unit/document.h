/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of docs/ that are made from a table of the code: they must say what the table says. `make docs` writes them anew. */
#pragma once
#include "unit.h"

#include "base/buf.h"

static inline struct buf document_read(const char *path) {
    struct buf b;
    char bytes[4096];
    buf_init(&b, 1 << 20);
    FILE *f = fopen(path, "re");
    if (!f) fail_msg("%s is not there", path);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f));) buf_add(&b, (str){bytes, n});
    fclose(f);
    return b;
}

/* The part between <!-- made: NAME --> and <!-- end --> of docs/FILE is text. */
static inline void document_holds(const char *file, const char *name, str text) {
    char path[512], begin[128];
    snprintf(path, sizeof path, TESTS_DIR "/../docs/%s", file);
    snprintf(begin, sizeof begin, "<!-- made: %s -->\n", name);
    struct buf b = document_read(path);
    buf_add_char(&b, 0);
    char *from = strstr(b.p, begin), *to = from ? strstr(from, "<!-- end -->") : NULL;
    if (!to) fail_msg("docs/%s has no part \"%s\"", file, begin);
    from += strlen(begin);
    str have = {from, (size_t)(to - from)};
    if (!str_eq(have, text) && getenv("POSTERN_WRITE_DOCS")) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fwrite(b.p, 1, (size_t)(from - b.p), f);
        fwrite(text.p, 1, text.n, f);
        fwrite(to, 1, (size_t)(b.p + b.n - 1 - to), f);
        fclose(f);
    } else if (!str_eq(have, text)) {
        fail_msg("docs/%s, \"%s\": not what the code's table says; `make docs` writes it anew", file, name);
    }
    buf_fini(&b);
}
