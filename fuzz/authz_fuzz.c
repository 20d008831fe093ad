/* fuzz: proto, 200000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the answer of an authorization server, and as the fields of a question to it: nothing crashes, what an answer is let say no codec
 * has to refuse, and a question is a message whose parts fit. */
#include "http/http_chars.h"
#include "proto/authz.h"
#include "proto/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static void check_fields(const struct authz_fields *f) {
    check(f->n <= AUTHZ_CHANGES_MAX);
    for (uint32_t i = 0; i < f->n; i++) {
        const struct authz_field *v = &f->v[i];
        check(v->name.n && http_chars_all(v->name.p, v->name.n, HTTP_CHAR_TOKEN));
        check(http_chars_all(v->value.p, v->value.n, HTTP_CHAR_VALUE));
        enum http_field_id id = http_field_id_of(v->name);
        check(id != FIELD_HOST && id != FIELD_CONTENT_LENGTH && id != FIELD_TRANSFER_ENCODING &&
              id != FIELD_CONNECTION);
    }
}

static void read_answer(struct arena *a, str bytes) {
    struct authz_verdict v;
    if (authz_read(a, bytes, &v) != OK) return;
    check_fields(&v.fields);
    check_fields(&v.response);
    check(v.status >= 200 && v.status <= 599);
    check(v.allowed || (!v.remove.n && !v.response.n && !v.set_query.n && !v.remove_query.n));
    check(v.remove.n + v.set_query.n + v.remove_query.n <= AUTHZ_CHANGES_MAX);
}

/* All of it is fields, and so is each message on the way to the body. */
static str whole(str message, uint32_t inner) {
    str found = S("");
    struct protobuf_field f;
    for (err e; (e = protobuf_next(&message, &f)) != ERR_END;) {
        check(e == OK);
        if (f.number == inner && f.wire == PROTOBUF_BYTES) found = f.bytes;
    }
    return found;
}

static void ask(struct arena *a, str bytes) {
    struct http_msg m;
    http_msg_init(&m, a, true);
    str rest = bytes;
    m.version = 11, m.method = str_cut(&rest, '\n'), m.path = str_cut(&rest, '\n'), m.query = S("");
    m.authority = str_cut(&rest, '\n');
    while (rest.n) {
        str value = str_cut(&rest, '\n'), name = str_cut(&value, ':');
        if (name.n) http_msg_add_known(&m, http_field_id_of(name), name, value.p ? value : S(""));
    }
    str body = str_upto(bytes, 7);
    struct protobuf_utf8 u = {0};
    protobuf_utf8_add(&u, body);
    struct authz_question q = {
        .request = &m, .wall_us = 1, .size = -1, .body_n = body.n, .body_text = protobuf_utf8_ok(&u)};
    str head = authz_head(a, &q);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add(&b, head);
    buf_add(&b, body);
    uint32_t n;
    err e = authz_frame((const uint8_t *)b.p, &n);
    check(e == ERR_LIMIT || (e == OK && n == b.n - AUTHZ_FRAME_BYTES));
    str http = whole(whole(whole(str_from(buf_str(&b), AUTHZ_FRAME_BYTES), 1), 4), 2);
    check(str_eq(whole(http, q.body_text ? 11 : 12), body));
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    OWNED(arena) a = arena_new();
    str bytes = {(const char *)data, size};
    read_answer(a, bytes);
    if (size < 1 << 14) ask(a, bytes);
    return 0;
}
