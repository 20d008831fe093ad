/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests on disk: files and folders (*.yaml, *.yml, *.json, not hidden, folders in depth), followed with inotify. A file is split at
 * document markers; only documents whose hash changed are decoded. A broken document keeps the last good one.
 * In:    paths, inotify events.     Out: puts and removals in the store; all findings as they stand now.
 * Own:   documents by file; the store owns the objects. files_watch_* run in the loop thread, files_read in the builder's.
 * Never: a write to a user's file; a timer: what is queued in inotify is taken as one change. */
#pragma once
#include "schema/finding.h"
#include "store/store.h"

struct files;
/* paths: as the user gave them. A path that does not exist (yet) is followed, too. */
struct files *files_new(const char *const *paths, size_t n);
void files_free(struct files *f);
DEFINE_CLEANUP(files)

struct files_work {
    uint32_t files_read, documents_decoded, objects_changed;
};
/* Reads what files_mark() named (everything at first) and brings the store up to date. *f lists every finding that stands, over all files,
 * those of documents that were not read again included. */
void files_read(struct files *fs, struct store *s, struct findings *f, struct files_work *ret_work);
/* Marks a path as changed; "" = everything. */
void files_mark(struct files *f, str path);

/* The watching half. The descriptor for a loop; what changed since the last call, as paths in a. *ret_all: events were lost, read everything. */
struct files_watch;
err files_watch_new(struct files_watch **ret, const char *const *paths, size_t n);
void files_watch_free(struct files_watch *w);
int files_watch_fd(const struct files_watch *w);
str *files_watch_take(struct files_watch *w, struct arena *a, size_t *ret_n, bool *ret_all);
