/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/upgrade.h"

static bool is_websocket(str token) { return str_ieq(token, S("websocket")); }

static bool may_ask(const struct http_msg *m, str token, const struct table_settings *s) {
    if (is_websocket(token)) return m->method_id == HTTP_GET;
    for (uint32_t i = 0; i < s->upgrades_n; i++)
        if (str_ieq(token, s->upgrades[i])) return true;
    return false;
}

void upgrade_request(struct http_msg *m, bool bodyless, const struct table_settings *s) {
    str list = m->upgrade;
    m->upgrade = S("");
    while (bodyless && list.n) {
        str token = str_trim(str_cut(&list, ','));
        if (!may_ask(m, token, s)) continue;
        m->upgrade = token;
        return;
    }
}

void upgrade_response(struct http_msg *m) {
    str list = m->upgrade;
    m->upgrade = S("");
    while (m->status == 426 && list.n) {
        str token = str_trim(str_cut(&list, ','));
        if (is_websocket(token)) m->upgrade = token;
    }
}

bool upgrade_agrees(const struct http_msg *request, const struct http_msg *response) {
    return request->upgrade.n && str_ieq(request->upgrade, response->upgrade);
}
