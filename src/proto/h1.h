/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/pool.h"
#include "proto/codec.h"

/* HTTP/1.0 and 1.1 [RFC 9112]. Codecs are pooled: h1_recycle() makes a used one new again without freeing its buffers. */
struct codec *h1_server(const struct codec_sink *sink, void *arg, const struct codec_limits *limits);
struct codec *h1_client(const struct codec_sink *sink, void *arg, const struct codec_limits *limits);
void h1_recycle(struct codec *c, const struct codec_sink *sink, void *arg);
/* Between requests a server needs little. What it needs besides while one is under way comes from a pool that others share, and goes back once
 * the request is read and its answer written: of many connections that are kept, few have it. Without a pool it stays the codec's own. */
void h1_pool_init(struct pool *p, uint32_t keep_max);
void h1_share(struct codec *c, struct pool *p);
