/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_msg.h"

enum { FIELDS_FIRST = 16 };

void http_msg_init(struct http_msg *m, struct arena *a, bool is_request) {
    *m = (struct http_msg){
        .arena = a,
        .is_request = is_request,
        .version = 11,
        .method = S(""),
        .authority = S(""),
        .path = S(""),
        .query = S(""),
    };
}

void http_msg_reserve(struct http_msg *m, uint32_t n) {
    if (n <= m->fields_cap) return;
    struct http_field *more = arena_raw(m->arena, n * sizeof *more);
    if (m->fields_n) memcpy(more, m->fields, m->fields_n * sizeof *more);
    m->fields = more;
    m->fields_cap = n;
}

/* The next live field of that name at or after i, or fields_n. A known name is found by its number alone. */
static uint32_t next(const struct http_msg *m, uint32_t i, str name, enum http_field_id id) {
    if (!http_msg_may_have(m, id)) return m->fields_n;
    for (; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone || f->id != id) continue;
        if (id != FIELD_OTHER || str_ieq(f->name, name)) break;
    }
    return i;
}

const struct http_field *http_msg_find(const struct http_msg *m, str name) {
    uint32_t i = next(m, 0, name, http_field_id_of(name));
    return i < m->fields_n ? &m->fields[i] : NULL;
}

const struct http_field *http_msg_find_id(const struct http_msg *m, enum http_field_id id) {
    assert(id != FIELD_OTHER);
    uint32_t i = next(m, 0, S(""), id);
    return i < m->fields_n ? &m->fields[i] : NULL;
}

str http_msg_joined(const struct http_msg *m, struct arena *a, str name) {
    enum http_field_id id = http_field_id_of(name);
    uint32_t first = next(m, 0, name, id), count = 0;
    size_t n = 0;
    for (uint32_t i = first; i < m->fields_n; i = next(m, i + 1, name, id))
        n += m->fields[i].value.n, count++;
    if (count == 0) return (str){0};
    if (count == 1) return m->fields[first].value;
    char *p = arena_raw(a, n + count), *w = p;
    for (uint32_t i = first; i < m->fields_n; i = next(m, i + 1, name, id)) {
        str v = m->fields[i].value;
        if (i != first) *w++ = ',';
        if (v.n) memcpy(w, v.p, v.n);
        w += v.n;
    }
    return (str){p, (size_t)(w - p)};
}

void http_msg_add(struct http_msg *m, str name, str value) {
    http_msg_add_known(m, http_field_id_of(name), name, value);
}

void http_msg_add_known(struct http_msg *m, enum http_field_id id, str name, str value) {
    assert_slow(id == http_field_id_of(name));
    if (m->fields_n == m->fields_cap) http_msg_reserve(m, m->fields_cap ? m->fields_cap * 2 : FIELDS_FIRST);
    m->fields[m->fields_n++] = (struct http_field){
        .name = name,
        .value = value,
        .id = (uint8_t)id,
    };
    m->ids |= UINT32_C(1) << id;
}

uint32_t http_msg_remove(struct http_msg *m, str name) {
    enum http_field_id id = http_field_id_of(name);
    uint32_t count = 0;
    for (uint32_t i = next(m, 0, name, id); i < m->fields_n; i = next(m, i + 1, name, id))
        m->fields[i].gone = true, count++;
    return count;
}

void http_msg_set(struct http_msg *m, str name, str value) {
    http_msg_remove(m, name);
    http_msg_add(m, name, value);
}

struct http_msg *http_msg_copy(struct arena *a, const struct http_msg *m) {
    struct http_msg *to = arena_make(a, struct http_msg);
    *to = *m;
    to->arena = a;
    to->method = arena_str(a, m->method);
    to->authority = arena_str(a, m->authority);
    to->host = m->host.p ? arena_str(a, m->host) : m->host;
    to->path = arena_str(a, m->path);
    to->query = arena_str(a, m->query);
    to->fields = NULL, to->fields_n = to->fields_cap = 0;
    http_msg_reserve(to, m->fields_n);
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f->gone) continue;
        to->fields[to->fields_n++] =
            (struct http_field){.name = arena_str(a, f->name), .value = arena_str(a, f->value), .id = f->id};
    }
    return to;
}
