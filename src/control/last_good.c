/* SPDX-License-Identifier: Apache-2.0 */
#include "control/last_good.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/num.h"
#include "io/log.h"

enum {
    MEMORY_PART = 16 /* of the process's: it is counted, and there are two copies while one is replaced */
};

/* Another form of the text or of this has another name. */
static const char form[8] = "pgood-01";
struct head {
    char form[8];
    uint64_t generation, bytes, sum;
};
/* The second is where the first never reaches: what is not written of a memory file takes no memory. */
static const off_t slots[] = {0, (off_t)sizeof(struct head) + LAST_GOOD_BYTES_MAX};

static uint64_t sum_of(uint64_t generation, str text) { return hash_bytes(text.p, text.n, generation); }

/* ---- in ---- */

static err pread_all(int fd, void *to, size_t n, off_t at) {
    char *p = to;
    while (n) {
        ssize_t got = pread(fd, p, n, at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return ERR_IO;
        p += got, n -= (size_t)got, at += got;
    }
    return OK;
}

/* Its head makes sense, and all that it promises is there. */
static bool read_head(int fd, off_t slot, struct head *ret) {
    struct stat st;
    struct head h;
    if (fstat(fd, &st) < 0 || st.st_size < slot + (off_t)sizeof h || pread_all(fd, &h, sizeof h, slot) != OK)
        return false;
    if (memcmp(h.form, form, sizeof form) != 0 || h.bytes > LAST_GOOD_BYTES_MAX ||
        (off_t)h.bytes > st.st_size - slot - (off_t)sizeof h)
        return false;
    *ret = h;
    return true;
}

static err read_slot(int fd, off_t slot, const struct head *h, struct buf *b) {
    TRY(buf_reserve(b, h->bytes));
    if (pread_all(fd, b->p + b->n, h->bytes, slot + (off_t)sizeof *h) != OK) return ERR_PROTO;
    if (sum_of(h->generation, (str){b->p + b->n, h->bytes}) != h->sum) return ERR_PROTO;
    b->n += h->bytes;
    return OK;
}

static err read_newest(int fd, struct buf *b) {
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return ERR_PROTO;
    if (st.st_size == 0) return OK;
    struct head h[COUNT_OF(slots)];
    bool sound[COUNT_OF(slots)];
    for (size_t i = 0; i < COUNT_OF(slots); i++) sound[i] = read_head(fd, slots[i], &h[i]);
    size_t newest = sound[1] && (!sound[0] || h[1].generation > h[0].generation);
    err e = ERR_PROTO;
    for (size_t k = 0; k < COUNT_OF(slots) && e == ERR_PROTO; k++) {
        size_t i = k ? !newest : newest;
        if (sound[i]) e = read_slot(fd, slots[i], &h[i], b);
    }
    return e;
}

/* Of this process, not of the open file, which we share with the supervisor and whoever served before. [fcntl(2) F_SETLK] */
static err lock(int fd, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET};
    int got;
    do got = fcntl(fd, F_SETLKW, &l);
    while (got < 0 && errno == EINTR);
    return got < 0 ? ERR_IO : OK;
}

err last_good_read(int fd, struct buf *b) {
    TRY(lock(fd, F_RDLCK));
    err e = read_newest(fd, b);
    err unlocked = lock(fd, F_UNLCK);
    return e == OK ? unlocked : e;
}

/* ---- out ---- */

static err pwrite_all(int fd, const void *from, size_t n, off_t at) {
    const char *p = from;
    while (n) {
        ssize_t put = pwrite(fd, p, n, at);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return ERR_IO;
        p += put, n -= (size_t)put, at += put;
    }
    return OK;
}

/* The head comes last: until then the checksum is of something else. */
static err write_slot(int fd, off_t slot, const struct head *h, str text) {
    TRY(pwrite_all(fd, text.p, text.n, slot + (off_t)sizeof *h));
    return pwrite_all(fd, h, sizeof *h, slot);
}

/* The second slot first, so that it alone is needed while the first is written, and goes with the file's end. */
static err replace(int fd, str text) {
    if (!text.n) return ftruncate(fd, 0) < 0 ? ERR_IO : OK;
    struct head h = {0}, other;
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        if (read_head(fd, slots[i], &other)) h.generation = num_max(h.generation, other.generation);
    memcpy(h.form, form, sizeof form);
    h.generation++;
    h.bytes = text.n;
    h.sum = sum_of(h.generation, text);
    TRY(write_slot(fd, slots[1], &h, text));
    TRY(write_slot(fd, slots[0], &h, text));
    return ftruncate(fd, (off_t)(sizeof h + text.n)) < 0 ? ERR_IO : OK;
}

err last_good_write(int fd, str text) {
    assert(text.n <= LAST_GOOD_BYTES_MAX);
    TRY(lock(fd, F_WRLCK));
    err e = replace(fd, text);
    int why = errno;
    err unlocked = lock(fd, F_UNLCK);
    errno = why;
    return e == OK ? unlocked : e;
}

/* ---- of the builder ---- */

void last_good_init(struct last_good *l, int fd, uint64_t memory_limit) {
    *l = (struct last_good){.fd = fd, .bytes_max = LAST_GOOD_BYTES_MAX};
    if (memory_limit) l->bytes_max = num_min(l->bytes_max, memory_limit / MEMORY_PART);
    if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC); /* no program that we start has a part in it */
}

void last_good_take(struct last_good *l, struct files *f) {
    struct buf b;
    uint32_t taken = 0;
    if (l->fd < 0) return;
    buf_init(&b, LAST_GOOD_BYTES_MAX);
    err e = last_good_read(l->fd, &b);
    if (e == OK) e = files_keep(f, buf_str(&b), &taken);
    if (e != OK)
        log_warn("last good err=\"what the process before has left can not be read\" "
                 "effect=\"documents that are broken have no last good version\"");
    else if (taken)
        log_info("last good of the process before files=%u bytes=%zu", taken, b.n);
    if (b.p) explicit_bzero(b.p, b.n);
    buf_fini(&b);
}

void last_good_leave(struct last_good *l, const struct files *f, const struct store *s) {
    uint64_t sign = files_kept_sign(f);
    if (l->fd < 0 || (l->written && l->sign == sign)) return;
    struct buf b;
    buf_init(&b, l->bytes_max);
    uint32_t left_out = sign ? files_kept_put(f, s, &b) : 0;
    if (left_out)
        log_warn("last good left_out_files=%u bytes_max=%zu effect=\"what was last good of them is lost when "
                 "this process dies\" remedy=\"mend what postern status names\"",
                 left_out, l->bytes_max);
    err e = last_good_write(l->fd, buf_str(&b));
    if (e != OK)
        log_warn("last good err=\"%s\" effect=\"what was last good is lost when this process dies\"",
                 strerror(errno));
    l->written = e == OK;
    l->sign = sign;
    if (b.p) explicit_bzero(b.p, b.n);
    buf_fini(&b);
}
