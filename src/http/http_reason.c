/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_reason.h"

static const struct {
    str name;
    uint16_t status;
    str words;
} reasons[HTTP_REASON_COUNT] = {
#define REASON(id, name, status, words)                                                                      \
    [REASON_##id] = {{name, sizeof(name) - 1}, status, {words, sizeof(words) - 1}},
    HTTP_REASONS(REASON)
#undef REASON
};

str http_reason_name(enum http_reason r) { return reasons[r].name; }
uint16_t http_reason_status(enum http_reason r) { return reasons[r].status; }
str http_reason_words(enum http_reason r) { return reasons[r].words; }
