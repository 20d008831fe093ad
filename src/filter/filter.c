/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/filter.h"

#include "filter/cors.h"
#include "filter/header_edit.h"
#include "filter/redirect.h"
#include "filter/rewrite.h"
#include "table/dump.h"

err filter_request(const struct table_filter *filters, uint32_t n, const struct filter_context *cx,
                   struct http_msg *m) {
    for (uint32_t i = 0; i < n; i++) {
        switch ((enum table_filter_type)filters[i].type) {
        case TABLE_REQUEST_HEADERS: TRY(header_edit_apply(&filters[i], m)); break;
        case TABLE_REWRITE: rewrite_apply(&filters[i], cx, m); break;
        case TABLE_RESPONSE_HEADERS:
        case TABLE_REDIRECT:
        case TABLE_MIRROR:
        case TABLE_AUTH:
        case TABLE_CORS: break; /* nothing of this message, or of this side */
        }
    }
    return OK;
}

err filter_request_all(const struct table_rule *r, const struct table_target *t,
                       const struct filter_context *cx, struct http_msg *m) {
    struct filter_context then = *cx;
    str matched = m->path;
    TRY(filter_request(r->filters, r->filters_n, cx, m));
    if (t->filters_n == 0) return OK;
    if (!str_eq(matched, m->path)) then.prefix = UINT32_MAX; /* what the rule matched is not there any more */
    return filter_request(t->filters, t->filters_n, &then, m);
}

const struct table_filter *filter_find_redirect(const struct table_filter *filters, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (filters[i].type == TABLE_REDIRECT) return &filters[i];
    return NULL;
}

str filter_redirect_location(const struct table_filter *f, const struct filter_context *cx,
                             const struct http_msg *request) {
    return redirect_location(f, cx, request);
}

const struct table_cors *filter_find_cors(const struct table_filter *filters, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (filters[i].type == TABLE_CORS) return filters[i].cors;
    return NULL;
}

bool filter_is_preflight(const struct http_msg *request) { return cors_is_preflight(request); }

void filter_preflight(const struct table_cors *c, const struct http_msg *request, struct http_msg *response) {
    cors_answer(c, request, response);
}

void filter_cors(const struct table_cors *c, str origin, struct http_msg *response) {
    cors_respond(c, origin, response);
}

void filter_response(const struct table_filter *filters, uint32_t n, struct http_msg *m) {
    for (uint32_t i = 0; i < n; i++) {
        if (filters[i].type != TABLE_RESPONSE_HEADERS) continue;
        /* the response is worth more than an entry that resolve/ should have refused: that one is left out */
        (void)!header_edit_apply(&filters[i], m);
    }
}

void filter_describe_session(struct buf *b, const struct table_session *s) { dump_session(s, b); }

void filter_describe(struct buf *b, const struct table_filter *f) { dump_filter(f, b); }

void filter_describe_retry(struct buf *b, const struct table_retry *r) {
    if (!r->attempts) {
        buf_add(b, S("never"));
        return;
    }
    buf_printf(b, "%u more", r->attempts);
    bool any = false;
    for (uint32_t i = TABLE_CODE_MIN; i <= TABLE_CODE_MAX; i++)
        if (table_retry_has(r, i)) buf_printf(b, "%s%u", any ? "," : ", on ", i), any = true;
    buf_printf(b, ", backoff %g ms", (double)r->backoff_us / 1e3);
}
