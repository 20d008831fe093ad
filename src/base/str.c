/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

int str_cmp(str a, str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    if (d) return d;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool str_ieq(str a, str b) {
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++)
        if (str_lower(a.p[i]) != str_lower(b.p[i])) return false;
    return true;
}

size_t str_find(str s, char c) {
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t str_rfind(str s, char c) {
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == c) return i - 1;
    return s.n;
}

str str_cut(str *s, char sep) {
    size_t at = str_find(*s, sep);
    str head = str_upto(*s, at);
    *s = at < s->n ? str_from(*s, at + 1) : (str){0};
    return head;
}

str str_trim(str s) {
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) s = str_from(s, 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
    return s;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned str_distance(str a, str b) {
    if (a.n > 63 || b.n > 63) return 64;
    unsigned rows[3][65];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= b.n; j++) above[j] = before[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned cost = str_lower(a.p[i - 1]) != str_lower(b.p[j - 1]);
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + cost);
            bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
            if (swapped) row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = above, above = row, row = spare;
    }
    return above[b.n];
}

char *str_dup(str s) {
    char *z = base_alloc(s.n + 1);
    if (s.n) memcpy(z, s.p, s.n);
    z[s.n] = 0;
    return z;
}
