/* fuzz: text, 1200000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any pattern, up to the first NUL, and any subject after it: it compiles or a message says why not, and a search ends within its budget, the same each time
 * (libFuzzer's own timeout holds the budget to be one). */
#include "text/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As a match of a route: within what is left, and only what begins as was said. */
static void try_whole(struct arena *a, str pattern, str subject) {
    struct regex *r = NULL;
    str message;
    if (regex_new_whole(a, pattern, &r, &message) != OK) return;
    struct regex_work *w = regex_work_new();
    uint32_t budget = REGEX_BUDGET;
    enum regex_verdict v = regex_takes(r, subject, w, &budget);
    assert(budget <= REGEX_BUDGET && budget >= REGEX_BUDGET - REGEX_BUDGET / 4);
    assert(v != REGEX_YES || str_starts(subject, regex_literal(a, pattern)));
    regex_work_free(w);
    regex_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str subject = {(const char *)data, size}, pattern = str_cut(&subject, '\0'), message = {0};
    OWNED(arena) a = arena_new();
    struct regex *r = NULL;
    err e = regex_new(a, pattern, &r, &message);
    assert(e == OK ? r != NULL : message.n > 0);
    if (e != OK) return 0;
    bool found = regex_search(r, subject);
    assert(regex_search(r, subject) == found);
    regex_free(r);
    try_whole(a, pattern, subject);
    return 0;
}
