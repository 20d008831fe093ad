/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/authz.h"

#include "base/num.h"
#include "http/http_chars.h"
#include "proto/hop.h"
#include "proto/protobuf.h"

/* Numbers of the fields, by their messages. */
enum {
    CHECK_REQUEST_ATTRIBUTES = 1,
    ATTRIBUTES_SOURCE = 1,
    ATTRIBUTES_DESTINATION = 2,
    ATTRIBUTES_REQUEST = 4,
    PEER_ADDRESS = 1,
    ADDRESS_SOCKET = 1,
    SOCKET_ADDRESS = 2,
    SOCKET_PORT = 3,
    REQUEST_TIME = 1,
    REQUEST_HTTP = 2,
    TIME_SECONDS = 1,
    TIME_NANOS = 2,
    HTTP_ID = 1,
    HTTP_METHOD = 2,
    HTTP_HEADERS = 3,
    HTTP_PATH = 4,
    HTTP_HOST = 5,
    HTTP_SCHEME = 6,
    HTTP_SIZE = 9,
    HTTP_PROTOCOL = 10,
    HTTP_BODY = 11,
    HTTP_RAW_BODY = 12,
    PAIR_KEY = 1, /* of maps, HeaderValue, QueryParameter */
    PAIR_VALUE = 2,
    PAIR_RAW_VALUE = 3, /* of HeaderValue */
    CHECK_RESPONSE_STATUS = 1,
    CHECK_RESPONSE_DENIED = 2,
    CHECK_RESPONSE_OK = 3,
    CHECK_RESPONSE_ERROR = 5,
    STATUS_CODE = 1,
    DENIED_STATUS = 1,
    DENIED_HEADERS = 2,
    DENIED_BODY = 3,
    OK_HEADERS = 2,
    OK_REMOVE = 5,
    OK_RESPONSE_HEADERS = 6,
    OK_QUERY_SET = 7,
    OK_QUERY_REMOVE = 8,
    HTTP_STATUS_CODE = 1,
    OPTION_HEADER = 1,
    OPTION_APPEND = 2,
    OPTION_ACTION = 3,
    BOOL_VALUE = 1,
};
enum { CODE_DENIED = 403 }; /* when the answer names no status */

/* ---- the question ---- */

static str lowered(struct arena *a, str s) {
    char *p = arena_raw(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) p[i] = str_lower(s.p[i]);
    return (str){p, s.n};
}

static bool is_wanted(const struct authz_question *q, str name) {
    for (uint32_t i = 0; i < q->names_n; i++)
        if (str_ieq(q->names[i], name)) return true;
    return !q->names_n;
}

struct pair {
    str key, value;
};

static void put_pair(struct protobuf_out *o, uint32_t number, struct pair v) {
    struct protobuf_out size = {0};
    protobuf_text(&size, PAIR_KEY, v.key);
    protobuf_text(&size, PAIR_VALUE, v.value);
    protobuf_begin(o, number, size.n);
    protobuf_text(o, PAIR_KEY, v.key);
    protobuf_text(o, PAIR_VALUE, v.value);
}

static bool came_before(const struct http_msg *m, uint32_t at) {
    for (uint32_t i = 0; i < at; i++)
        if (!m->fields[i].gone && str_ieq(m->fields[i].name, m->fields[at].name)) return true;
    return false;
}

/* Each name once, in lower case, with all its values; pseudo fields as a server of HTTP/2 would see them. */
static struct pair *make_pairs(struct arena *a, const struct authz_question *q, uint32_t *ret_n) {
    const struct http_msg *m = q->request;
    struct pair *v = arena_array(a, struct pair, m->fields_n + 4);
    uint32_t n = 0;
    struct pair pseudo[] = {
        {S(":method"), m->method},
        {S(":path"), arena_printf(a, STR_FMT STR_FMT, STR_ARG(m->path), STR_ARG(m->query))},
        {S(":authority"), m->authority},
        {S(":scheme"), q->tls ? S("https") : S("http")}};
    for (size_t i = 0; i < COUNT_OF(pseudo); i++)
        if (is_wanted(q, pseudo[i].key)) v[n++] = pseudo[i];
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || HOP_BY_HOP >> f->id & 1 || f->id == FIELD_TE || !is_wanted(q, f->name)) continue;
        if (came_before(m, i)) continue;
        v[n++] = (struct pair){lowered(a, f->name), http_msg_joined(m, a, f->name)};
    }
    *ret_n = n;
    return v;
}

