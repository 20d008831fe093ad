/* SPDX-License-Identifier: Apache-2.0 */
#include "http/span.h"

#include "base/num.h"
#include "http/http_msg.h"
#include "http/otlp.h"

/* Of opentelemetry/proto/trace/v1. */
enum {
    AT_TRACE_ID = 1,
    AT_ID = 2,
    AT_STATE = 3,
    AT_PARENT = 4,
    AT_NAME = 5,
    AT_KIND = 6,
    AT_START = 7,
    AT_END = 8,
    AT_ATTRIBUTES = 9,
    AT_STATUS = 15,
    AT_FLAGS = 16,
    STATUS_CODE = 3,
    STATUS_ERROR = 2,
    KIND_SERVER = 2,
    KIND_CLIENT = 3,
    FLAG_KNOWS_REMOTE = 0x100, /* whether the parent is another process is told by the next one */
    FLAG_REMOTE = 0x200,
};
enum { ROUTE_BYTES_MAX = 256, PART_BYTES_MAX = 3072 };

/* ---- what may be asked for ---- */

#define NAME(id, text) [SPAN_##id] = {text, sizeof(text) - 1},
static const str known_names[SPAN_KNOWN_COUNT] = {[SPAN_UNKNOWN] = {"", 0}, SPAN_KNOWN(NAME)};
#undef NAME

enum span_known span_known_of(str key, str *ret_field) {
    *ret_field = (str){0};
    for (int i = 1; i < SPAN_KNOWN_COUNT; i++) {
        bool header = i == SPAN_REQUEST_HEADER || i == SPAN_RESPONSE_HEADER;
        if (!header && str_eq(key, known_names[i])) return (enum span_known)i;
        if (!header || !str_starts(key, known_names[i]) || key.n == known_names[i].n) continue;
        *ret_field = str_from(key, known_names[i].n);
        return (enum span_known)i;
    }
    return SPAN_UNKNOWN;
}

/* ---- single values ---- */

static void add(struct buf *b, str key, str value) {
    if (value.n) otlp_attribute(b, AT_ATTRIBUTES, key, value);
}
static void add_int(struct buf *b, str key, uint64_t value) {
    if (value) otlp_attribute_int(b, AT_ATTRIBUTES, key, (int64_t)value);
}

static void add_ip(struct buf *b, const struct span_exchange *s, str key, const struct ip *ip) {
    if (!ip->family) return;
    buf_clear(s->scratch);
    ip_print(s->scratch, ip);
    add(b, key, buf_str(s->scratch));
}

/* Methods are a small set, whatever clients make up. [OpenTelemetry http.request.method] */
static str method_of(const struct access_record *r) {
    str name = http_method_name((enum http_method)r->method_id);
    return r->method_id == HTTP_METHOD_OTHER ? S("_OTHER") : name;
}

static str version_of(uint8_t version) {
    return version == 10 ? S("1.0") : version == 11 ? S("1.1") : version == 20 ? S("2") : S("");
}

static str scheme_of(const struct access_record *r) { return r->tls ? S("https") : S("http"); }

/* Why it failed: our own word for it, or the status of a backend. 4xx is no error of a server. */
static void add_error(struct buf *b, str key, uint16_t status, uint8_t reason, uint16_t from) {
    char digits[NUM_DIGITS_MAX];
    if (status && status < from) return;
    if (reason != REASON_NONE)
        add(b, key, http_reason_name((enum http_reason)reason));
    else if (status)
        add(b, key, num_print(status, digits));
}

/* Parameters whose values are known to be signatures are not told. [OpenTelemetry url.query] */
static bool is_secret(str pair) {
    static const char *const names[] = {"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"};
    str name = str_upto(pair, str_find(pair, '='));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(name, str_of(names[i]))) return true;
    return false;
}

static void print_query(struct buf *b, str query) {
    const char *between = "";
    for (str rest = str_from(query, 1); rest.p;) {
        str pair = str_cut(&rest, '&');
        buf_printf(b, "%s", between);
        between = "&";
        if (is_secret(pair))
            buf_printf(b, STR_FMT "=REDACTED", STR_ARG(str_upto(pair, str_find(pair, '='))));
        else
            buf_add(b, pair);
    }
}

static void add_query(struct buf *b, struct buf *text, str key, const struct access_record *r) {
    if (r->query.n < 2) return;
    buf_clear(text);
    print_query(text, str_upto(r->query, PART_BYTES_MAX));
    add(b, key, buf_str(text));
}

static void add_url(struct buf *b, struct buf *text, str key, const struct access_record *r) {
    buf_clear(text);
    buf_add(text, scheme_of(r));
    buf_add(text, S("://"));
    buf_add(text, str_upto(r->authority, PART_BYTES_MAX));
    buf_add(text, str_upto(r->path, PART_BYTES_MAX));
    if (r->query.n > 1) {
        buf_add_char(text, '?');
        print_query(text, str_upto(r->query, PART_BYTES_MAX));
    }
    add(b, key, buf_str(text));
}

