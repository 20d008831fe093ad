/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/codec.h"

/* Which version a client speaks where nothing has agreed on one: HTTP/2 when it begins with that preface [RFC 9113 3.3], else HTTP/1. A codec
 * until then; its owner's choice takes its place within the read that tells. Nothing may be submitted to it. */
struct detect {
    struct codec codec;
    uint8_t matched; /* bytes of the preface */
    /* The codec to go on with, which the owner calls from now on. */
    struct codec *(*choose)(void *arg, bool h2);
    void *arg;
};
void detect_init(struct detect *d, struct codec *(*choose)(void *arg, bool h2), void *arg);
