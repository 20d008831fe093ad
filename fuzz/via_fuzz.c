/* fuzz: filter, 600000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* A value of Via: nothing crashes, where there are no comments what is found is what splitting at commas finds, and whoever adds himself behind it is
 * found, whatever it is. */
#include "filter/via.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The second word of an element. */
static str second(str s) {
    size_t i = 0, from;
    while (i < s.n && is_blank(s.p[i])) i++;
    while (i < s.n && !is_blank(s.p[i])) i++;
    while (i < s.n && is_blank(s.p[i])) i++;
    for (from = i; i < s.n && !is_blank(s.p[i]);) i++;
    return (str){s.p + from, i - from};
}

static bool plainly(str value, str name) {
    while (value.n)
        if (str_ieq(second(str_cut(&value, ',')), name)) return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    OWNED(arena) a = arena_new();
    size_t n = 1 + data[0] % 8 < size ? 1 + data[0] % 8 : 1;
    str name = arena_str(a, (str){(const char *)data + 1, n < size - 1 ? n : size - 1});
    str value = arena_str(a, (str){(const char *)data + 1 + name.n, size - 1 - name.n});
    struct http_msg m;
    http_msg_init(&m, a, true);
    m.version = (uint8_t)(data[0] % 3 == 0 ? 10 : data[0] % 3 == 1 ? 11 : 20);
    http_msg_add_known(&m, FIELD_VIA, S("Via"), value);
    bool found = via_has(&m, name), simple = true, token = true;
    for (size_t i = 0; i < value.n; i++) simple &= value.p[i] != '(' && value.p[i] != ')';
    for (size_t i = 0; i < name.n; i++) token &= !is_blank(name.p[i]) && !strchr("(),\\", name.p[i]);
    if (simple && token) check(found == plainly(value, name));
    via_add(&m, name);
    if (token) check(via_has(&m, name));
    return 0;
}
