/* SPDX-License-Identifier: Apache-2.0 */
#include "control/pages.h"

#include <string.h>

#include "admin/admin.h"
#include "api/route.h"
#include "control/explain.h"
#include "control/words.h"
#include "io/clock.h"
#include "resolve/resolve_warnings.h"
#include "table/health_view.h"

enum { HEADERS_MAX = 64 };

static void add_field(struct buf *b, const char *name, str value) {
    buf_printf(b, "\"%s\":", name);
    buf_add_json(b, value.p ? value : S(""));
}

static void add_spec(struct buf *b, const struct api_type *t, const struct object *o) {
    for (uint32_t i = 0; i < t->schema->n; i++) {
        const struct field *f = &t->schema->fields[i];
        if (!f->name || strcmp(f->name, "spec") != 0) continue; /* fields without a name are flattened */
        buf_add(b, S(",\"spec\":"));
        schema_json(b, f->of, (const char *)o + f->offset, false, false);
    }
}

static void add_item(struct buf *b, const struct api_type *t, const struct object *o, const void *status,
                     str said) {
    buf_add_char(b, '{');
    add_field(b, "apiVersion", o->api_version);
    buf_add_char(b, ',');
    add_field(b, "kind", str_of(t->name));
    buf_add(b, S(",\"metadata\":{"));
    add_field(b, "name", o->meta.name);
    if (t->namespaced) {
        buf_add_char(b, ',');
        add_field(b, "namespace", o->meta.ns);
    }
    buf_printf(b, ",\"generation\":%lld}", (long long)o->meta.generation);
    add_spec(b, t, o);
    if (said.n) {
        buf_add(b, S(",\"status\":"));
        buf_add(b, said);
    } else if (status) {
        buf_add(b, S(",\"status\":"));
        schema_json(b, t->status_schema, status, false, false);
    }
    buf_add_char(b, '}');
}

static void add_finding(struct buf *b, const struct finding *f) {
    buf_add_char(b, '{');
    add_field(b, "file", f->file);
    buf_printf(b, ",\"line\":%u,\"column\":%u,", f->line, f->column);
    add_field(b, "kind", f->kind);
    buf_add_char(b, ',');
    add_field(b, "namespace", f->ns);
    buf_add_char(b, ',');
    add_field(b, "name", f->name);
    buf_add_char(b, ',');
    add_field(b, "path", f->path);
    buf_add_char(b, ',');
    add_field(b, "message", f->message);
    buf_add_char(b, ',');
    add_field(b, "remedy", f->remedy);
    buf_add_char(b, '}');
}

/* What an XBackend's name outside stands for, as one word each. */
static void add_name(struct buf *b, const struct plan_backend *p, const struct plan_endpoints *e,
                     const struct facts *facts) {
    if (!p->external.n) return;
    const struct fact_name *known = facts_name(facts, p->external);
    buf_add_char(b, ',');
    add_field(b, "hostname", p->external);
    buf_add(b, S(",\"addresses\":\""));
    for (uint32_t i = 0; e && i < e->endpoints.n; i++)
        buf_printf(b, "%s" STR_FMT, i ? " " : "", STR_ARG(e->endpoints.p[i].address));
    buf_add(b, S("\","));
    bool asked = known || !facts->serving;
    add_field(b, "trouble", asked ? (known ? known->error : S("")) : S("DNS has not answered yet"));
}

/* Endpoints that do not serve as they should, each in words. */
static void add_outs(struct buf *b, const struct pipeline *p, str backend) {
    enum { OUTS_MAX = 100 };
    const struct table_endpoints *e = p->table ? compile_endpoints_of(p->compiler, backend) : NULL;
    uint64_t now_us = clock_monotonic_us();
    uint32_t out = 0, at = 0;
    struct health_view v;
    struct buf words;
    buf_init(&words, 1024);
    for (const struct table_endpoint *x; (x = health_view_next(e, now_us, &at, &v));) {
        if (++out > OUTS_MAX) continue;
        buf_clear(&words);
        health_view_print(&words, &v);
        buf_add(b, out > 1 ? S(",{") : S(",\"notServing\":[{"));
        buf_add(b, S("\"endpoint\":\""));
        ip_print_port(b, &x->ip, x->port);
        buf_printf(b, "\",\"state\":\"" STR_FMT "\",", STR_ARG(health_view_state(v.state)));
        add_field(b, "why", buf_str(&words));
        buf_add_char(b, '}');
    }
    if (out) buf_printf(b, "],\"notServingTotal\":%u", out);
    buf_fini(&words);
}

