/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"

/* An object as it is kept: its fields in few bytes (schema_bytes_put), in one block. Kinds of which there are few, and which are read for each
 * of many others (a Gateway for its routes), keep their struct beside it. */

/* Where objects came from, once for all of one file. Counted by its parcels and whoever else holds it. */
struct parcel_source {
    uint32_t holds, n;
    char path[];
};
struct parcel_source *parcel_source_new(str path); /* one hold, the caller's */
struct parcel_source *parcel_source_hold(struct parcel_source *s);
void parcel_source_release(struct parcel_source *s); /* NULL is fine */

struct parcel {
    struct parcel_source *source; /* held */
    struct object *whole;         /* NULL: the kind is one of many */
    int64_t generation;           /* the store counts it when the object brings none */
    uint32_t line;                /* of the document in its file */
    uint32_t place;               /* the store's */
    uint32_t meta_n;              /* bytes of what users may write of metadata */
    uint32_t spec_n;              /* bytes of the rest that counts; then uid and resourceVersion */
    uint8_t kind;                 /* enum api_kind */
    uint8_t version;              /* index into api_type.versions */
    uint8_t ns_n, name_n;
    char bytes[]; /* "ns/name", then the fields */
};
enum { PARCEL_NAME_BYTES_MAX = 255 }; /* no name is longer by the schemas */

/* The object as a parcel. source: what o->source says, or NULL: a new one is made. */
struct parcel *parcel_new(struct object *o, struct parcel_source *source);
void parcel_free(struct parcel *p); /* NULL is fine */
/* The object, in a or in the parcel; its strings stay in the parcel: it must outlive them. */
const struct object *parcel_open(struct arena *a, const struct parcel *p);
void parcel_set_generation(struct parcel *p, int64_t generation);
/* "ns/name" */
static inline str parcel_key(const struct parcel *p) { return (str){p->bytes, p->ns_n + 1u + p->name_n}; }
static inline str parcel_ns(const struct parcel *p) { return (str){p->bytes, p->ns_n}; }
static inline str parcel_name(const struct parcel *p) { return (str){p->bytes + p->ns_n + 1, p->name_n}; }
/* Equal but for place, generation, uid and resourceVersion: api_hash() would be the same. */
bool parcel_is_same(const struct parcel *x, const struct parcel *y);
/* Equal outside metadata: api_hash_spec() would be the same. */
bool parcel_is_same_spec(const struct parcel *x, const struct parcel *y);
