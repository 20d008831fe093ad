/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/detect.h"

#include "proto/h2.h"

static struct detect *self(struct codec *c) { return container_of(c, struct detect, codec); }

/* The bytes that matched are known, so none had to be kept: they are given again, then those that have come now. */
static err detect_read(struct codec *c, str in, uint64_t now_us, size_t *ret_used,
                       enum http_reason *ret_why) {
    struct detect *d = self(c);
    size_t n = 0, before = d->matched, used;
    *ret_used = 0;
    while (n < in.n && d->matched < H2_PREFACE_BYTES && in.p[n] == h2_preface[d->matched]) n++, d->matched++;
    if (n == in.n && d->matched < H2_PREFACE_BYTES) {
        *ret_used = n;
        return OK;
    }
    struct codec *next = d->choose(d->arg, d->matched == H2_PREFACE_BYTES);
    if (before) {
        TRY(next->ops->read(next, (str){h2_preface, before}, now_us, &used, ret_why));
        assert(used == before); /* no message is as short */
    }
    return next->ops->read(next, in, now_us, ret_used, ret_why);
}

static err detect_read_end(struct codec *c, enum http_reason *ret_why) {
    if (self(c)->matched == 0) return ERR_END;
    *ret_why = REASON_CLIENT_GONE;
    return ERR_PROTO;
}

static void detect_consume(struct codec *c, uint32_t stream, size_t bytes) {
    (void)c, (void)stream, (void)bytes;
}
static size_t detect_write(struct codec *c, str *out, size_t out_max) {
    (void)c, (void)out, (void)out_max;
    return 0;
}
static void detect_wrote(struct codec *c, size_t bytes) { (void)c, (void)bytes; }
static void detect_nothing(struct codec *c) { (void)c; }
static size_t detect_pending(const struct codec *c) {
    (void)c;
    return 0;
}
static bool detect_reusable(const struct codec *c) {
    (void)c;
    return true;
}
static void detect_limit_head(struct codec *c, uint32_t bytes_max, uint32_t fields_max) {
    (void)c, (void)bytes_max, (void)fields_max;
}

static const struct codec_ops ops = {
    .read = detect_read,
    .read_end = detect_read_end,
    .consume = detect_consume,
    .write = detect_write,
    .wrote = detect_wrote,
    .keep = detect_nothing,
    .pending = detect_pending,
    .reusable = detect_reusable,
    .drain = detect_nothing,
    .limit_head = detect_limit_head,
    .free = detect_nothing,
};

void detect_init(struct detect *d, struct codec *(*choose)(void *arg, bool h2), void *arg) {
    *d = (struct detect){.codec = {.ops = &ops}, .choose = choose, .arg = arg};
}
