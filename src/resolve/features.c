/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/features.h"

#include "store/facts.h"

static const struct {
    const char *name;
    enum feature_reach reach;
    const char *what, *remedy;
} table[] = {
#define ROW(id, name, reach, what, remedy) {name, FEATURES_##reach, what, remedy},
    FEATURES(ROW)
#undef ROW
};
_Static_assert((int)FEATURE_COUNT <= (int)FACTS_FEATURES_MAX, "facts have a bit for each feature");

bool features_served(const struct facts *facts, enum feature f) {
    return table[f].reach == FEATURES_SERVED || facts->features[f / 64] >> (f % 64) & 1;
}

void features_enable_all(struct facts *facts) {
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        if (table[f].reach == FEATURES_RESOLVED) facts->features[f / 64] |= 1ull << (f % 64);
    facts->changed = true;
}

void features_enable_cluster(struct facts *facts) {
    facts->cluster = true;
    static const enum feature more[] = {FEATURE_INFRASTRUCTURE, FEATURE_ROUTABILITY_CLUSTER};
    for (size_t i = 0; i < COUNT_OF(more); i++) facts->features[more[i] / 64] |= 1ull << (more[i] % 64);
    facts->changed = true;
}

str features_what(enum feature f) { return str_of(table[f].what); }
str features_remedy(enum feature f) { return str_of(table[f].remedy); }

str features_next(const struct facts *facts, str after) {
    str best = {0};
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        str name = str_of(table[f].name);
        if (!name.p || !features_served(facts, f) || str_cmp(name, after) <= 0) continue;
        if (!best.p || str_cmp(name, best) < 0) best = name;
    }
    return best;
}
