/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/via.h"

static str protocol_of(const struct http_msg *m) {
    return m->version >= 20 ? S("2") : m->version == 10 ? S("1.0") : S("1.1");
}

/* A field of its own, behind those that came: they are one list. */
void via_add(struct http_msg *m, str name) {
    str protocol = protocol_of(m);
    http_msg_add_known(m, FIELD_VIA, S("Via"),
                       arena_printf(m->arena, STR_FMT " " STR_FMT, STR_ARG(protocol), STR_ARG(name)));
}

/* Up to the next comma that is in no comment; comments may hold others, and quoted pairs.     [RFC 9110 5.6.5] */
static str take_element(str *list) {
    size_t depth = 0, i = 0;
    for (; i < list->n; i++) {
        char c = list->p[i];
        if (c == '\\' && depth)
            i++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (c == ',' && !depth)
            break;
    }
    str one = str_upto(*list, i);
    *list = str_from(*list, i + 1);
    return str_trim(one);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* protocol RWS received-by [ RWS comment ] */
static str received_by(str element) {
    size_t from = 0;
    while (from < element.n && !is_blank(element.p[from])) from++;
    while (from < element.n && is_blank(element.p[from])) from++;
    size_t to = from;
    while (to < element.n && !is_blank(element.p[to]) && element.p[to] != '(') to++;
    return (str){element.p + from, to - from};
}

bool via_has(const struct http_msg *m, str name) {
    for (uint32_t i = 0; http_msg_may_have(m, FIELD_VIA) && i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || f->id != FIELD_VIA) continue;
        for (str list = f->value; list.n;)
            if (str_ieq(received_by(take_element(&list)), name)) return true;
    }
    return false;
}
