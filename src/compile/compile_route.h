/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* Makes the rules that changed and marks the hosts that show something else now. */
void compile_route_change(struct compiler *c, const struct plan_change *change);
/* After the hosts are built: frees what routes left behind. */
void compile_route_end_gone(struct compiler *c);