/* One a line, by name. */
static void add_backends(struct buf *b, const struct pipeline *line) {
    const struct plan *p = &line->plan;
    OWNED(arena) a = arena_new();
    void **all = index_sorted(&p->pieces[PLAN_BACKEND]);
    buf_add(b, S("\"backends\":["));
    for (uint32_t i = 0; i < p->pieces[PLAN_BACKEND].n; i++) {
        const struct plan_piece *backend = all[i];
        const struct plan_endpoints *e = plan_open(a, plan_get(p, PLAN_ENDPOINTS, backend->key));
        buf_add(b, i ? S(",\n{") : S("{"));
        add_field(b, "backend", backend->key);
        buf_printf(b, ",\"endpoints\":%u", e ? e->endpoints.n : 0);
        add_name(b, plan_open(a, backend), e, &line->facts);
        add_outs(b, line, backend->key);
        buf_add_char(b, '}');
        arena_reset(a);
    }
    free(all);
    buf_add(b, S("],\n"));
}

static void add_findings(struct buf *b, const char *name, const struct findings *f) {
    buf_printf(b, "\"%s\":[", name);
    for (const struct finding *x = f->first; x; x = x->next) {
        if (x != f->first) buf_add(b, S(",\n"));
        add_finding(b, x);
    }
    buf_add(b, S("],\n"));
}

/* Of the serving processes before this one. */
static void add_deaths(struct buf *b, const struct words_start *w) {
    if (!w || !w->deaths) return;
    const char *signal = sigabbrev_np(w->last_signal);
    buf_printf(b, "\"deaths\":{\"count\":%u,\"lastSignal\":\"SIG%s\",\"lastTime\":\"", w->deaths,
               signal ? signal : "?");
    clock_print_rfc3339(b, w->last_death_s * 1000000);
    buf_add(b, S("\"},"));
}

void pages_status(struct buf *b, const struct pipeline *p, const struct findings *found, int64_t now_s,
                  bool all, pages_said *said, void *arg) {
    OWNED(arena) a = arena_new();
    OWNED(arena) one = arena_new();
    struct findings warnings;
    const char *between = "";
    buf_add(b, S("{\"items\":["));
    for (enum api_kind kind = KIND_NONE + 1; kind < KIND_COUNT; kind++) {
        const struct api_type *t = api_type_of(kind);
        size_t n = 0;
        struct store_key *v = t->status_schema ? store_keys(p->store, a, kind, &n) : NULL;
        for (size_t i = 0; i < n; i++) {
            const void *status = resolve_status(p->resolver, kind, v[i].ns, v[i].name);
            if (!status && !all) continue;
            buf_add(b, str_of(between));
            add_item(b, t, store_get(p->store, one, kind, v[i].ns, v[i].name), said ? NULL : status,
                     said ? said(arg, kind, v[i].ns, v[i].name) : (str){0});
            arena_reset(one);
            between = ",\n";
        }
    }
    buf_add(b, S("],\n"));
    add_backends(b, p);
    finding_init(&warnings, a);
    resolve_warnings(p->resolver, p->store, &p->plan, now_s, &warnings);
    add_findings(b, "findings", found);
    add_findings(b, "warnings", &warnings);
    if (p->sandbox) {
        add_field(b, "sandbox", str_of(p->sandbox));
        buf_add(b, S(","));
    }
    add_deaths(b, p->start);
    buf_printf(b, "\"findingsTotal\":%u,\"warningsTotal\":%u}\n", found->n, warnings.n);
}