static str protocol_of(const struct http_msg *m) {
    return m->version == 20 ? S("HTTP/2") : m->version == 10 ? S("HTTP/1.0") : S("HTTP/1.1");
}

/* All of HttpRequest but the body's bytes. */
static void put_http(struct protobuf_out *o, const struct authz_question *q, const struct pair *v, uint32_t n,
                     str target) {
    const struct http_msg *m = q->request;
    const struct http_field *id = http_msg_find_id(m, FIELD_X_REQUEST_ID);
    if (id) protobuf_text(o, HTTP_ID, id->value);
    protobuf_text(o, HTTP_METHOD, m->method);
    for (uint32_t i = 0; i < n; i++) put_pair(o, HTTP_HEADERS, v[i]);
    protobuf_text(o, HTTP_PATH, target);
    protobuf_text(o, HTTP_HOST, m->authority);
    protobuf_text(o, HTTP_SCHEME, q->tls ? S("https") : S("http"));
    protobuf_number(o, HTTP_SIZE, (uint64_t)q->size);
    protobuf_text(o, HTTP_PROTOCOL, protocol_of(m));
    if (q->body_n) protobuf_begin(o, q->body_text ? HTTP_BODY : HTTP_RAW_BODY, q->body_n);
}

static void put_peer(struct protobuf_out *o, struct arena *a, uint32_t number, const struct ip *ip,
                     uint16_t port) {
    if (!ip->family) return;
    struct buf b;
    buf_init(&b, 64);
    ip_print(&b, ip);
    str text = arena_str(a, buf_str(&b));
    buf_fini(&b);
    struct protobuf_out socket = {0}, address = {0}, peer = {0};
    protobuf_text(&socket, SOCKET_ADDRESS, text);
    protobuf_number(&socket, SOCKET_PORT, port);
    protobuf_begin(&address, ADDRESS_SOCKET, socket.n);
    protobuf_begin(&peer, PEER_ADDRESS, address.n + socket.n);
    protobuf_begin(o, number, peer.n + address.n + socket.n);
    protobuf_begin(o, PEER_ADDRESS, address.n + socket.n);
    protobuf_begin(o, ADDRESS_SOCKET, socket.n);
    protobuf_text(o, SOCKET_ADDRESS, text);
    protobuf_number(o, SOCKET_PORT, port);
}

static void put_time(struct protobuf_out *o, int64_t us) {
    struct protobuf_out size = {0};
    uint64_t seconds = (uint64_t)us / 1000000, nanos = (uint64_t)us % 1000000 * 1000;
    protobuf_number(&size, TIME_SECONDS, seconds);
    protobuf_number(&size, TIME_NANOS, nanos);
    protobuf_begin(o, REQUEST_TIME, size.n);
    protobuf_number(o, TIME_SECONDS, seconds);
    protobuf_number(o, TIME_NANOS, nanos);
}

/* The body comes last in each of the messages that it is within. */
str authz_head(struct arena *a, const struct authz_question *q) {
    const struct http_msg *m = q->request;
    uint32_t n;
    const struct pair *pairs = make_pairs(a, q, &n);
    str target = arena_printf(a, STR_FMT STR_FMT, STR_ARG(m->path), STR_ARG(m->query));
    struct protobuf_out http = {0}, request = {0}, attributes = {0}, all = {0};
    put_http(&http, q, pairs, n, target);
    size_t http_n = http.n + q->body_n;
    put_time(&request, q->wall_us);
    protobuf_begin(&request, REQUEST_HTTP, http_n);
    size_t request_n = request.n + http_n;
    put_peer(&attributes, a, ATTRIBUTES_SOURCE, &q->source, q->source_port);
    put_peer(&attributes, a, ATTRIBUTES_DESTINATION, &q->destination, q->destination_port);
    protobuf_begin(&attributes, ATTRIBUTES_REQUEST, request_n);
    size_t attributes_n = attributes.n + request_n;
    protobuf_begin(&all, CHECK_REQUEST_ATTRIBUTES, attributes_n);
    size_t message_n = all.n + attributes_n, head_n = AUTHZ_FRAME_BYTES + message_n - q->body_n;

    struct protobuf_out o = {.to = arena_raw(a, head_n)};
    char frame[AUTHZ_FRAME_BYTES] = {0, (char)(message_n >> 24), (char)(message_n >> 16),
                                     (char)(message_n >> 8), (char)message_n};
    protobuf_raw(&o, (str){frame, sizeof frame});
    protobuf_begin(&o, CHECK_REQUEST_ATTRIBUTES, attributes_n);
    put_peer(&o, a, ATTRIBUTES_SOURCE, &q->source, q->source_port);
    put_peer(&o, a, ATTRIBUTES_DESTINATION, &q->destination, q->destination_port);
    protobuf_begin(&o, ATTRIBUTES_REQUEST, request_n);
    put_time(&o, q->wall_us);
    protobuf_begin(&o, REQUEST_HTTP, http_n);
    put_http(&o, q, pairs, n, target);
    assert(o.n == head_n);
    return (str){o.to, o.n};
}

