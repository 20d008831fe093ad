/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proxy/exchange.h"

/* A copy of a request, after all filters, to one endpoint of another backend; its answer is read and thrown away. It never holds the
 * request back and never fails it: what a mirror does not take in time is kept up to a bound, and past that the mirror is cut. A request is
 * mirrored once, however often it is tried.                                                  [GW HTTPRequestMirrorFilter] */
enum {
    MIRROR_BYTES_MAX = 1 << 20,      /* of a body, that wait */
    MIRROR_ALL_BYTES_MAX = 64 << 20, /* the same of all of a worker's */
};
/* Begins those of the rule and of the target that was chosen. */
void mirror_begin(struct exchange *x);
/* The request goes on, is complete (it is not followed any more then), or ends before it is. */
void mirror_body(struct exchange *x, str bytes);
void mirror_end(struct exchange *x, const struct http_msg *trailers);
void mirror_cut(struct exchange *x);
void mirror_setup(struct proxy *p);
void mirror_cut_all(struct proxy *p);
void mirror_reap(struct proxy *p);
