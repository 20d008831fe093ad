/* fuzz: http, 2000000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent and tracestate of a peer: what is taken is printed and read again as the same; what is passed on of a state is within the bound and
 * a fixed point. The first line is the one, the rest the other. All of it is a collector's answer, too, and the text of an attribute. */
#include "http/otlp.h"
#include "http/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    OWNED(arena) a = arena_new();
    str rest = arena_str(a, (str){(const char *)data, size}), parent = str_cut(&rest, '\n');
    struct trace_context c = {.flags = 0x55}, again;
    if (trace_context_parse(parent, &c) == OK) {
        char text[TRACE_PARENT_CHARS];
        trace_context_print(&c, text);
        check(trace_context_parse((str){text, sizeof text}, &again) == OK);
        check(!memcmp(&c, &again, sizeof c));
        check(!memcmp(text + 2, parent.p + 2, TRACE_PARENT_CHARS - 4)); /* all but version and flags */
    } else {
        check(c.flags == 0x55);
    }
    str s = trace_context_state(a, rest);
    if (s.p) {
        check(s.n && s.n <= TRACE_STATE_CHARS_MAX && s.n <= rest.n);
        check(str_eq(trace_context_state(a, s), s));
    }
    uint64_t rejected = 77;
    str all = {(const char *)data, size};
    if (otlp_rejected(all, &rejected) != OK) check(rejected == 77);
    struct buf b;
    buf_init(&b, 1 << 20);
    otlp_attribute(&b, 9, all, all);
    otlp_frame(&b, all, all, all, size);
    check(!b.overflow);
    buf_fini(&b);
    return 0;
}