/* method=GET & url=http://host/path & h=Name:value (any number) & sni=host & format=json */
static uint16_t explain(const struct pipeline *p, str query, struct buf *b, const char **ret_type) {
    OWNED(arena) a = arena_new();
    struct table_header headers[HEADERS_MAX];
    struct explain_query q = {.method = S("GET"), .headers = headers};
    bool json = false;
    str name, value;
    while (admin_query_next(a, &query, &name, &value)) {
        if (str_eq(name, S("method"))) {
            q.method = value;
        } else if (str_eq(name, S("url"))) {
            q.url = value;
        } else if (str_eq(name, S("gateway"))) {
            q.gateway = value;
        } else if (str_eq(name, S("sni"))) {
            q.sni = value.p ? value : S("");
        } else if (str_eq(name, S("format"))) {
            json = str_eq(value, S("json"));
        } else if (str_eq(name, S("h")) && q.headers_n < HEADERS_MAX) {
            struct table_header *h = &headers[q.headers_n++];
            h->name = str_trim(str_cut(&value, ':'));
            h->value = value.p ? str_trim(value) : S("");
        } else {
            buf_printf(b,
                       "unknown or one too many: \"" STR_FMT
                       "\"; known are method, url, h, sni, gateway, format\n",
                       STR_ARG(name));
            return 400;
        }
    }
    if (!q.url.n) {
        buf_add(b, S("url is missing: ?url=http://host/path\n"));
        return 400;
    }
    err e = explain_run(p, &q, json, b);
    if (e == OK && json) *ret_type = "application/json";
    return e == OK ? 200 : e == ERR_PROTO ? 400 : 500;
}

uint16_t pages_render(const struct pipeline *p, const struct findings *found, int64_t now_s, str page,
                      str query, struct buf *b, const char **ret_type) {
    *ret_type = "text/plain; charset=utf-8";
    if (!p->table) {
        buf_add(b, S("the manifests are being read; ask again\n"));
        return 503;
    }
    uint16_t status = 200;
    if (str_eq(page, S("/plan"))) {
        *ret_type = "application/json";
        plan_json(&p->plan, b);
    } else if (str_eq(page, S("/table"))) {
        table_dump(p->table, b);
    } else if (str_eq(page, S("/status"))) {
        *ret_type = "application/json";
        pages_status(b, p, found, now_s, str_eq(query, S("all")), NULL, NULL);
    } else if (str_eq(page, S("/explain"))) {
        status = explain(p, query, b, ret_type);
    } else {
        buf_add(b, S("no such page: /healthz /readyz /metrics /plan /table /status /explain\n"));
        return 404;
    }
    if (!b->overflow) return status;
    buf_clear(b);
    buf_add(b, S("the page is larger than its bound\n"));
    *ret_type = "text/plain; charset=utf-8";
    return 507;
}

static bool is_bad(const struct condition *c) {
    return c->status == (condition_is_negative(c->type) ? CONDITION_TRUE : CONDITION_FALSE);
}

static uint32_t count_bad(const struct condition *v, uint32_t n) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) bad += is_bad(&v[i]);
    return bad;
}

static uint32_t count_listeners(const struct listener_status *v, uint32_t n) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) bad += count_bad(v[i].conditions.p, v[i].conditions.n);
    return bad;
}

static uint32_t count_parents(const struct route_status *r) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < r->parents.n; i++)
        bad += count_bad(r->parents.p[i].conditions.p, r->parents.p[i].conditions.n);
    return bad;
}

static uint32_t count_ancestors(const struct policy_status *s) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < s->ancestors.n; i++)
        bad += count_bad(s->ancestors.p[i].conditions.p, s->ancestors.p[i].conditions.n);
    return bad;
}

uint32_t pages_false_conditions(const struct resolver *r, enum api_kind kind, str ns, str name) {
    const void *status = resolve_status(r, kind, ns, name);
    const struct gateway_class_status *class = status;
    const struct gateway_status *gateway = status;
    const struct listener_set_status *set = status;
    const struct xmesh_status *mesh = status;
    if (!status) return 0;
    if (route_is(kind)) return count_parents(status);
    if (kind == KIND_GATEWAY_CLASS) return count_bad(class->conditions.p, class->conditions.n);
    if (kind == KIND_XMESH) return count_bad(mesh->conditions.p, mesh->conditions.n);
    if (kind == KIND_GATEWAY)
        return count_bad(gateway->conditions.p, gateway->conditions.n) +
               count_listeners(gateway->listeners.p, gateway->listeners.n);
    if (kind == KIND_LISTENER_SET)
        return count_bad(set->conditions.p, set->conditions.n) +
               count_listeners(set->listeners.p, set->listeners.n);
    return count_ancestors(status); /* all others that have a status */
}