enum { VALUES_MAX = 16 };
/* All values of a field. Of the request those that came, not what was added since. */
static uint32_t values_of(const struct http_msg *m, uint32_t fields_n, str name, str *v) {
    uint32_t n = 0;
    for (uint32_t i = 0; m && i < fields_n && n < VALUES_MAX; i++)
        if (str_ieq(m->fields[i].name, name)) v[n++] = m->fields[i].value;
    return n;
}
static uint32_t asked_values(const struct access_record *r, bool response, str name, str *v) {
    if (response) return r->response ? values_of(r->response, r->response->fields_n, name, v) : 0;
    return values_of(r->request, r->request_fields_n, name, v);
}

/* ---- what was asked for ---- */

static void add_headers(struct buf *b, const struct access_record *r, str key, bool response, str name) {
    str v[VALUES_MAX];
    uint32_t n = asked_values(r, response, name, v);
    if (n) otlp_attribute_list(b, AT_ATTRIBUTES, key, v, n);
}

static void add_known(struct buf *b, const struct span_exchange *s, const struct access_record *r, str key,
                      enum span_known known, str field) {
    switch (known) {
    case SPAN_METHOD: add(b, key, method_of(r)); break;
    case SPAN_METHOD_ORIGINAL:
        if (r->method_id == HTTP_METHOD_OTHER) add(b, key, r->method);
        break;
    case SPAN_STATUS: add_int(b, key, r->status); break;
    case SPAN_ROUTE: add(b, key, s->route); break;
    case SPAN_REQUEST_HEADER: add_headers(b, r, key, false, field); break;
    case SPAN_RESPONSE_HEADER: add_headers(b, r, key, true, field); break;
    case SPAN_USER_AGENT: add(b, key, r->user_agent); break;
    case SPAN_ERROR: add_error(b, key, r->status, (uint8_t)r->reason, 500); break;
    case SPAN_SCHEME: add(b, key, scheme_of(r)); break;
    case SPAN_PATH: add(b, key, r->path); break;
    case SPAN_QUERY: add_query(b, s->scratch, key, r); break;
    case SPAN_URL: add_url(b, s->scratch, key, r); break;
    case SPAN_CLIENT: add_ip(b, s, key, &r->client); break;
    case SPAN_CLIENT_PORT: add_int(b, key, r->client_port); break;
    case SPAN_SERVER: add(b, key, s->host); break;
    case SPAN_SERVER_PORT: add_int(b, key, s->port); break;
    case SPAN_PEER: add_ip(b, s, key, &s->peer); break;
    case SPAN_PEER_PORT: add_int(b, key, s->peer_port); break;
    case SPAN_PROTOCOL: add(b, key, S("http")); break;
    case SPAN_VERSION: add(b, key, version_of(r->version)); break;
    case SPAN_TRANSPORT: add(b, key, S("tcp")); break;
    case SPAN_TYPE: add(b, key, s->peer.family == 6 ? S("ipv6") : S("ipv4")); break;
    case SPAN_UNKNOWN:
    case SPAN_KNOWN_COUNT: break;
    }
}

/* A field of the request, or else of the response. [GW Attribute.headerName] */
static void add_field(struct buf *b, const struct access_record *r, str key, str name) {
    str v[VALUES_MAX];
    uint32_t n = asked_values(r, false, name, v);
    if (!n) n = asked_values(r, true, name, v);
    if (n) add(b, key, v[0]);
}

/* A key may be there once: under a standard name an attempt has what it means for the attempt. */
static void add_wishes(struct buf *b, const struct span_exchange *s, const struct access_record *r,
                       bool client) {
    for (uint32_t i = 0; i < s->wishes_n; i++) {
        const struct span_wish *w = &s->wishes[i];
        str field;
        if (client && span_known_of(w->name, &field) != SPAN_UNKNOWN) continue;
        if (w->source == SPAN_OF_TEXT)
            add(b, w->name, w->value);
        else if (w->source == SPAN_OF_FIELD)
            add_field(b, r, w->name, w->value);
        else
            add_known(b, s, r, w->name, (enum span_known)w->known, w->value);
    }
}

static bool is_wished(const struct span_exchange *s, str key) {
    for (uint32_t i = 0; i < s->wishes_n; i++)
        if (str_eq(s->wishes[i].name, key)) return true;
    return false;
}

/* ---- a span ---- */

static uint64_t nanoseconds(int64_t us) { return us > 0 ? (uint64_t)us * 1000 : 0; }

