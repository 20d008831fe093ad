/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "../unit.h"
#include "table/table.h"

/* The backend to which a table sends GET / of nobody in particular. */
static inline const struct table_backend *asked_backend(const struct table *t) {
    OWNED(arena) a = arena_new();
    struct http_msg request;
    http_msg_init(&request, a, true);
    request.method = S("GET"), request.method_id = HTTP_GET, request.path = S("/"), request.query = S("");
    const struct table_socket *sockets;
    assert_int_equal(table_sockets(t, &sockets), 1);
    const struct table_listener *listener = table_listener_for(table_port(t, sockets[0].slot), S(""));
    struct table_match match;
    assert_true(table_match(t, listener, S(""), &request, a, NULL, &match));
    return match.rule->targets[0].backend;
}
