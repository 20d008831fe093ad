/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 to and from text, for tests: made by hand, so that what no honest peer sends can be sent; read back with the library's
 * HPACK alone. */
#pragma once
#include <nghttp2/nghttp2.h>

#include "base/buf.h"

static inline void h2_frames_head(struct buf *b, size_t n, uint8_t type, uint8_t flags, uint32_t stream) {
    const char head[9] = {(char)(n >> 16),      (char)(n >> 8),      (char)n,
                          (char)type,           (char)flags,         (char)(stream >> 24),
                          (char)(stream >> 16), (char)(stream >> 8), (char)stream};
    buf_add(b, (str){head, sizeof head});
}
static inline void h2_frames_frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t stream, str payload) {
    h2_frames_head(b, payload.n, type, flags, stream);
    buf_add(b, payload);
}
static inline void h2_frames_number(struct buf *b, uint32_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; i--) buf_add_char(b, (char)(v >> 8 * i));
}
/* An integer with a prefix of 7 bits [RFC 7541 5.1]. */
static inline void h2_frames_length(struct buf *b, size_t n) {
    if (n < 127) {
        buf_add_char(b, (char)n);
        return;
    }
    buf_add_char(b, 127);
    for (n -= 127; n >= 128; n >>= 7) buf_add_char(b, (char)(n | 128));
    buf_add_char(b, (char)n);
}
/* A line as a literal that is never indexed, without Huffman's code [RFC 7541 6.2.3]. */
static inline void h2_frames_line(struct buf *b, str name, str value) {
    buf_add_char(b, 0x10);
    h2_frames_length(b, name.n);
    buf_add(b, name);
    h2_frames_length(b, value.n);
    buf_add(b, value);
}
