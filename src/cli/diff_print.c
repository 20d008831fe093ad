/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/diff.h"

enum { REQUESTS_SHOWN = 100 };

static const char *const fates[] = {[DIFF_INTRODUCED] = "introduced",
                                    [DIFF_FIXED] = "fixed",
                                    [DIFF_CHANGED] = "changed",
                                    [DIFF_UNCHANGED] = "unchanged"};

static uint32_t count(const struct diff *d, enum diff_fate fate) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->statuses_n; i++) n += d->statuses[i].fate == fate;
    return n;
}

/* Text. */

static void text_taker(struct buf *b, char sign, const struct diff_taker *t) {
    buf_printf(b, "    %c ", sign);
    if (t->route.n) buf_printf(b, STR_FMT " rule %d -> ", STR_ARG(t->route), t->rule);
    buf_printf(b, STR_FMT "\n", STR_ARG(t->outcome));
}

static void text_requests(struct buf *b, const struct diff *d) {
    for (uint32_t i = 0; i < d->requests_n && i < REQUESTS_SHOWN; i++) {
        const struct diff_request *r = &d->requests[i];
        if (!i) buf_add(b, S("Traffic\n"));
        buf_printf(b, "  " STR_FMT " " STR_FMT, STR_ARG(r->method), STR_ARG(r->url));
        for (uint32_t k = 0; k < r->headers_n; k++)
            buf_printf(b, "  " STR_FMT ": " STR_FMT, STR_ARG(r->headers[k].name),
                       STR_ARG(r->headers[k].value));
        buf_add_char(b, '\n');
        text_taker(b, '-', &r->before);
        text_taker(b, '+', &r->after);
    }
    if (d->requests_n > REQUESTS_SHOWN)
        buf_printf(b, "  and %u more; all of them: -o json\n", d->requests_n - REQUESTS_SHOWN);
}

static void text_routes(struct buf *b, const struct diff *d) {
    for (uint32_t i = 0; i < d->routes_n; i++) {
        const struct diff_route *r = &d->routes[i];
        const char *between = " ";
        if (!i) buf_add(b, S("Routes (requests of those tried)\n"));
        buf_printf(b, "  " STR_FMT, STR_ARG(r->route));
        if (r->won) buf_printf(b, "%swins %u", between, r->won), between = ", ";
        if (r->lost) buf_printf(b, "%sloses %u", between, r->lost), between = ", ";
        if (r->changed) buf_printf(b, "%streats %u otherwise", between, r->changed);
        buf_add_char(b, '\n');
    }
}

static void text_statuses(struct buf *b, const struct diff *d) {
    bool first = true;
    for (int fate = DIFF_INTRODUCED; fate < DIFF_UNCHANGED; fate++) {
        for (uint32_t i = 0; i < d->statuses_n; i++) {
            const struct diff_status *s = &d->statuses[i];
            if ((int)s->fate != fate) continue;
            if (first) buf_add(b, S("Statuses\n"));
            first = false;
            str words = s->fate == DIFF_FIXED ? s->before : s->after;
            buf_printf(b, "  %-10s " STR_FMT ": " STR_FMT " %s" STR_FMT "\n", fates[fate], STR_ARG(s->object),
                       STR_ARG(s->where), s->fate == DIFF_FIXED ? "was " : "", STR_ARG(words));
        }
    }
}

void diff_print_text(struct buf *b, const struct diff *d) {
    for (uint32_t i = 0; i < d->objects_n; i++) {
        if (!i) buf_add(b, S("Objects\n"));
        buf_printf(b, "  %c " STR_FMT "\n", d->objects[i].sign, STR_ARG(d->objects[i].name));
    }
    for (uint32_t i = 0; i < d->pieces_n; i++) {
        const struct diff_piece *p = &d->pieces[i];
        if (!i) buf_add(b, S("Pieces\n"));
        buf_printf(b, "  %c " STR_FMT "  " STR_FMT "%s" STR_FMT "\n", p->sign, STR_ARG(p->name),
                   STR_ARG(p->before), p->sign == '~' ? " -> " : "", STR_ARG(p->after));
    }
    text_requests(b, d);
    text_routes(b, d);
    text_statuses(b, d);
    buf_printf(b,
               "%u request%s tried: %u taken as before, %u otherwise; statuses: %u introduced, %u fixed, %u "
               "changed, "
               "%u as bad as before",
               d->tried, d->tried == 1 ? "" : "s", d->tried - d->requests_n, d->requests_n,
               count(d, DIFF_INTRODUCED), count(d, DIFF_FIXED), count(d, DIFF_CHANGED),
               count(d, DIFF_UNCHANGED));
    if (d->untried) buf_printf(b, "; %u matches by expressions not tried", d->untried);
    buf_add_char(b, '\n');
}

