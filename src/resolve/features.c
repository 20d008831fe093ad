/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/features.h"

static const struct {
    const char *name;
    bool served;
    const char *what, *remedy;
} table[] = {
#define ROW(id, name, served, what, remedy) {name, served, what, remedy},
    FEATURES(ROW)
#undef ROW
};

bool features_served(enum feature f) { return table[f].served; }
str features_what(enum feature f) { return str_of(table[f].what); }
str features_remedy(enum feature f) { return str_of(table[f].remedy); }

/* The least name above `low` that is served; the table is short and asked for once a class. */
static str next_name(str low) {
    str best = {0};
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        str name = str_of(table[f].name);
        if (!name.p || !table[f].served || str_cmp(name, low) <= 0) continue;
        if (!best.p || str_cmp(name, best) < 0) best = name;
    }
    return best;
}

str features_supported(unsigned i) {
    str name = next_name(S(""));
    while (name.p && i--) name = next_name(name);
    return name;
}
