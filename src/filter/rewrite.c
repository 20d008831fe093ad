/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/rewrite.h"

#include "filter/path_change.h"

/* The authority is the message's truth; a Host field says the same [RFC 9113 8.3.1]. No port: the name is the whole [GW HTTPURLRewriteFilter]. */
static void set_host(struct http_msg *m, str hostname) {
    m->authority = hostname;
    for (uint32_t i = 0; i < m->fields_n; i++)
        if (m->fields[i].id == FIELD_HOST) m->fields[i].value = hostname;
}

void rewrite_apply(const struct table_filter *f, const struct filter_context *cx, struct http_msg *m) {
    if (f->hostname.n) set_host(m, f->hostname);
    m->path = path_change_apply(m->arena, f, cx, m->path);
}
