/* fuzz: compile, 1000000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a plan: what is read prints as a plan that is read as the same, and makes a table; what is not has words. */
#include "compile/compile.h"
#include "plan/plan_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_table(const struct plan *p, const struct plan_delta *d) {
    struct compiler *c = compiler_new();
    struct compile_work work = {0};
    struct buf b;
    struct table *t = compile_apply(c, p, d, 0, &work);
    buf_init(&b, 4 << 20);
    table_dump(t, &b);
    buf_fini(&b);
    compile_home(c, t);
    for (struct compile_grave *g; (g = compile_retired(c));) compile_buried(c, g);
    compiler_free(c);
}

static void check_again(const struct plan *p) {
    OWNED(arena) a = arena_new();
    struct plan again;
    struct buf once, twice;
    str message = {0};
    plan_init(&again);
    buf_init(&once, 4 << 20);
    buf_init(&twice, 4 << 20);
    plan_json(p, &once);
    err e = once.overflow ? ERR_LIMIT : plan_read(a, buf_str(&once), &again, NULL, &message);
    assert(e == OK || e == ERR_LIMIT); /* JSON may be larger than what it was printed from */
    if (e == OK) plan_json(&again, &twice);
    assert(e != OK || str_eq(buf_str(&once), buf_str(&twice)));
    buf_fini(&once);
    buf_fini(&twice);
    plan_fini(&again);
}

/* JSON replaces what is no UTF-8, and YAML refuses some characters. */
static bool is_comparable(str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\n' && (s.p[i] < ' ' || s.p[i] > '~')) return false;
    return !memchr(s.p, '\\', s.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    OWNED(arena) a = arena_new();
    struct plan p;
    struct plan_delta d = {0};
    str text = {(const char *)data, size}, message = {0};
    plan_init(&p);
    err e = plan_read(a, text, &p, &d, &message);
    assert(e == OK || message.n > 0);
    check_table(&p, &d);
    if (e == OK && size && is_comparable(text)) check_again(&p);
    plan_delta_fini(&d);
    plan_fini(&p);
    return 0;
}
