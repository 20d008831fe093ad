/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* What this process holds of the machine's memory, and what it may hold. */
/* The least bound of the control groups that it is in, of version 2 or 1; 0: none. root: where /proc and /sys lie, "" in earnest.
 * [kernel admin-guide/cgroup-v2, memory.max] */
uint64_t memory_limit(const char *root);
/* A descriptor for memory_resident(); -1: there is no /proc. */
int memory_open(void);
/* Bytes that are resident, files that are mapped among them; 0: not known. */
uint64_t memory_resident(int fd);
/* As Kubernetes writes quantities: "64Mi", "64M", "67108864". ERR_PROTO, ERR_LIMIT (more than 2^60). */
err memory_parse(str s, uint64_t *ret);