/* ---- the answer ---- */

err authz_frame(const uint8_t frame[AUTHZ_FRAME_BYTES], uint32_t *ret_n) {
    uint32_t n = (uint32_t)frame[1] << 24 | (uint32_t)frame[2] << 16 | (uint32_t)frame[3] << 8 | frame[4];
    if (frame[0]) return ERR_PROTO;
    if (n > AUTHZ_ANSWER_BYTES_MAX) return ERR_LIMIT;
    *ret_n = n;
    return OK;
}

/* The one field of a message that is looked for, and nothing else of its kind: "not given" when it is not there. */
static err only(str message, uint32_t number, uint8_t wire, struct protobuf_field *ret) {
    *ret = (struct protobuf_field){0};
    struct protobuf_field f;
    for (err e; (e = protobuf_next(&message, &f)) != ERR_END;) {
        TRY(e);
        if (f.number != number) continue;
        if (f.wire != wire || ret->number) return ERR_PROTO;
        *ret = f;
    }
    return OK;
}

/* Of one connection, of framing, or what a request is routed by. */
static bool is_left_out(str name) {
    enum http_field_id id = http_field_id_of(name);
    uint32_t never = (uint32_t)HOP_LEFT_OUT | HOP_BIT(HOST) | HOP_BIT(TRAILER) | HOP_BIT(EXPECT);
    return (name.n && *name.p == ':') || never >> id & 1;
}

static bool is_name(str s) { return s.n && http_chars_all(s.p, s.n, HTTP_CHAR_TOKEN); }

static err read_pair(str message, bool raw, struct pair *ret) {
    struct protobuf_field key, value, other = {0};
    TRY(only(message, PAIR_KEY, PROTOBUF_BYTES, &key));
    TRY(only(message, PAIR_VALUE, PROTOBUF_BYTES, &value));
    if (raw) TRY(only(message, PAIR_RAW_VALUE, PROTOBUF_BYTES, &other));
    *ret = (struct pair){key.bytes.n ? key.bytes : S(""), value.bytes.n   ? value.bytes
                                                          : other.bytes.n ? other.bytes
                                                                          : S("")};
    return OK;
}

/* append, where it is given, says all; without it and without an action the value is set.                 [ext_authz OkHttpResponse] */
static err read_how(str option, uint8_t *ret) {
    static const uint8_t actions[] = {AUTHZ_SET, AUTHZ_IF_ABSENT, AUTHZ_SET, AUTHZ_IF_PRESENT};
    struct protobuf_field append, truth, action;
    TRY(only(option, OPTION_APPEND, PROTOBUF_BYTES, &append));
    TRY(only(option, OPTION_ACTION, PROTOBUF_VARINT, &action));
    TRY(only(append.bytes, BOOL_VALUE, PROTOBUF_VARINT, &truth));
    if (action.value >= COUNT_OF(actions)) return ERR_PROTO;
    *ret = truth.value ? AUTHZ_APPEND : append.number ? AUTHZ_SET : actions[action.value];
    return OK;
}

static uint32_t count(str message, uint32_t number) {
    uint32_t n = 0;
    for (struct protobuf_field f; protobuf_next(&message, &f) == OK;) n += f.number == number;
    return n;
}

static err add_field(str option, struct authz_fields *to) {
    struct protobuf_field header;
    struct pair v;
    uint8_t how;
    TRY(only(option, OPTION_HEADER, PROTOBUF_BYTES, &header));
    TRY(read_pair(header.bytes, true, &v));
    TRY(read_how(option, &how));
    if (is_left_out(v.key)) return OK;
    str value = str_trim(v.value);
    if (!is_name(v.key) || !http_chars_all(value.p, value.n, HTTP_CHAR_VALUE)) return ERR_PROTO;
    to->v[to->n++] = (struct authz_field){v.key, value, how};
    return OK;
}

static err add_removed(str name, struct authz_names *to) {
    if (is_left_out(name)) return OK;
    if (!is_name(name)) return ERR_PROTO;
    to->v[to->n++] = name;
    return OK;
}

