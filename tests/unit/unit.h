/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test needs of cmocka, in the order that it asks for. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_ok(call) assert_int_equal((call), OK)
#define assert_str(got, wanted)                                                                              \
    do {                                                                                                     \
        str got_ = (got), wanted_ = str_of(wanted);                                                          \
        if (!str_eq(got_, wanted_)) fail_msg("got \"" STR_FMT "\", wanted \"%s\"", STR_ARG(got_), wanted);   \
    } while (0)
