/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a format means, as bytes that can be copied anywhere: steps of three bytes, some followed by a word.
 *     LITERAL  length, two bytes, the higher first     the text
 *     FIELD    enum access_field_id, enum access_mode
 *     REQUEST  enum access_mode, length                the name of a field of the request's head
 *     RESPONSE the same of the response's */
enum access_op { ACCESS_OP_LITERAL, ACCESS_OP_FIELD, ACCESS_OP_REQUEST, ACCESS_OP_RESPONSE };
enum access_mode {
    ACCESS_MODE_BARE,   /* "-" when there is none */
    ACCESS_MODE_JSON,   /* a JSON value; null when there is none */
    ACCESS_MODE_PAIR,   /* " name=value"; nothing when there is none */
    ACCESS_MODE_MS,     /* of durations: in milliseconds, "1.500" */
    ACCESS_MODE_S,      /* in seconds, "0.001500" */
    ACCESS_MODE_COMMON, /* of times: as the common log format has it */
};
