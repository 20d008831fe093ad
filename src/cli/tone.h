/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* How a condition is to be read, by its type: the Gateway API has both kinds. */
enum tone {
    TONE_GOOD,
    TONE_WAITING, /* Unknown, or not yet */
    TONE_BAD,
};
enum tone tone_of(str type, str status, str reason);
/* The condition is about something that is not there (yet), not about something wrong. */
bool tone_is_missing(str reason);
