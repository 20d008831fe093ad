/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "files/document.h"

/* What stays in force although it is not (any more) what its file says, as a text: one record a file. The record is itself a manifest, which
 * defines at each document's and item's place what is kept of it, and nothing elsewhere, so that it becomes the "document before" of what is
 * read next. Secrets are in it as they are: it is for the process to come alone. */
/* Does anything of it? whole: all is kept, as the file can not be read. */
bool holdover_any(const struct document_file *f, bool whole);
/* Equal as long as the same is. */
uint64_t holdover_sign(const struct document_file *f, bool whole);
void holdover_put(struct buf *b, str name, bool pair, const struct document_file *f, bool whole,
                  const struct store *s);

struct holdover_record {
    bool pair; /* of --tls */
    str name, text;
};
/* The next record. ERR_END: there is none; ERR_PROTO: this is no such text. */
err holdover_next(str *rest, struct holdover_record *ret);
/* A file that was not read yet has said this. */
void holdover_take(struct document_file *f, str text, struct claims *c, struct arena *scratch);
