/* fuzz: text */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any pattern, up to the first NUL, and any subject after it: it compiles or a message says why not, and a search ends within its budget, the same each time
 * (libFuzzer's own timeout holds the budget to be one). */
#include "text/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
