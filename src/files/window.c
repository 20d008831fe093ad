/* SPDX-License-Identifier: Apache-2.0 */
#include "files/window.h"

#include <errno.h>
#include <unistd.h>

struct window window_of_file(int fd) {
    return (struct window){.fd = fd};
}

struct window window_of_text(str text) {
    return (struct window){.fd = -1, .p = (char *)(uintptr_t)text.p, .n = text.n};
}

void window_fini(struct window *w) {
    if (w->fd >= 0) free(w->p);
    *w = (struct window){.fd = -1};
}

/* Moves the window to begin at `at`, as wide as it is. */
static void move(struct window *w, uint64_t at) {
    w->from = at, w->n = 0;
    while (w->n < w->cap) {
        ssize_t got = pread(w->fd, w->p + w->n, w->cap - w->n, (off_t)(at + w->n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) w->trouble = errno;
        if (got <= 0) return;
        w->n += (size_t)got;
    }
}

str window_read(struct window *w, uint64_t at, size_t bytes_max) {
    bool there = w->from <= at && at + bytes_max <= w->from + w->n;
    if (!there && w->fd >= 0) {
        if (w->cap < bytes_max || !w->cap) {
            w->cap = bytes_max > WINDOW_BYTES ? bytes_max : WINDOW_BYTES;
            free(w->p);
            w->p = base_alloc(w->cap);
        }
        move(w, at);
    }
    if (at < w->from || at > w->from + w->n) return (str){0};
    return str_upto((str){w->p + (at - w->from), (size_t)(w->from + w->n - at)}, bytes_max);
}
