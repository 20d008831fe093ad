/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"
#include "cli/tone.h"

/* Colour on a terminal. */
enum paint { PAINT_PLAIN, PAINT_GREEN, PAINT_YELLOW, PAINT_RED, PAINT_BOLD };
void paint_add(struct buf *b, bool colour, enum paint paint, str s);
enum paint paint_of(enum tone t);
/* A mark that tells the tone without colour, too. */
void paint_mark(struct buf *b, bool colour, enum tone t);