static void add_beginning(struct buf *b, const struct span_exchange *s, const uint8_t *span_id,
                          const uint8_t *parent_id) {
    otlp_bytes(b, AT_TRACE_ID, (str){(const char *)s->trace_id, TRACE_ID_BYTES});
    otlp_bytes(b, AT_ID, (str){(const char *)span_id, TRACE_SPAN_BYTES});
    if (s->state.n) otlp_text(b, AT_STATE, s->state);
    if (parent_id) otlp_bytes(b, AT_PARENT, (str){(const char *)parent_id, TRACE_SPAN_BYTES});
}

/* The method, and what is known of the path that not every client can make up. [OpenTelemetry HTTP spans: Name] */
static void add_name(struct buf *b, const struct span_exchange *s, const struct access_record *r,
                     bool client) {
    str method = r->method_id == HTTP_METHOD_OTHER ? S("HTTP") : method_of(r);
    if (s->name.n) {
        otlp_text(b, AT_NAME, s->name);
        return;
    }
    if (client || !s->route.n) {
        otlp_text(b, AT_NAME, method);
        return;
    }
    buf_clear(s->scratch);
    buf_add(s->scratch, method);
    buf_add_char(s->scratch, ' ');
    buf_add(s->scratch, str_upto(s->route, ROUTE_BYTES_MAX));
    otlp_text(b, AT_NAME, buf_str(s->scratch));
}

static void add_status(struct buf *b, bool failed) {
    if (failed) otlp_bytes(b, AT_STATUS, (str){(const char[]){STATUS_CODE << 3, STATUS_ERROR}, 2});
}

/* What was asked for under a name of these goes before them. */
static void add_standard(struct buf *b, const struct span_exchange *s, const struct access_record *r,
                         bool client, const enum span_known *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (client || !is_wished(s, known_names[v[i]])) add_known(b, s, r, known_names[v[i]], v[i], (str){0});
}

void span_print_server(struct buf *b, const struct span_exchange *s, const struct access_record *r) {
    static const enum span_known standard[] = {
        SPAN_METHOD, SPAN_METHOD_ORIGINAL, SPAN_STATUS,      SPAN_ROUTE, SPAN_USER_AGENT,
        SPAN_ERROR,  SPAN_SCHEME,          SPAN_PATH,        SPAN_QUERY, SPAN_CLIENT,
        SPAN_SERVER, SPAN_CLIENT_PORT,     SPAN_SERVER_PORT, SPAN_PEER,  SPAN_PEER_PORT,
        SPAN_VERSION};
    add_beginning(b, s, s->span_id, s->parent_id);
    add_name(b, s, r, false);
    otlp_uint(b, AT_KIND, KIND_SERVER);
    otlp_fixed64(b, AT_START, nanoseconds(r->time_us));
    otlp_fixed64(b, AT_END, nanoseconds(r->time_us + (int64_t)r->total_us));
    add_standard(b, s, r, false, standard, COUNT_OF(standard));
    add(b, S("postern.gateway"), r->gateway);
    add(b, S("postern.listener"), r->listener);
    add(b, S("postern.route"), r->route);
    add(b, S("postern.backend"), r->backend);
    add_wishes(b, s, r, false);
    add_status(b, r->status >= 500 || (!r->status && r->reason != REASON_NONE));
    otlp_fixed32(b, AT_FLAGS, s->flags | FLAG_KNOWS_REMOTE | (s->parent_id ? FLAG_REMOTE : 0));
}

void span_print_client(struct buf *b, const struct span_exchange *s, const struct access_record *r,
                       const struct span_attempt *a) {
    add_beginning(b, s, a->span_id, s->span_id);
    add_name(b, s, r, true);
    otlp_uint(b, AT_KIND, KIND_CLIENT);
    otlp_fixed64(b, AT_START, nanoseconds(r->time_us + (int64_t)a->start_us));
    otlp_fixed64(b, AT_END, nanoseconds(r->time_us + (int64_t)a->end_us));
    static const enum span_known standard[] = {SPAN_METHOD, SPAN_METHOD_ORIGINAL, SPAN_URL};
    add_standard(b, s, r, true, standard, COUNT_OF(standard));
    add_ip(b, s, known_names[SPAN_SERVER], &a->endpoint.ip);
    add_int(b, known_names[SPAN_SERVER_PORT], a->endpoint.port);
    add_ip(b, s, known_names[SPAN_PEER], &a->endpoint.ip);
    add_int(b, known_names[SPAN_PEER_PORT], a->endpoint.port);
    add_int(b, known_names[SPAN_STATUS], a->status);
    add(b, known_names[SPAN_VERSION], version_of(a->version));
    add_error(b, known_names[SPAN_ERROR], a->status, a->reason, 400); /* for a client 4xx is one, too */
    add_int(b, S("http.request.resend_count"), a->nth);
    add(b, S("postern.backend"), r->backend);
    add_wishes(b, s, r, true);
    add_status(b, a->reason != REASON_NONE || a->status >= 400);
    otlp_fixed32(b, AT_FLAGS, s->flags | FLAG_KNOWS_REMOTE);
}
