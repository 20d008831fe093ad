/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "io/dns.h"

/* What the names of XBackends stand for, over time: when each is asked for, how long an answer holds, and what stays of an answer while nobody
 * gives another. No clock, thread or socket: time comes in, questions and facts go out by callbacks.
 * Each name has two halves, A and AAAA, asked for apart, so that one that is slow or broken keeps nothing from the other. */
enum {
    NAME_BOOK_TTL_S_MIN = 5, /* an answer holds for its TTL, within these */
    NAME_BOOK_TTL_S_MAX = 3600,
    NAME_BOOK_RETRY_S_MAX = 30, /* after a failure, or "no such name": 1 s, then twice as much each time */
    NAME_BOOK_STALE_S_MAX =
        24 * 3600, /* addresses of before are kept for so long while nobody answers  [RFC 8767 5] */
    NAME_BOOK_ASKED_MAX = 64, /* questions that are open at a time */
};
struct name_book;
struct name_book_config {
    void (*ask)(void *arg, void *asker, str name,
                uint8_t family); /* name_book_answer() follows, perhaps at once */
    /* What the name stands for, each time that differs: n addresses in order; error as struct fact_name has it. */
    void (*tell)(void *arg, str name, const struct ip *ips, uint32_t n, str error);
    void (*forget)(void *arg, str name);
    void *arg;
};
struct name_book *name_book_new(const struct name_book_config *c);
void name_book_free(struct name_book *b); /* NULL is fine */
/* The names that are wanted from now on: lower case, each once. Others are forgotten. */
void name_book_want(struct name_book *b, const str *names, size_t n, uint64_t now_us);
void name_book_answer(struct name_book *b, void *asker, uint8_t family, const struct dns_answer *a,
                      uint64_t now_us);
/* Asks what is due. Returns when to call again although nothing happens; UINT64_MAX: never. */
uint64_t name_book_work(struct name_book *b, uint64_t now_us);
/* Names that are wanted, and those of them that nobody gives an answer for. */
uint32_t name_book_count(const struct name_book *b, uint32_t *ret_failing);
