/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/header_edit.h"

#include "http/http_chars.h"

/* Fields by which messages are delimited, hops speak to each other or hosts are told apart [RFC 9110 7.6.1]; the codec writes them. */
static const uint64_t not_the_users =
    1ull << FIELD_CONNECTION | 1ull << FIELD_CONTENT_LENGTH | 1ull << FIELD_HOST |
    1ull << FIELD_HTTP2_SETTINGS | 1ull << FIELD_KEEP_ALIVE | 1ull << FIELD_PROXY_CONNECTION |
    1ull << FIELD_TE | 1ull << FIELD_TRAILER | 1ull << FIELD_TRANSFER_ENCODING | 1ull << FIELD_UPGRADE;
_Static_assert(HTTP_FIELD_ID_COUNT <= 64, "one word holds the set");

static bool name_allowed(str name) {
    return name.n && http_chars_all(name.p, name.n, HTTP_CHAR_TOKEN) &&
           !(not_the_users >> http_field_id_of(name) & 1);
}

static bool header_allowed(const struct table_header *h) {
    return name_allowed(h->name) && http_chars_all(h->value.p, h->value.n, HTTP_CHAR_VALUE);
}

err header_edit_apply(const struct table_filter *f, struct http_msg *m) {
    err e = OK;
    for (uint32_t i = 0; i < f->remove_n; i++) {
        if (name_allowed(f->remove[i]))
            http_msg_remove(m, f->remove[i]);
        else
            e = ERR_PROTO;
    }
    for (uint32_t i = 0; i < f->set_n; i++) {
        if (header_allowed(&f->set[i]))
            http_msg_set(m, f->set[i].name, f->set[i].value);
        else
            e = ERR_PROTO;
    }
    for (uint32_t i = 0; i < f->add_n; i++) {
        if (header_allowed(&f->add[i]))
            http_msg_add(m, f->add[i].name, f->add[i].value);
        else
            e = ERR_PROTO;
    }
    return e;
}
