/* SPDX-License-Identifier: Apache-2.0 */
#include "control/pipeline.h"

void pipeline_init(struct pipeline *p, str controller_name) {
    *p = (struct pipeline){
        .store = store_new(), .resolver = resolver_new(), .compiler = compiler_new(), .again_s = INT64_MAX};
    facts_init(&p->facts);
    p->facts.controller_name = controller_name;
    plan_init(&p->plan);
}

void pipeline_fini(struct pipeline *p) {
    if (p->table) compile_home(p->compiler, p->table);
    for (struct compile_grave *g; (g = compile_retired(p->compiler));) compile_buried(p->compiler, g);
    compiler_free(p->compiler);
    resolver_free(p->resolver);
    plan_fini(&p->plan);
    facts_fini(&p->facts);
    store_free(p->store);
    *p = (struct pipeline){0};
}

bool pipeline_pass(struct pipeline *p, int64_t now_s, uint32_t workers, struct table **ret_before) {
    struct plan_delta d = {0};
    p->compiled = (struct compile_work){0};
    resolve_pass(p->resolver, p->store, &p->facts, now_s, &p->plan, &d, &p->resolved, &p->again_s);
    bool changed = d.n || !p->table;
    if (changed) {
        *ret_before = p->table;
        p->plan.revision++;
        p->table = compile_apply(p->compiler, &p->plan, &d, workers, &p->compiled);
    }
    plan_delta_fini(&d);
    return changed;
}

void pipeline_release(struct pipeline *p, struct table *t) {
    if (t) compile_home(p->compiler, t);
}
