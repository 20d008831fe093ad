/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* The host of that hostname in the listener; made when it is new. */
struct compiler_host *compile_host_get(struct compiler_listener *l, str hostname);
/* The shards in which matches of the plan's route are become dirty. */
void compile_host_touch(struct compiler *c, struct compiler_host *h, const struct plan_route *plan);
/* The same, and the route contributes to them. */
void compile_host_join(struct compiler *c, struct compiler_host *h, struct compiler_route *r,
                       const struct plan_route *plan);
/* No route names the host any more, perhaps: it is looked at again. */
void compile_host_mark(struct compiler *c, struct compiler_host *h);
/* Makes what is dirty anew and shows it in the listener; a host that no route names ends here. */
void compile_host_build(struct compiler *c, struct compiler_host *h);
/* With its pieces, when the compiler ends. */
void compile_host_free(struct compiler *c, struct compiler_host *h);
