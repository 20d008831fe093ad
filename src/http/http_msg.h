/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* One HTTP message head, the same for every version. Names and values point into memory of the exchange (its arena). */
enum http_method {
    HTTP_METHOD_OTHER,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
};
/* Fields that postern itself looks at; http_field.c has the one table of names. */
enum http_field_id {
    FIELD_OTHER,
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_TYPE,
    FIELD_DATE,
    FIELD_EXPECT,
    FIELD_FORWARDED,
    FIELD_HOST,
    FIELD_HTTP2_SETTINGS,
    FIELD_KEEP_ALIVE,
    FIELD_LOCATION,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_PROXY_CONNECTION,
    FIELD_SERVER,
    FIELD_SET_COOKIE,
    FIELD_TE,
    FIELD_TRACEPARENT,
    FIELD_TRACESTATE,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_USER_AGENT,
    FIELD_VIA,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PORT,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_REQUEST_ID,
    HTTP_FIELD_ID_COUNT
};
static_assert(HTTP_FIELD_ID_COUNT <= 32, "sets of fields are bits of a word");
struct http_field {
    str name;   /* as received; compared without case */
    str value;  /* without white space around it */
    uint8_t id; /* enum http_field_id */
    bool gone;  /* removed by a filter or as hop-by-hop: not written on */
};
enum http_body {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,   /* content_length bytes */
    HTTP_BODY_CHUNKED,  /* HTTP/1.1 chunks, or a stream of HTTP/2 without a length */
    HTTP_BODY_TO_CLOSE, /* response of HTTP/1: until the connection ends */
};
struct http_msg {
    struct arena *arena; /* where added names, values and fields live */
    bool is_request;
    uint8_t version;   /* 10, 11, 20 */
    uint8_t method_id; /* enum http_method */
    uint8_t body;      /* enum http_body: how the body of this message ends */
    bool keep_alive;   /* HTTP/1: the peer lets the connection live on */
    bool expect_continue;
    uint16_t status; /* response */
    str method;
    str authority; /* host and port as sent: Host, :authority or the absolute form's */
    str host;      /* the authority's, when the codec split it: http_uri_split_authority() */
    /* The protocols to go on by, as a list: what Upgrade says where Connection names it. Submitted, the request asks for them and a
     * response agrees (101) or tells of them (426); filter/upgrade.h says what may pass.                          [RFC 9110 7.8] */
    str upgrade;
    str path;                /* begins with "/", or "*"; never empty once checked */
    str query;               /* with its "?", or "" */
    uint64_t content_length; /* with HTTP_BODY_LENGTH */
    struct http_field *fields;
    uint32_t fields_n, fields_cap;
    uint32_t ids; /* a bit for each http_field_id that came or was added, gone or not */
};
/* A message of its own in a, with what is live of m. */
struct http_msg *http_msg_copy(struct arena *a, const struct http_msg *m);
void http_msg_init(struct http_msg *m, struct arena *a, bool is_request);
/* Room for n fields in all, in one block. */
void http_msg_reserve(struct http_msg *m, uint32_t n);
/* The first field of that name that is not gone, or NULL. */
const struct http_field *http_msg_find(const struct http_msg *m, str name);
const struct http_field *http_msg_find_id(const struct http_msg *m, enum http_field_id id);
/* All values of a name joined with "," in a; not given (p == NULL) when there is none. One value is returned as it is. */
str http_msg_joined(const struct http_msg *m, struct arena *a, str name);
/* Adds a field; name and value are not copied. */
void http_msg_add(struct http_msg *m, str name, str value);
/* The same for a name of the table, spelled as it shall be written. */
void http_msg_add_known(struct http_msg *m, enum http_field_id id, str name, str value);
static inline bool http_msg_may_have(const struct http_msg *m, enum http_field_id id) {
    return m->ids >> id & 1;
}
/* Marks every field of the name as gone; returns how many. */
uint32_t http_msg_remove(struct http_msg *m, str name);
/* Removes all of the name and adds one. */
void http_msg_set(struct http_msg *m, str name, str value);
/* By length and first letter, then compared without case; FIELD_OTHER when it is none of the table. */
enum http_field_id http_field_id_of(str name);
/* In lower case; "" for FIELD_OTHER. */
str http_field_name(enum http_field_id id);
enum http_method http_method_of(str method);
str http_method_name(enum http_method m);
/* "OK", "Not Found"; "" when unknown. */
str http_status_reason(uint16_t status);
