/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/paint.h"

void paint_add(struct buf *b, bool colour, enum paint paint, str s) {
    static const char *const codes[] = {[PAINT_PLAIN] = "",
                                        [PAINT_GREEN] = "32",
                                        [PAINT_YELLOW] = "33",
                                        [PAINT_RED] = "31",
                                        [PAINT_BOLD] = "1"};
    if (colour && paint != PAINT_PLAIN) {
        buf_printf(b, "\033[%sm" STR_FMT "\033[0m", codes[paint], STR_ARG(s));
    } else {
        buf_add(b, s);
    }
}

enum paint paint_of(enum tone t) {
    return t == TONE_BAD ? PAINT_RED : t == TONE_WAITING ? PAINT_YELLOW : PAINT_GREEN;
}

void paint_mark(struct buf *b, bool colour, enum tone t) {
    static const str marks[] = {[TONE_GOOD] = S("✓"), [TONE_WAITING] = S("…"), [TONE_BAD] = S("✗")};
    paint_add(b, colour, paint_of(t), marks[t]);
}
