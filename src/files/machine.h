/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* The addresses that this machine has now, ordered, in a block to free(); NULL when there are none. */
struct ip *machine_addresses(size_t *ret_n);
