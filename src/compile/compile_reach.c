/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile_reach.h"

enum { CONTENT_BYTES_MAX = 16 << 20 }; /* the plan bounds what goes in: CA bundles above all */

struct compiler_reach {
    struct table_reach r;
    struct table_backend_tls tls;
    struct table_certificate client;
    uint32_t holds;
    str content; /* the key of compiler.reaches, in the same block; what the table shows points into it */
};

static void put(struct buf *b, str s) {
    uint32_t n = (uint32_t)s.n;
    buf_add(b, (str){(const char *)&n, sizeof n});
    buf_add(b, s);
}

static str take(str *rest) {
    uint32_t n;
    memcpy(&n, rest->p, sizeof n);
    str s = {rest->p + sizeof n, n};
    *rest = str_from(*rest, sizeof n + n);
    return s;
}

/* All that tells one way to reach a backend from another. The policy's name does not: it changes nothing on the wire. */
static void put_content(struct buf *b, const struct plan_backend *p) {
    buf_add_char(b, (char)p->protocol);
    buf_add_char(b, p->tls != NULL);
    buf_add_char(b, (char)p->proxy_protocol);
    put(b, p->refused);
    if (!p->tls) return;
    put(b, p->tls->hostname);
    put(b, p->tls->ca_pem);
    put(b, p->tls->client_certificate);
    for (uint32_t i = 0; i < p->tls->alt_names.n; i++) {
        buf_add_char(b, (char)p->tls->alt_names.p[i].type);
        put(b, p->tls->alt_names.p[i].value);
    }
}

static enum table_protocol protocol_of(uint8_t plan) {
    switch ((enum plan_backend_protocol)plan) {
    case PLAN_BACKEND_H2C: return TABLE_HTTP2;
    case PLAN_BACKEND_TLS:
    case PLAN_BACKEND_TCP: return TABLE_BYTES;
    case PLAN_BACKEND_UDP: return TABLE_DATAGRAMS;
    case PLAN_BACKEND_UNSET:
    case PLAN_BACKEND_HTTP: break;
    }
    return TABLE_HTTP1;
}

static str copy(char **at, str s) {
    char *to = *at;
    if (s.n) memcpy(to, s.p, s.n);
    *at += s.n;
    return (str){to, s.n};
}

/* A certificate that the plan does not have is shown to nobody: the backend decides what it makes of that. */
static void set_client(struct compiler *c, struct compiler_reach *s, const struct plan_certificate *p,
                       char *at) {
    if (!p) return;
    s->client = (struct table_certificate){
        .id = ++c->ids, .chain_pem = copy(&at, p->chain_pem), .key_pem = copy(&at, p->key_pem)};
    s->tls.client = &s->client;
}

static struct compiler_reach *make(struct compiler *c, const struct plan_backend *p, str content) {
    const struct plan_piece *piece = p->tls && p->tls->client_certificate.n
                                         ? plan_get(c->plan, PLAN_CERTIFICATE, p->tls->client_certificate)
                                         : NULL;
    const struct plan_certificate *client =
        piece ? container_of(piece, const struct plan_certificate, piece) : NULL;
    uint32_t names_n = p->tls ? p->tls->alt_names.n : 0;
    size_t names_bytes = names_n * sizeof(struct table_alt_name);
    size_t secret = client ? client->chain_pem.n + client->key_pem.n : 0;
    struct compiler_reach *s = base_zalloc(sizeof *s + names_bytes + content.n + secret);
    struct table_alt_name *names = (void *)(s + 1);
    char *at = (char *)(s + 1) + names_bytes;
    s->content = copy(&at, content);
    str rest = str_from(s->content, 3);
    s->r = (struct table_reach){.id = ++c->ids,
                                .protocol = (uint8_t)protocol_of(p->protocol),
                                .proxy = p->proxy_protocol,
                                .refused = take(&rest)};
    if (!p->tls) return s;
    s->r.tls = &s->tls;
    s->tls.hostname = take(&rest);
    s->tls.ca_pem = take(&rest);
    take(&rest);
    for (uint32_t i = 0; i < names_n; i++) {
        names[i].uri = rest.p[0] == PLAN_ALT_NAME_URI;
        rest = str_from(rest, 1);
        names[i].value = take(&rest);
    }
    s->tls.alt_names = names, s->tls.alt_names_n = names_n;
    set_client(c, s, client, at);
    c->system_trust += !s->tls.ca_pem.n;
    return s;
}

const struct table_reach *compile_reach_hold(struct compiler *c, const struct plan_backend *p) {
    if (p->protocol <= PLAN_BACKEND_HTTP && !p->tls && !p->refused.n && !p->proxy_protocol) return NULL;
    struct buf b;
    buf_init(&b, CONTENT_BYTES_MAX);
    put_content(&b, p);
    assert(!b.overflow);
    struct compiler_reach *s = map_get(&c->reaches, buf_str(&b));
    if (!s) {
        s = make(c, p, buf_str(&b));
        map_put(&c->reaches, s->content, s);
    }
    buf_fini(&b);
    s->holds++;
    return &s->r;
}

static void end(struct compiler *c, struct compiler_reach *s) {
    if (s->r.tls) c->system_trust -= !s->tls.ca_pem.n;
    if (s->tls.client) explicit_bzero((char *)s->client.key_pem.p, s->client.key_pem.n);
    free(s);
}

void compile_reach_release(struct compiler *c, const struct table_reach *r) {
    struct compiler_reach *s = container_of((struct table_reach *)r, struct compiler_reach, r);
    assert(s->holds);
    if (--s->holds) return;
    map_take(&c->reaches, s->content);
    end(c, s);
}

void compile_reach_free_all(struct compiler *c) {
    map_each (e, &c->reaches) end(c, e->value);
    map_fini(&c->reaches);
}
