/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* The backend of that key, held once more; made when it is new. */
const struct table_backend *compile_backend_hold(struct compiler *c, str key);
/* The last hold frees it and gives its slot back. */
void compile_backend_release(struct compiler *c, const struct table_backend *b);
void compile_backend_change(struct compiler *c, const struct plan_change *change);
void compile_backend_change_endpoints(struct compiler *c, const struct plan_change *change);
void compile_backend_free_all(struct compiler *c);
