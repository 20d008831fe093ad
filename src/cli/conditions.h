/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* How a condition is to be read, by its type: the Gateway API has both kinds. */
enum conditions_tone {
    CONDITIONS_GOOD,
    CONDITIONS_WAITING, /* Unknown, or not yet */
    CONDITIONS_BAD,
};
enum conditions_tone conditions_tone(str type, str status, str reason);
/* The condition is about something that is not there (yet), not about something wrong. */
bool conditions_is_missing(str reason);
