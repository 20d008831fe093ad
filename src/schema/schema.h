/* SPDX-License-Identifier: Apache-2.0 */
/* Field tables: what a struct's fields are called, typed, bounded and defaulted, and one engine that decodes, encodes,
 * validates, hashes and packs any struct that has a table.
 * In:    a document's nodes (text/node.h) or a struct.     Out: the struct, JSON, a hash, or findings (finding.h).
 * Own:   a decoded struct lives in the caller's arena; a packed one is a single block, freed with free(). Doors beside this
 *        one: finding.h breach.h prune.h.
 * Never: recursion past SCHEMA_DEPTH_MAX; a field that is read and ignored; a secret in anything but its owner's hands. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum { SCHEMA_DEPTH_MAX = 32 };

/* The value types that a table knows. A struct holds exactly these C types:
 *   FIELD_STR str (p == NULL: not given)     FIELD_BOOL bool            FIELD_INT int64_t
 *   FIELD_OPT_INT struct opt_int             FIELD_OPT_BOOL struct opt_bool
 *   FIELD_ENUM uint8_t: 0 = not given, else 1 + index into `values`     FIELD_DURATION struct opt_int, microseconds
 *   FIELD_TIME int64_t, seconds since 1970 from RFC 3339, 0 = not given FIELD_STR_MAP struct str_map, in order of keys
 *   FIELD_BYTES str, base64 in documents     FIELD_BYTES_MAP struct str_map, values base64 in documents
 *   FIELD_INT_OR_STR struct int_or_str       FIELD_STRUCT the struct itself      FIELD_OPT_STRUCT pointer, NULL = not given
 *   FIELD_LIST LIST_OF(struct)               FIELD_STR_LIST LIST_OF(str)         FIELD_ENUM_LIST LIST_OF(uint8_t)
 *   FIELD_INT_LIST LIST_OF(int64_t)          FIELD_IGNORED nothing: known, validated by nobody, not kept (managedFields, status) */
enum field_type {
    FIELD_STR,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_OPT_INT,
    FIELD_OPT_BOOL,
    FIELD_ENUM,
    FIELD_DURATION,
    FIELD_TIME,
    FIELD_STR_MAP,
    FIELD_BYTES,
    FIELD_BYTES_MAP,
    FIELD_INT_OR_STR,
    FIELD_STRUCT,
    FIELD_OPT_STRUCT,
    FIELD_LIST,
    FIELD_STR_LIST,
    FIELD_ENUM_LIST,
    FIELD_INT_LIST,
    FIELD_IGNORED,
};

#define LIST_OF(type)                                                                                        \
    struct {                                                                                                 \
        type *p;                                                                                             \
        uint32_t n;                                                                                          \
    }
struct opt_int {
    int64_t v;
    bool set;
};
struct opt_bool {
    bool v, set;
};
struct str_pair {
    str key, value;
};
struct str_map {
    struct str_pair *p; /* ordered by key */
    uint32_t n;
};
struct int_or_str {
    int64_t i; /* when s is not given */
    str s;
    bool set;
};
/* The value of a key; not given (p == NULL) when absent. */
str schema_map_get(const struct str_map *m, str key);

enum {
    FIELD_REQUIRED = 1,
    FIELD_SECRET = 2,       /* printed as a hash by every encoder but the one told to reveal */
    FIELD_EXPERIMENTAL = 4, /* in the experimental channel's CRDs only */
    FIELD_KEEP_EMPTY = 8,   /* an empty list or map is encoded, too */
    FIELD_UNIQUE = 16,      /* STR_LIST, INT_LIST: no item twice */
    FIELD_DROP_NULL =
        32, /* STR_MAP: a value of null is not given (as in a CRD's), not empty (as in Kubernetes' own) */
};

/* An expression of the CRDs as a function: no expression is compiled to decode, and the words say what is wanted. */
struct pattern {
    const char *expression; /* what `holds` computes; tests compare the two */
    bool (*holds)(str s);
    const char *says; /* "must be ..." */
};

