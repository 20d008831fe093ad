/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "files/claim.h"
#include "files/cut.h"
#include "files/tenant.h"

/* A file as the sequence of its documents, and how a new text of it becomes the next sequence: documents are known again by their hash wherever
 * they moved to, only others are decoded, and one that is broken keeps the objects of the document it was. */
struct document_file;
struct document_finding;
struct document {
    struct document_file *file;
    uint32_t line;  /* of its first line in the file */
    uint32_t index; /* in the file */
    uint32_t items_n;
    bool leaving;
    uint32_t object_line;     /* distance from the document's first line, when there is one item */
    struct claim_item *items; /* &one when there is one */
    uint32_t *item_lines;     /* as object_line; NULL when there is one item */
    struct document_finding *findings;
    struct claim_item one;
};
/* Who wins when several define an object: the least. */
enum document_rank { DOCUMENT_PAIR, DOCUMENT_OPERATOR, DOCUMENT_TENANT };
struct document_file {
    struct parcel_source *source; /* of its objects; held */
    str path;                     /* the source's; NUL-terminated */
    struct document **docs;
    struct cut_mark *marks; /* in the block of docs */
    uint32_t n;
    uint32_t findings_n;         /* documents with findings */
    const struct tenant *tenant; /* whose folder it is in; NULL: the operator's */
    uint64_t seen;               /* the last walk that met it */
    uint64_t signature;          /* hash of what stat(2) tells: equal means "not written since" */
    char *trouble;
    uint8_t rank; /* enum document_rank */
    bool again;   /* the signature must not be relied on */
};
void document_file_init(struct document_file *f, str path, enum document_rank rank);
/* Every document must have left. */
void document_file_fini(struct document_file *f);
/* NULL, or why the text can not be read: then all is as it was. */
const char *document_update(struct document_file *f, struct window *w, struct claims *c,
                            struct arena *scratch, uint32_t *decoded);
/* Its file must be read, and it be decoded, although both are as they were. */
void document_decode_again(struct document *d);
/* Nothing is told of its documents as they are now. */
void document_hush(struct document_file *f);
/* Every document leaves. */
void document_clear(struct document_file *f, struct claims *c);
void document_report(const struct document_file *f, struct findings *out);
uint32_t document_item_line(const struct document *d, uint32_t item);
