/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "admin/admin.h"
#include "worker/worker.h"

/* What of a page of metrics the workers alone know: they are asked when the page is, and it waits for them, though not long: of one that does
 * not answer the page shows what it said the last time. Pages that come meanwhile wait for the same answers. Owner: the loop thread. */
enum { SCRAPE_WAIT_US = 250000 };
struct scrape;
/* answer: is called once for each page, with whatever there is by then. box: of this thread. */
struct scrape *scrape_new(struct loop *l, struct mailbox *box,
                          void (*answer)(void *arg, struct admin_request *r), void *arg);
/* Answers all pages that wait, now. */
void scrape_answer(struct scrape *s);
/* No page waits, and no question is under way: workers and box have ended. NULL is fine. */
void scrape_free(struct scrape *s);
void scrape_page(struct scrape *s, struct worker *const *workers, unsigned n, struct admin_request *r);
/* NULL: it never said any. */
const struct census *scrape_census(const struct scrape *s, unsigned worker);
