/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/hop.h"

void hop_drop(struct http_msg *m, uint32_t which) {
    for (uint32_t i = 0; i < m->fields_n; i++)
        if (which >> m->fields[i].id & 1) m->fields[i].gone = true;
}

static bool lists(const struct http_msg *m, enum http_field_id id, str option) {
    if (!http_msg_may_have(m, id)) return false;
    for (uint32_t i = 0; i < m->fields_n; i++) {
        if (m->fields[i].gone || m->fields[i].id != id) continue;
        for (str rest = m->fields[i].value; rest.n;)
            if (str_ieq(str_trim(str_cut(&rest, ',')), option)) return true;
    }
    return false;
}

bool hop_names(const struct http_msg *m, str name) { return lists(m, FIELD_CONNECTION, name); }
bool hop_takes_trailers(const struct http_msg *m) { return lists(m, FIELD_TE, S("trailers")); }
