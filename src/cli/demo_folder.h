/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"

/* The temporary folder of `postern demo`: manifests/ to be edited, and ca.pem for clients. */
enum { DEMO_BACKENDS = 3 };
struct demo_folder {
    struct arena *arena;
    const char *path, *manifests, *ca; /* in arena; path NULL: not made */
};
/* Copies the manifests of a folder (not of those in it) and adds a Secret infra/demo-certificate made for demo.example. Where the
 * originals speak of port 9001+i, the copies speak of ports[i]. ERR_IO: errno tells; what was made is removed. */
err demo_folder_make(struct demo_folder *f, const char *originals, const uint16_t ports[DEMO_BACKENDS]);
void demo_folder_remove(struct demo_folder *f);
