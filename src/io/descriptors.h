/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Asks for as many descriptors as this process may have, within reason. Children have as many. */
void descriptors_raise(void);
/* How many there may be. */
uint64_t descriptors_max(void);