/* JSON. */

static void member(struct buf *b, const char *before, const char *name, str value) {
    buf_printf(b, "%s\"%s\": ", before, name);
    buf_add_json(b, value.p ? value : S(""));
}

static void begin(struct buf *b, const char *name, bool first) {
    buf_printf(b, "%s\"%s\": [", first ? "{\n" : ",\n", name);
}

static void json_taker(struct buf *b, const char *name, const struct diff_taker *t) {
    buf_printf(b, ", \"%s\": {", name);
    member(b, "", "route", t->route);
    if (t->route.n) buf_printf(b, ", \"rule\": %d", t->rule);
    member(b, ", ", "outcome", t->outcome);
    buf_add_char(b, '}');
}

static const char *change_name(char sign) {
    return sign == '+' ? "added" : sign == '-' ? "removed" : "changed";
}

static void json_requests(struct buf *b, const struct diff *d) {
    for (uint32_t i = 0; i < d->requests_n; i++) {
        const struct diff_request *r = &d->requests[i];
        member(b, i ? ",\n  {" : "\n  {", "method", r->method);
        member(b, ", ", "url", r->url);
        buf_add(b, S(", \"headers\": ["));
        for (uint32_t k = 0; k < r->headers_n; k++) {
            member(b, k ? ", {" : "{", "name", r->headers[k].name);
            member(b, ", ", "value", r->headers[k].value);
            buf_add_char(b, '}');
        }
        buf_add_char(b, ']');
        json_taker(b, "before", &r->before);
        json_taker(b, "after", &r->after);
        buf_add_char(b, '}');
    }
}

void diff_print_json(struct buf *b, const struct diff *d) {
    begin(b, "objects", true);
    for (uint32_t i = 0; i < d->objects_n; i++) {
        member(b, i ? ",\n  {" : "\n  {", "change", str_of(change_name(d->objects[i].sign)));
        member(b, ", ", "name", d->objects[i].name);
        buf_add_char(b, '}');
    }
    buf_add_char(b, ']');
    begin(b, "pieces", false);
    for (uint32_t i = 0; i < d->pieces_n; i++) {
        member(b, i ? ",\n  {" : "\n  {", "change", str_of(change_name(d->pieces[i].sign)));
        member(b, ", ", "name", d->pieces[i].name);
        member(b, ", ", "before", d->pieces[i].before);
        member(b, ", ", "after", d->pieces[i].after);
        buf_add_char(b, '}');
    }
    buf_add_char(b, ']');
    begin(b, "traffic", false);
    json_requests(b, d);
    buf_add_char(b, ']');
    begin(b, "routes", false);
    for (uint32_t i = 0; i < d->routes_n; i++) {
        member(b, i ? ",\n  {" : "\n  {", "route", d->routes[i].route);
        buf_printf(b, ", \"wins\": %u, \"loses\": %u, \"changes\": %u}", d->routes[i].won, d->routes[i].lost,
                   d->routes[i].changed);
    }
    buf_add_char(b, ']');
    begin(b, "statuses", false);
    for (uint32_t i = 0; i < d->statuses_n; i++) {
        const struct diff_status *s = &d->statuses[i];
        member(b, i ? ",\n  {" : "\n  {", "fate", str_of(fates[s->fate]));
        member(b, ", ", "object", s->object);
        member(b, ", ", "where", s->where);
        member(b, ", ", "before", s->before);
        member(b, ", ", "after", s->after);
        buf_add_char(b, '}');
    }
    buf_printf(b, "],\n\"tried\": %u,\n\"untried\": %u,\n\"differs\": %s}\n", d->tried, d->untried,
               diff_matters(d) ? "true" : "false");
}
