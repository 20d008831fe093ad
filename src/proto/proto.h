/* SPDX-License-Identifier: Apache-2.0 */
/* Codecs: bytes to events and back. h1 is our own and strict; the rest are adapters to come (HTTP/2, HTTP/3, PROXY, ClientHello).
 * In:    bytes, messages.     Out: events to a sink, bytes to send.
 * Own:   a codec belongs to its connection. Doors beside this one: codec.h (the face), h1.h.
 * Never: a socket, a clock, a guess: what has two readings is refused. */
#pragma once
#include "proto/codec.h"
