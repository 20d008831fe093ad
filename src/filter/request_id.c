/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/request_id.h"

/* The eight digits of a word at once; their order does not matter for what is random. */
static uint64_t digits_of(uint32_t v) {
    uint64_t x = v;
    x = (x << 16 | x) & UINT64_C(0x0000FFFF0000FFFF);
    x = (x << 8 | x) & UINT64_C(0x00FF00FF00FF00FF);
    x = (x << 4 | x) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    uint64_t letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    return x + UINT64_C(0x3030303030303030) + letters * ('a' - '9' - 1);
}

str request_id_new(struct request_id_source *s, struct arena *a) {
    uint64_t high = rng_next(&s->high), low = rng_next(&s->low);
    const uint64_t digits[] = {digits_of((uint32_t)(high >> 32)), digits_of((uint32_t)high),
                               digits_of((uint32_t)(low >> 32)), digits_of((uint32_t)low)};
    static_assert(sizeof digits == REQUEST_ID_BYTES, "two digits a byte");
    char *p = arena_raw(a, sizeof digits);
    memcpy(p, digits, sizeof digits);
    return (str){p, sizeof digits};
}

static bool is_fit(str id) {
    if (id.n == 0 || id.n > REQUEST_ID_BYTES_MAX) return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~') return false;
    return true;
}

static bool is_only(const struct http_msg *m, const struct http_field *one) {
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        if (f != one && !f->gone && f->id == FIELD_X_REQUEST_ID) return false;
    }
    return true;
}

bool request_id_needed(struct http_msg *m, enum table_request_id how, bool trusted) {
    const struct http_field *came = http_msg_find_id(m, FIELD_X_REQUEST_ID);
    if (!came) return true;
    bool counts = how == TABLE_REQUEST_ID_IF_ABSENT || (how == TABLE_REQUEST_ID_FROM_TRUSTED && trusted);
    if (counts && is_fit(came->value) && is_only(m, came)) return false;
    http_msg_remove(m, S("X-Request-Id"));
    return true;
}

void request_id_put(struct http_msg *m, str id) {
    http_msg_add_known(m, FIELD_X_REQUEST_ID, S("X-Request-Id"), id);
}
