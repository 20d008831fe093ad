/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "text/node.h"

enum { JSON_DEPTH_MAX = 64, JSON_BYTES_MAX = 64 << 20 };

/* One JSON value and nothing after it but white space, read strictly [RFC 8259] by jansson: UTF-8, no key twice in one
 * object, no NUL in a string. Strings are quoted scalars, so that "true" stays a string; numbers, true and false are
 * scalars as they are written to JSON again; null is NODE_NULL. Nodes carry no place (line 0): what a program wrote has no
 * line that a person could mend.
 * ERR_PROTO, or ERR_LIMIT past JSON_BYTES_MAX or JSON_DEPTH_MAX: *ret_message (in a) tells. */
err json_parse(struct arena *a, str text, struct node **ret, str *ret_message);
