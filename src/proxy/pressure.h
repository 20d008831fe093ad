/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* How short of memory the process is, and what a worker does about it. Told again and again while it lasts. */
enum pressure {
    PRESSURE_NONE,
    PRESSURE_TIGHT, /* what is idle goes: connections of clients and to backends, and memory kept for reuse */
    PRESSURE_SHED, /* besides, all but a few requests are answered 503, further HTTP/2 streams refused, and no handshake begins */
    PRESSURE_COUNT
};
struct proxy;
void pressure_set(struct proxy *p, enum pressure level);
