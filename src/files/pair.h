/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "files/document.h"
#include "files/files.h"

/* --tls NAMESPACE/NAME=CERT,KEY: a Secret made of two PEM files, which are replaced one after the other: until they belong together again, or when
 * one can not be read, the last good pair stays. */
struct pair {
    char *ns, *name, *cert, *key;
    struct document_file file; /* what it would be as a manifest; path: the certificate's */
    char *trouble;
    bool due;
};
void pair_init(struct pair *p, const struct files_pair *c);
void pair_fini(struct pair *p, struct claims *c);
/* Reads both when due. true: they were read. */
bool pair_read(struct pair *p, struct claims *c, struct arena *scratch, uint32_t *decoded);
/* As the command line gives it: "NAMESPACE/NAME=CERT,KEY"; in a. */
str pair_called(const struct pair *p, struct arena *a);
void pair_report(const struct pair *p, struct findings *f);