struct schema;
struct field {
    const char
        *name; /* as in documents; NULL: a FIELD_STR that is packed, but neither in documents nor in hashes */
    enum field_type type;
    uint32_t offset;
    uint32_t flags;
    const struct schema *of; /* STRUCT, OPT_STRUCT, LIST */
    /* ENUM, ENUM_LIST, and what STR, STR_LIST's items and INT may be; NULL-terminated */
    const char *const *values;
    /* The default as a document would say it; NULL: none. "{}" for a struct and "[{}]" for a list of them: all defaults; else
     * JSON. An ENUM's may be a word beyond `values`: it then names 0, and a REQUIRED one is printed. */
    const char *initial;
    /* Bounds when max > 0 or min != 0: of the number, of the length in characters (BYTES: bytes), of the count of items (STRUCT: the fewest members) */
    int64_t min, max;
    int64_t item_min,
        item_max; /* STR_LIST, STR_MAP, BYTES_MAP: the longest item or value (STR_LIST: the shortest, too); INT_LIST: bounds; 0: unbounded */
    const struct pattern *pattern;     /* STR, the items of STR_LIST, the values of STR_MAP */
    const struct pattern *key_pattern; /* STR_MAP, BYTES_MAP */
    const char *keys;                  /* LIST: "name" or "type,sectionName": items are unique by these */
};

struct schema_check; /* breach.h: what a cross-field rule gets to report with */
struct schema {
    const char *name;
    size_t size;
    const struct field *fields;
    uint32_t n;
    /* The cross-field rules of this struct, or NULL. Called once its fields and all below stand, whatever the rules below said. */
    void (*rules)(struct schema_check *c, const void *obj);
};
#define SCHEMA(type, table, rules_fn)                                                                        \
    { #type, sizeof(struct type), table, COUNT_OF(table), rules_fn }
#define AT(type, member) offsetof(struct type, member)

struct node;
struct findings;

/* More items than a list without a bound of its own may have. */
enum { SCHEMA_ITEMS_MAX = 1024 };

/* Decodes a mapping into *obj (of s->size bytes, zeroed by the caller): types, unknown and duplicate fields, defaults, bounds,
 * patterns, cross-field rules. Every breach is a finding with its path below `path`; strings are copied to a.
 * OK, or ERR_PROTO when at least one finding was made (then *obj is not to be used). */
err schema_decode(struct arena *a, const struct schema *s, const struct node *n, str path, struct findings *f,
                  void *obj);

/* *obj as a tree of nodes in a, as a document would have it; defaults and fields not given are left out. */
struct node *schema_encode(struct arena *a, const struct schema *s, const void *obj, bool reveal);
/* Adds *obj as one line of JSON (or indented by two spaces); defaults and fields not given are left out.
 * reveal: print secrets as they are (stream/ alone). */
void schema_json(struct buf *b, const struct schema *s, const void *obj, bool indented, bool reveal);
/* The same as block YAML, each line indented by `indent` spaces. */
void schema_yaml(struct buf *b, const struct schema *s, const void *obj, unsigned indent);

/* A deep copy of *obj in one block of *ret_bytes, to free(). `extra` bytes (zeroed, a multiple of 16) are left before the struct's own:
 * the block is returned, the struct begins `extra` bytes into it. */
void *schema_pack(const struct schema *s, const void *obj, size_t extra, size_t *ret_bytes);
/* *obj in few bytes: what is as the table has it by default is left out. For what is kept in great numbers and read now and then. */
void schema_bytes_put(struct buf *b, const struct schema *s, const void *obj);
/* The same again, into *obj (of s->size bytes, zeroed): structs and lists in a; strings stay where they are, in bytes (or in the table).
 * Returns where they end. Only for bytes that schema_bytes_put() made with this table. */
const char *schema_bytes_get(struct arena *a, const struct schema *s, const char *bytes, void *obj);
/* Equal meaning, equal hash; secrets count. */
uint64_t schema_hash(const struct schema *s, const void *obj);
bool schema_equal(const struct schema *s, const void *x, const void *y);
