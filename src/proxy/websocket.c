/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/websocket.h"

#include "io/ws_key.h"

#define KEY    "Sec-WebSocket-Key"
#define ACCEPT "Sec-WebSocket-Accept"

static bool of_http1(const struct exchange *x) { return x->version < 20; }

/* Of HTTP/1.1 as the client sent it, for this attempt may follow one that did without; else ours. */
static str key_of(struct exchange *x) {
    if (x->websocket_key.p) return x->websocket_key;
    if (of_http1(x)) {
        const struct http_field *f = http_msg_find(x->request, S(KEY));
        x->websocket_key = f ? f->value : S("");
    } else {
        char *p = arena_bytes(x->arena, WS_KEY_CHARS);
        ws_key_make(p);
        x->websocket_key = (str){p, WS_KEY_CHARS};
    }
    return x->websocket_key;
}

err websocket_ask(struct exchange *x) {
    str key = key_of(x);
    if (!upstream_shared(&x->up)) {
        if (key.n) http_msg_set(x->request, S(KEY), key); /* without one the backend says what is wrong */
        return OK;
    }
    http_msg_remove(x->request, S(KEY));
    return of_http1(x) && !ws_key_ok(key) ? ERR_PROTO : OK;
}

err websocket_agree(struct exchange *x, struct http_msg *m) {
    bool shared = upstream_shared(&x->up);
    if (of_http1(x) && !shared) return OK;
    if (!of_http1(x) && shared) {
        http_msg_remove(m, S(ACCEPT));
        return OK;
    }
    char *accept = arena_bytes(x->arena, WS_KEY_ACCEPT_CHARS);
    str wanted = {accept, WS_KEY_ACCEPT_CHARS};
    ws_key_accept(x->websocket_key, accept);
    if (shared) {
        http_msg_set(m, S(ACCEPT), wanted);
        return OK;
    }
    str got = http_msg_joined(m, x->arena, S(ACCEPT));
    http_msg_remove(m, S(ACCEPT));
    return str_eq(got, wanted) ? OK : ERR_PROTO;
}
