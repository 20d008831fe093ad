/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP without a version: one message for all codecs, its fields, the target's parts, reasons, the access record.
 * In:    parts that a codec read.     Out: a message that routing and filters work on; words for people.
 * Own:   a message's bytes live in its exchange's arena. Doors beside this one: http_msg.h http_uri.h http_reason.h access.h access_format.h.
 * Never: a socket, a clock, a version that routing or filters could ask for. */
#pragma once
#include "http/http_msg.h"
