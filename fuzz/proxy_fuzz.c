/* fuzz: proto, 1500000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* The header of the PROXY protocol: nothing crashes; what is accepted stays within its bounds, reads the same in pieces, and is the same
 * when it is printed and read again. */
#include "proto/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static bool same(const struct proxy_protocol *x, const struct proxy_protocol *y) {
    return x->version == y->version && x->told == y->told && ip_eq(&x->source, &y->source) &&
           ip_eq(&x->destination, &y->destination) && x->source_port == y->source_port &&
           x->destination_port == y->destination_port;
}

/* Of two families: printed as of one. */
static bool mixed(const struct proxy_protocol *p) { return p->source.family != p->destination.family; }

static void try_print(struct proxy_protocol p) {
    for (p.version = 1; p.version <= 2; p.version++) {
        char space[PROXY_PROTOCOL_PRINT_BYTES];
        enum proxy_protocol_fault why;
        struct proxy_protocol again;
        size_t used, n = proxy_protocol_print(&p, space);
        check(n <= sizeof space && (p.version == 2 || n <= PROXY_PROTOCOL_V1_BYTES));
        check(proxy_protocol_read((str){space, n}, &again, &used, &why) == OK && used == n);
        check(same(&p, &again) || (mixed(&p) && again.told));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    str in = {(const char *)data, size};
    enum proxy_protocol_fault why, why_part;
    struct proxy_protocol p, part;
    size_t used, used_part;
    err e = proxy_protocol_read(in, &p, &used, &why);
    check(e == OK || e == ERR_AGAIN || e == ERR_PROTO);
    check((e == ERR_PROTO) == (why != PROXY_PROTOCOL_NONE));
    if (e == ERR_AGAIN) check(size < PROXY_PROTOCOL_BYTES_MAX);
    if (e != OK) return 0;
    check(used > 0 && used <= size && used <= PROXY_PROTOCOL_BYTES_MAX);
    check(p.told == (p.source.family && p.destination.family));
    for (size_t n = 0; n < used; n++) /* a part may only ask for more, or be told wrong as the whole would */
        check(proxy_protocol_read(str_upto(in, n), &part, &used_part, &why_part) == ERR_AGAIN);
    check(proxy_protocol_read(str_upto(in, used), &part, &used_part, &why_part) == OK);
    check(used_part == used && same(&p, &part));
    try_print(p);
    return 0;
}
