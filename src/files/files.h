/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests on disk: files and folders (*.yaml, *.yml, *.json, not hidden, folders in depth), followed with inotify, the operator's and those of
 * tenants; and certificates as pairs of PEM files. A file is split at document markers; only documents whose hash changed are decoded. A broken
 * document keeps the last good one.
 * In:    paths, inotify events.     Out: puts and removals in the store; all findings as they stand now.
 * Own:   documents by file; the store owns the objects. files_watch_* run in the loop thread, files_read in the builder's.
 * Never: a write to a user's file; a timer: what is queued in inotify is taken as one change. */
#pragma once
#include "base/ip.h"
#include "schema/finding.h"
#include "store/store.h"

/* A file or folder to read. Of a tenant: what it may hold is told in tenant.h, and links do not lead out of it. */
struct files_root {
    const char *path;   /* as the user gave it; it need not exist (yet) */
    const char *tenant; /* a namespace; NULL: the operator's (-f, --infra) */
};
/* A Secret of type kubernetes.io/tls made of two PEM files. */
struct files_pair {
    const char *ns, *name, *cert, *key;
};
struct files_config {
    const struct files_root *roots;
    size_t roots_n;
    const struct files_pair *pairs;
    size_t pairs_n;
    const struct ip_net
        *tenant_endpoints; /* where tenants may have endpoints although they are ours or nobody's */
    size_t tenant_endpoints_n;
    /* This machine's addresses, ordered, in a block to free(); NULL: the system is asked. */
    struct ip *(*own)(size_t *ret_n);
};
struct files;
struct files *files_new(const struct files_config *c); /* all of it is copied */
void files_free(struct files *f);
DEFINE_CLEANUP(files)

struct files_work {
    uint32_t files_read, documents_decoded, objects_changed;
};
/* Reads what files_mark() named (everything at first) and brings the store up to date. *f lists every finding that stands, over all files,
 * those of documents that were not read again included. */
void files_read(struct files *fs, struct store *s, struct findings *f, struct files_work *ret_work);
/* What stays in force although it is not what files say now, for the process that serves after this one: of documents that are broken, of files
 * that can not be read, of pairs that do not fit. files_kept_sign(): 0: nothing; equal: the same as it was. files_kept_put() adds it to an empty
 * b, with its secrets, and returns how many files there was no room for. */
uint64_t files_kept_sign(const struct files *f);
uint32_t files_kept_put(const struct files *f, const struct store *s, struct buf *b);
/* Before the first files_read(): takes up such a text, as what was read before. What it tells of elsewhere than the roots is left out, and a tenant's
 * may say what tenants may. ERR_PROTO: it is none, from some place on. */
err files_keep(struct files *f, str text, uint32_t *ret_files);
/* Marks a path as changed; "" = everything. */
void files_mark(struct files *f, str path);

/* The watching half. The descriptor for a loop; what changed since the last call, as paths in a. *ret_all: events were lost, read everything. */
struct files_watch;
err files_watch_new(struct files_watch **ret, const struct files_config *c);
void files_watch_free(struct files_watch *w);
int files_watch_fd(const struct files_watch *w);
str *files_watch_take(struct files_watch *w, struct arena *a, size_t *ret_n, bool *ret_all);
