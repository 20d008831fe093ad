/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* A text read piece by piece: a file of 50 MB takes no more memory than its largest document, and its bytes are near while they are looked at. */
enum { WINDOW_BYTES = 512 << 10 };
struct window {
    int fd; /* -1: the text is all there */
    char *p;
    size_t cap;
    uint64_t from; /* where in the text p is */
    size_t n;
    int trouble; /* the errno of a read that failed */
};
/* Of a file. */
struct window window_of_file(int fd);
/* Of a text, which must outlive it. */
struct window window_of_text(str text);
void window_fini(struct window *w);
/* bytes_max bytes of the text from `at` on, fewer only where it ends (or can not be read); good until the next call. */
str window_read(struct window *w, uint64_t at, size_t bytes_max);
