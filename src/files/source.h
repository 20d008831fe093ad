/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* Where manifests are: paths as users name them, and what lies below a folder. Used by both halves, the reading and the watching one, so that
 * they agree on every name. */

/* Without "./" in front, doubled and trailing slashes; otherwise as given. free() it. */
char *source_normal(const char *path);
/* A file's name in a folder: *.yaml, *.yml, *.json, not hidden. */
bool source_is_manifest(str name);
/* "dir/name", with nothing in front of name when dir is "."; free() it. */
char *source_join(const char *dir, const char *name);

enum source_kind {
    SOURCE_FOLDER, /* before what is in it */
    SOURCE_FILE,
    SOURCE_TROUBLE, /* a folder that can not be read: `why` */
};
struct source_found {
    enum source_kind kind;
    bool link; /* reached by a symbolic link of this name */
    const char *path, *why;
};
enum { SOURCE_DEPTH_MAX = 32 };
/* Visits the folder and everything below it: hidden names are skipped, symbolic links followed, a folder inside itself is not entered twice.
 * inside: a real path that links to folders must not lead out of (those are SOURCE_TROUBLE), or NULL. */
void source_walk(const char *folder, const char *inside,
                 void (*visit)(void *arg, const struct source_found *f), void *arg);
/* The path is the folder's or below it; both as source_normal has them. */
bool source_is_in(str path, str folder);
