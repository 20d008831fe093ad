/* fuzz: filter, 400000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* What clients send of sessions and of origins: nothing crashes, tokens are parts of what came, and no origin is echoed that was not asked for. */
#include "filter/cors.h"
#include "filter/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static void try_session(struct arena *a, str value, bool header) {
    const struct table_session s = {.header = header, .name = S("sid"), .path = S("/")};
    str tokens[SESSION_TOKENS_MAX];
    struct http_msg m;
    http_msg_init(&m, a, true);
    http_msg_add(&m, header ? S("sid") : S("cookie"), value);
    uint32_t n = session_find(&s, &m, tokens);
    check(n <= SESSION_TOKENS_MAX);
    for (uint32_t i = 0; i < n; i++)
        check(tokens[i].n && tokens[i].p >= value.p && tokens[i].p + tokens[i].n <= value.p + value.n);
}

static void try_origin(struct arena *a, str origin) {
    static const struct table_origin origins[] = {{S("https"), S("*.a.test"), 443},
                                                  {S("http"), S("b.test"), 8080}};
    const struct table_cors c = {.credentials = true,
                                 .origins_n = COUNT_OF(origins),
                                 .origins = origins,
                                 .methods = S("*"),
                                 .headers = S("*"),
                                 .expose = S(""),
                                 .max_age = S("5")};
    struct http_msg m;
    http_msg_init(&m, a, false);
    cors_respond(&c, origin, &m);
    str said = http_msg_joined(&m, a, S("Access-Control-Allow-Origin"));
    if (!said.p) return;
    check(str_eq(said, origin));
    if (str_ieq(origin, S("http://b.test:8080"))) return;
    check(str_ieq(str_upto(origin, 8), S("https://")));
    str host = str_from(origin, 8), tail = S(".a.test");
    if (str_find(host, ':') < host.n) host = str_upto(host, str_find(host, ':'));
    check(host.n > tail.n && str_ieq(str_from(host, host.n - tail.n), tail));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    OWNED(arena) a = arena_new();
    str s = arena_str(a, (str){(const char *)data, size});
    try_session(a, s, false);
    try_session(a, s, true);
    try_origin(a, s);
    return 0;
}
