/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* The key of a WebSocket handshake over HTTP/1.1 and the answer to it: they prove that both sides mean WebSocket, and nothing else.
 *                                                                                                      [RFC 6455 4.1] [RFC 6455 4.2.2] */
enum { WS_KEY_CHARS = 24, WS_KEY_ACCEPT_CHARS = 28 };
void ws_key_make(char to[WS_KEY_CHARS]);
/* 16 bytes in base64? */
bool ws_key_ok(str key);
void ws_key_accept(str key, char to[WS_KEY_ACCEPT_CHARS]);
