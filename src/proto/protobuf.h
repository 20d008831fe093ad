/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* Protocol Buffers on the wire, without a schema: a message is a row of fields, each a number and a value.
 * Read strictly: groups, the number 0, a varint of more than 64 bits and whatever does not fit its message are refused. */
enum protobuf_wire { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };
struct protobuf_field {
    uint32_t number;
    uint8_t wire;   /* enum protobuf_wire */
    uint64_t value; /* but for BYTES */
    str bytes;      /* BYTES: a text, or a message within; borrowed */
};
/* Takes the next field from the front of a message. ERR_END: there is none. */
err protobuf_next(str *message, struct protobuf_field *ret);

/* Writes to `to`, or only counts what would be written while that is NULL: a message within is counted first, for its length goes before. */
struct protobuf_out {
    char *to;
    size_t n;
};
/* A number that is not 0, which stands for itself by its absence; a signed one as uint64_t. */
void protobuf_number(struct protobuf_out *o, uint32_t number, uint64_t value);
/* A text that is not "". What is not UTF-8 becomes U+FFFD: readers refuse a message for it. */
void protobuf_text(struct protobuf_out *o, uint32_t number, str text);
/* What goes before a message (or bytes) of n bytes; those follow. */
void protobuf_begin(struct protobuf_out *o, uint32_t number, size_t n);
void protobuf_raw(struct protobuf_out *o, str bytes);

/* Is it UTF-8, piece by piece? All zero at the begin; whole when `left` is 0 at the end.                        [RFC 3629 4] */
struct protobuf_utf8 {
    uint8_t left;      /* bytes of a character that are to come */
    uint8_t low, high; /* what the next of them may be */
    bool bad;
};
void protobuf_utf8_add(struct protobuf_utf8 *u, str bytes);
static inline bool protobuf_utf8_ok(const struct protobuf_utf8 *u) { return !u->bad && !u->left; }
