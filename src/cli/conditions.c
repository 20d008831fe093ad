/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conditions.h"

/* Types of which True is the bad news.                 [GW ListenerConditionType] [GW RouteConditionType] */
static const str bad_when_true[] = {S("Conflicted"), S("PartiallyInvalid"), S("OverlappingTLSConfig"),
                                    S("Detached")};
static const str missing[] = {S("BackendNotFound"), S("NoMatchingParent")};

enum conditions_tone conditions_tone(str type, str status, str reason) {
    bool yes = str_eq(status, S("True")), no = str_eq(status, S("False"));
    for (size_t i = 0; i < COUNT_OF(bad_when_true); i++) {
        if (str_eq(type, bad_when_true[i])) return yes ? CONDITIONS_BAD : CONDITIONS_GOOD;
    }
    if (yes) return CONDITIONS_GOOD;
    return no && !str_eq(reason, S("Pending")) ? CONDITIONS_BAD : CONDITIONS_WAITING;
}

bool conditions_is_missing(str reason) {
    for (size_t i = 0; i < COUNT_OF(missing); i++) {
        if (str_eq(reason, missing[i])) return true;
    }
    return false;
}
