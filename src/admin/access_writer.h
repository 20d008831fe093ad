/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/stats.h"
#include "io/loop.h"
#include "worker/worker.h"

/* A thread of its own that takes what the workers' rings hold to the access log's sink: a disk that hangs holds up nothing else. While the sink
 * takes nothing the rings fill, and the workers count what they drop. */
struct access_writer;
/* to: as access_log_open() reads it; outlives it. usual: the process writes lines of its own accord; else they come when a Gateway wants them,
 * and are looked for less often. The workers outlive it. ERR_IO: errno says why the sink could not be opened, or no thread was to be had. */
err access_writer_new(const char *to, bool usual, struct worker *const *workers, unsigned n,
                      struct access_writer **ret);
/* The sink is opened anew: the file was rotated. */
void access_writer_reopen(struct access_writer *a);
/* The workers have ended: what they left is written, as far as the sink takes it at once. NULL is fine. */
void access_writer_free(struct access_writer *a);
/* Lines that the sink did not take; from any thread. */
uint64_t access_writer_dropped(const struct access_writer *a);
