/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Which idle connections of clients go when there are too many, or too little memory: of the address that has the most first, and the one among
 * those that was looked at longest ago. Told by GOAWAY where that can be; what has begun, as far as the kernel knows, is not idle. */
struct proxy;
/* Closes so many, fewer when among some that are looked at none is idle; how many. conn_settle() is due. */
uint32_t shed_idle(struct proxy *p, uint32_t n);
/* However many there are. */
uint32_t shed_all_idle(struct proxy *p);
