/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* How the backend is reached, held once more: the same piece for the same content, so that workers keep one TLS context for it. NULL:
 * HTTP/1.1 in the clear. */
const struct table_reach *compile_reach_hold(struct compiler *c, const struct plan_backend *p);
/* The last hold frees it. */
void compile_reach_release(struct compiler *c, const struct table_reach *r);
void compile_reach_free_all(struct compiler *c);