static err add_parameter(str message, struct authz_verdict *v) {
    struct pair p;
    TRY(read_pair(message, false, &p));
    if (!p.key.n) return ERR_PROTO;
    v->set_query.v[v->set_query.n++] = (struct authz_parameter){p.key, p.value};
    return OK;
}

static err read_ok_field(const struct protobuf_field *f, struct authz_verdict *v) {
    bool known = f->number == OK_HEADERS || (f->number >= OK_REMOVE && f->number <= OK_QUERY_REMOVE);
    if (!known) return OK; /* of a later version, or for others than us */
    if (f->wire != PROTOBUF_BYTES) return ERR_PROTO;
    switch (f->number) {
    case OK_HEADERS: return add_field(f->bytes, &v->fields);
    case OK_REMOVE: return add_removed(f->bytes, &v->remove);
    case OK_RESPONSE_HEADERS: return add_field(f->bytes, &v->response);
    case OK_QUERY_SET: return add_parameter(f->bytes, v);
    default:
        if (!f->bytes.n) return ERR_PROTO;
        v->remove_query.v[v->remove_query.n++] = f->bytes;
        return OK;
    }
}

static err read_ok(struct arena *a, str message, struct authz_verdict *v) {
    struct protobuf_field f;
    uint32_t changes = 0;
    for (str s = message; protobuf_next(&s, &f) == OK;) changes++;
    if (changes > AUTHZ_CHANGES_MAX) return ERR_LIMIT;
    v->fields.v = arena_array(a, struct authz_field, count(message, OK_HEADERS));
    v->remove.v = arena_array(a, str, count(message, OK_REMOVE));
    v->response.v = arena_array(a, struct authz_field, count(message, OK_RESPONSE_HEADERS));
    v->set_query.v = arena_array(a, struct authz_parameter, count(message, OK_QUERY_SET));
    v->remove_query.v = arena_array(a, str, count(message, OK_QUERY_REMOVE));
    for (err e; (e = protobuf_next(&message, &f)) != ERR_END;) {
        TRY(e);
        TRY(read_ok_field(&f, v));
    }
    return OK;
}

static err read_denied(struct arena *a, str message, struct authz_verdict *v) {
    struct protobuf_field status, code, body, f;
    TRY(only(message, DENIED_STATUS, PROTOBUF_BYTES, &status));
    TRY(only(status.bytes, HTTP_STATUS_CODE, PROTOBUF_VARINT, &code));
    TRY(only(message, DENIED_BODY, PROTOBUF_BYTES, &body));
    if (code.value >= 200 && code.value <= 599) v->status = (uint16_t)code.value;
    if (body.bytes.n) v->body = body.bytes;
    if (count(message, DENIED_HEADERS) > AUTHZ_CHANGES_MAX) return ERR_LIMIT;
    v->fields.v = arena_array(a, struct authz_field, count(message, DENIED_HEADERS));
    for (err e; (e = protobuf_next(&message, &f)) != ERR_END;) {
        TRY(e);
        if (f.number != DENIED_HEADERS) continue;
        if (f.wire != PROTOBUF_BYTES) return ERR_PROTO;
        TRY(add_field(f.bytes, &v->fields));
    }
    return OK;
}

err authz_read(struct arena *a, str answer, struct authz_verdict *ret) {
    struct authz_verdict v = {.status = CODE_DENIED, .body = S("")};
    struct protobuf_field status, code, denied, ok, failed;
    if (answer.n > AUTHZ_ANSWER_BYTES_MAX) return ERR_LIMIT;
    TRY(only(answer, CHECK_RESPONSE_STATUS, PROTOBUF_BYTES, &status));
    TRY(only(answer, CHECK_RESPONSE_DENIED, PROTOBUF_BYTES, &denied));
    TRY(only(answer, CHECK_RESPONSE_OK, PROTOBUF_BYTES, &ok));
    TRY(only(answer, CHECK_RESPONSE_ERROR, PROTOBUF_BYTES, &failed));
    TRY(only(status.bytes, STATUS_CODE, PROTOBUF_VARINT, &code));
    v.allowed = code.value == 0;
    if (failed.number) return ERR_REFUSED;
    if (denied.number && v.allowed) return ERR_PROTO;
    if (v.allowed) TRY(read_ok(a, ok.bytes, &v));
    if (denied.number) TRY(read_denied(a, denied.bytes, &v));
    *ret = v;
    return OK;
}
