/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* A backend's endpoints as the plan has them, each with its health, which it holds. An address that is none can not be dialled: left out. */
struct table_endpoints *compile_endpoints_make(struct compiler *c, struct compiler_backend *b,
                                               const struct plan_endpoints *plan);
/* The same, as the backend is reached now. */
struct table_endpoints *compile_endpoints_copy(struct compiler *c, struct compiler_backend *b,
                                               const struct table_endpoints *from);
void compile_endpoints_free(struct compiler *c, struct table_endpoints *e); /* NULL is fine */
