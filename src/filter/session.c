/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/session.h"

struct tokens {
    str *v;
    uint32_t n;
};

static void add(struct tokens *t, str token) {
    if (token.n && t->n < SESSION_TOKENS_MAX) t->v[t->n++] = token;
}

/* "a=1; b=2"; a value may stand in quotes. [RFC 6265 4.2.1, 4.1.1] */
static void take_cookies(struct tokens *t, str name, str list) {
    while (list.n && t->n < SESSION_TOKENS_MAX) {
        str value = str_trim(str_cut(&list, ';')), own = str_cut(&value, '=');
        if (!str_eq(str_trim(own), name)) continue;
        value = str_trim(value);
        if (value.n > 1 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = (str){value.p + 1, value.n - 2};
        add(t, value);
    }
}

uint32_t session_find(const struct table_session *s, const struct http_msg *request,
                      str ret_tokens[SESSION_TOKENS_MAX]) {
    struct tokens t = {ret_tokens, 0};
    str wanted = s->header ? s->name : S("cookie");
    for (uint32_t i = 0; i < request->fields_n; i++) {
        const struct http_field *f = &request->fields[i];
        if (f->gone || !str_ieq(f->name, wanted)) continue;
        if (s->header)
            add(&t, f->value);
        else
            take_cookies(&t, s->name, f->value);
    }
    return t.n;
}

/* Not for scripts, nor for requests that other sites cause; and only over TLS, once it came so. A browser would not bring back over plain HTTP
 * what says Secure. */
void session_say(const struct table_session *s, str token, bool tls, struct http_msg *response) {
    struct arena *a = response->arena;
    if (s->header) {
        http_msg_set(response, s->name, token);
        return;
    }
    str age = s->permanent ? arena_printf(a, "; Max-Age=%llu", (unsigned long long)s->absolute_s) : S("");
    http_msg_add_known(
        response, FIELD_SET_COOKIE, S("Set-Cookie"),
        arena_printf(a, STR_FMT "=" STR_FMT "; Path=" STR_FMT STR_FMT "; HttpOnly; SameSite=Strict%s",
                     STR_ARG(s->name), STR_ARG(token), STR_ARG(s->path), STR_ARG(age),
                     tls ? "; Secure" : ""));
}
