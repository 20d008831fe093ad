/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve/conditions.h"

struct conditions conditions_begin(struct arena *a, int64_t generation) {
    return (struct conditions){a, generation, arena_array(a, struct condition, CONDITIONS_MAX), 0};
}

void conditions_add(struct conditions *c, const char *type, enum condition_status status, const char *reason,
                    str message) {
    assert(c->n < CONDITIONS_MAX);
    c->p[c->n++] = (struct condition){.type = str_of(type),
                                      .reason = str_of(reason),
                                      .message = message,
                                      .status = (uint8_t)status,
                                      .observed_generation = c->generation};
}

void conditions_judge(struct conditions *c, const char *type, struct verdict v, const char *good_reason,
                      str good_message) {
    if (v.reason)
        conditions_add(c, type, CONDITION_FALSE, v.reason, v.message);
    else
        conditions_add(c, type, CONDITION_TRUE, good_reason, good_message);
}
