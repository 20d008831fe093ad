/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/ip.h"

/* How many connections clients have, in all and by address, counted by all threads at once. By address it is an estimate: places of a table are
 * shared by chance, so one may be told a few more than there are, never fewer. Who does not know the seed can not make it worse. IPv6 counts
 * by /64, which one machine has all of. */
struct crowd;
/* all_max: when it is full. A quarter of it is kept for the threads, in even parts: the connections that make room for others are a thread's own,
 * and who came to one that has none would wait for what others hold idle. */
struct crowd *crowd_new(uint32_t all_max, uint32_t threads, uint64_t seed);
void crowd_free(struct crowd *c);
/* own: how many connections the calling thread has, without the one that comes or goes. */
bool crowd_is_full(const struct crowd *c, uint64_t own);
void crowd_enter(struct crowd *c, uint64_t own);
void crowd_leave(struct crowd *c, uint64_t own);
/* false: that address has as many as it may, and nothing was counted. most: 0: half of all. */
bool crowd_enter_address(struct crowd *c, const struct ip *ip, uint32_t most);
void crowd_leave_address(struct crowd *c, const struct ip *ip);
uint32_t crowd_of_address(const struct crowd *c, const struct ip *ip);
