/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/path_change.h"

#include "http/http_chars.h"

static str without_slashes_at_end(str s) {
    while (s.n && s.p[s.n - 1] == '/') s.n--;
    return s;
}

static str with_one_slash_before(struct arena *a, str s) {
    size_t slashes = 0;
    while (slashes < s.n && s.p[slashes] == '/') slashes++;
    if (slashes == 1) return s;
    return slashes ? str_from(s, slashes - 1) : arena_printf(a, "/" STR_FMT, STR_ARG(s));
}

/* value + what follows the prefix; the slash between them is one. */
static str replace_prefix(struct arena *a, str value, str rest) {
    value = without_slashes_at_end(value);
    if (rest.n) rest = with_one_slash_before(a, rest);
    if (!value.n) return rest.n ? rest : S("/");
    value = with_one_slash_before(a, value);
    return rest.n ? arena_printf(a, STR_FMT STR_FMT, STR_ARG(value), STR_ARG(rest)) : value;
}

/* The replacement as bytes of a path: what a target can not hold, and what would end its path, is percent-encoded, so that no value of a
 * manifest writes a second line or a query [RFC 3986 3.3]. */
static str encode(struct arena *a, str value) {
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++)
        n += !http_chars_has(value.p[i], HTTP_CHAR_TARGET) || value.p[i] == '?';
    if (!n) return value;
    char *p = arena_bytes(a, value.n + 2 * n), *to = p;
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (http_chars_has((char)c, HTTP_CHAR_TARGET) && c != '?') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = "0123456789ABCDEF"[c >> 4];
        *to++ = "0123456789ABCDEF"[c & 15];
    }
    return (str){p, (size_t)(to - p)};
}

str path_change_apply(struct arena *a, const struct table_filter *f, const struct filter_context *cx,
                      str path) {
    switch ((enum table_path_change)f->path_change) {
    case TABLE_PATH_KEEP: break;
    case TABLE_PATH_REPLACE_FULL: return with_one_slash_before(a, encode(a, f->path));
    case TABLE_PATH_REPLACE_PREFIX:
        /* no prefix matched, which resolve/ does not let come here, or "*": nothing there to replace */
        if (cx->prefix > path.n || path.p[0] != '/') break;
        return replace_prefix(a, encode(a, f->path), str_from(path, cx->prefix));
    }
    return path;
}
