/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tone.h"

#include "api/condition.h"

static const str missing[] = {S("BackendNotFound"), S("NoMatchingParent")};

enum tone tone_of(str type, str status, str reason) {
    bool yes = str_eq(status, S("True")), no = str_eq(status, S("False"));
    if (condition_is_negative(type)) return yes ? TONE_BAD : TONE_GOOD;
    if (yes) return TONE_GOOD;
    return no && !str_eq(reason, S("Pending")) ? TONE_BAD : TONE_WAITING;
}

bool tone_is_missing(str reason) {
    for (size_t i = 0; i < COUNT_OF(missing); i++) {
        if (str_eq(reason, missing[i])) return true;
    }
    return false;
}
