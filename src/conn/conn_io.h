/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "conn/conn.h"

/* The bytes of a connection: conn.c's other half. */
/* Shows the owner what has come of a preamble, and takes it when it is whole. As conn_ops.preamble, or ERR_IO. */
err conn_io_preamble(struct conn *c);
/* Reads and hands to the codec, within the budget of the turn. */
void conn_io_read(struct conn *c);
/* Writes what the codec has; what does not fit is kept by the codec. */
void conn_io_flush(struct conn *c);
/* All that asked for it by conn_want_flush(). */
void conn_io_flush_all(struct conn_common *k);
/* Reads and throws away, until the end or the bound. */
void conn_io_discard(struct conn *c);
void conn_io_drop_buffer(struct conn *c);
