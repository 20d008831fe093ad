/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "compile/compiler.h"

/* The listener of that key; when it is not known, one that the plan does not have yet, so that routes may come first. */
struct compiler_listener *compile_listener_get(struct compiler *c, str key);
void compile_listener_change(struct compiler *c, const struct plan_change *change);
void compile_listener_change_certificate(struct compiler *c, const struct plan_change *change);
/* The host of that name is this piece now; NULL: there is none. */
void compile_listener_show_host(struct compiler *c, struct compiler_listener *l, str hostname,
                                const struct table_host *host);
/* Frees it when neither the plan nor a route names it. */
void compile_listener_end_unused(struct compiler *c, struct compiler_listener *l);
/* After all changes: the ports that changed, and the sockets. */
void compile_listener_build_ports(struct compiler *c);
void compile_listener_free_certificate(struct table_certificate *t);
void compile_listener_free_all(struct compiler *c);
