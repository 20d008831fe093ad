/* fuzz: http, 400000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* A template of the access log: it is refused with a place inside it, or every line that it makes is one line, whatever the peer sent. What the
 * first newline ends is the template, the rest is what the peer sent in every text. */
#include "http/access_format.h"
#include "http/http_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str all = {(const char *)data, size}, text = str_cut(&all, '\n'), sent = all.p ? all : S("");
    struct arena *a = arena_new();
    enum access_form form = ACCESS_AS_USUAL;
    str program;
    struct access_fault fault;
    err e = access_format_parse(a, text, &form, &program, &fault);
    if (e != OK) {
        check(e == ERR_PROTO && form == ACCESS_AS_USUAL && fault.at <= text.n && fault.message.n &&
              fault.remedy.n);
        arena_free(a);
        return 0;
    }
    if (form == ACCESS_JSON || form == ACCESS_OFF) program = access_format_json(a);
    if (form == ACCESS_TEXT) program = access_format_text(a);
    struct http_msg m;
    http_msg_init(&m, a, true);
    http_msg_add(&m, S("Referer"), sent);
    struct access_record r = {.time_us = (int64_t)size << 40,
                              .method = sent,
                              .path = sent,
                              .query = sent,
                              .route = sent,
                              .user_agent = sent,
                              .rule = (int64_t)size,
                              .total_us = size,
                              .request = &m,
                              .response = &m,
                              .request_fields_n = 1};
    struct buf b;
    buf_init(&b, 1 << 24);
    access_print(&b, program, &r);
    check(!b.overflow && b.n && str_find(buf_str(&b), '\n') == b.n - 1); /* one line, whatever is in it */
    for (size_t i = 0; i + 1 < b.n; i++) check((unsigned char)b.p[i] >= 0x20);
    buf_fini(&b);
    arena_free(a);
    return 0;
}
