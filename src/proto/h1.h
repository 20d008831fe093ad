/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "proto/codec.h"

/* HTTP/1.0 and 1.1 [RFC 9112]. Codecs are pooled: h1_recycle() makes a used one new again without freeing its buffers. */
struct codec *h1_server(const struct codec_sink *sink, void *arg, const struct codec_limits *limits);
struct codec *h1_client(const struct codec_sink *sink, void *arg, const struct codec_limits *limits);
void h1_recycle(struct codec *c, const struct codec_sink *sink, void *arg);
