/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* What the table shows of a listener but for its certificates, for n of which there is room: one block, to free(). */
struct table_listener *compile_listener_piece_make(const struct compiler *c, const struct plan_listener *p,
                                                   const struct table_certificate ***ret_certificates);
