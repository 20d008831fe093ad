/* SPDX-License-Identifier: Apache-2.0 */
#include "api/meta.h"

#include "api/pattern.h"
#include "schema/breach.h"

static const struct field owner_reference_fields[] = {
    {"apiVersion", FIELD_STR, AT(owner_reference, api_version), .flags = FIELD_REQUIRED, .min = 1},
    {"kind", FIELD_STR, AT(owner_reference, kind), .flags = FIELD_REQUIRED, .min = 1},
    {"name", FIELD_STR, AT(owner_reference, name), .flags = FIELD_REQUIRED, .min = 1},
    {"uid", FIELD_STR, AT(owner_reference, uid), .flags = FIELD_REQUIRED, .min = 1},
    {"controller", FIELD_OPT_BOOL, AT(owner_reference, controller)},
    {"blockOwnerDeletion", FIELD_OPT_BOOL, AT(owner_reference, block_owner_deletion)},
};
static const struct schema owner_reference_schema = SCHEMA(owner_reference, owner_reference_fields, NULL);

/* Everything but the name, whose form depends on the kind. */
#define REST                                                                                                 \
    {"generateName", FIELD_STR, AT(meta, generate_name), .max = 253},                                        \
        {"namespace", FIELD_STR, AT(meta, ns), .max = 63, .pattern = &pattern_namespace},                    \
        {"creationTimestamp", FIELD_TIME, AT(meta, created_s)},                                              \
        {"deletionTimestamp", FIELD_TIME, AT(meta, deleted_s)},                                              \
        {"deletionGracePeriodSeconds", FIELD_OPT_INT, AT(meta, deletion_grace_s)},                           \
        {"labels",                                                                                           \
         FIELD_STR_MAP,                                                                                      \
         AT(meta, labels),                                                                                   \
         .item_max = 63,                                                                                     \
         .pattern = &pattern_label_value,                                                                    \
         .key_pattern = &pattern_qualified},                                                                 \
        {"annotations", FIELD_STR_MAP, AT(meta, annotations)},                                               \
        {"finalizers", FIELD_STR_LIST, AT(meta, finalizers)},                                                \
        {"ownerReferences", FIELD_LIST, AT(meta, owner_references), .of = &owner_reference_schema},          \
        {"uid", FIELD_STR, AT(meta, uid)}, {"resourceVersion", FIELD_STR, AT(meta, resource_version)},       \
        {"generation", FIELD_INT, AT(meta, generation)}, {"managedFields", FIELD_IGNORED, 0}, {              \
        "selfLink", FIELD_IGNORED, 0                                                                         \
    }

static const struct field fields[] = {
    {"name", FIELD_STR, AT(meta, name), .min = 1, .max = 253, .pattern = &pattern_subdomain},
    REST,
};
static const struct field bundle_fields[] = {
    {"name", FIELD_STR, AT(meta, name), .min = 1, .max = 253, .pattern = &pattern_bundle_name},
    REST,
};
enum { HASHED_N = 10 };

/* Annotations' keys are label keys in which letters of either case may stand; 256 KiB for all of them. */
static void check_annotations(struct schema_check *c, const struct str_map *m) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        char lower[320];
        str key = m->p[i].key;
        bytes += key.n + m->p[i].value.n;
        for (size_t k = 0; k < key.n && k < sizeof lower; k++) lower[k] = str_lower(key.p[k]);
        if (key.n > sizeof lower || !pattern_qualified.holds((str){lower, key.n}))
            breach(c, S("annotations"), (str){0}, "invalid key \"" STR_FMT "\": %s",
                   STR_ARG(str_upto(key, 100)), pattern_qualified.says);
    }
    if (bytes > 256 << 10) breach(c, S("annotations"), (str){0}, "more than 256 KiB in all");
}

static void rules(struct schema_check *c, const void *obj) {
    const struct meta *m = obj;
    if (!m->name.p && m->generate_name.p)
        breach(c, S("name"), S("give it a name"), "generateName needs an API server that makes a name of it");
    else if (!m->name.p)
        breach(c, S("name"), (str){0}, "is required");
    check_annotations(c, &m->annotations);
}

const struct schema meta_schema = SCHEMA(meta, fields, rules);
const struct schema meta_bundle_schema = SCHEMA(meta, bundle_fields, rules);
const struct schema meta_hashed = {"meta", sizeof(struct meta), fields, HASHED_N, NULL};
