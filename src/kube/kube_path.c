/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_path.h"

#include "base/buf.h"

enum { PATH_BYTES_MAX = 8 << 10 };

/* [RFC 3986 2.3] what is not unreserved is written in hexadecimal. */
static void escape(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                     ch == '-' || ch == '.' || ch == '_' || ch == '~';
        if (plain)
            buf_add_char(b, ch);
        else
            buf_printf(b, "%%%02X", (unsigned char)ch);
    }
}

static void segment(struct buf *b, str s) {
    if (!s.n) return;
    buf_add_char(b, '/');
    escape(b, s);
}

static str take(struct arena *a, struct buf *b) {
    assert(!b->overflow); /* names have 253 characters at most */
    str s = arena_str(a, buf_str(b));
    buf_fini(b);
    return s;
}

str kube_path(struct arena *a, str group, str version, str plural, str ns, str name, str sub) {
    struct buf b;
    buf_init(&b, PATH_BYTES_MAX);
    buf_add(&b, group.n ? S("/apis") : S("/api"));
    segment(&b, group);
    segment(&b, version);
    if (ns.n) {
        buf_add(&b, S("/namespaces"));
        segment(&b, ns);
    }
    segment(&b, plural);
    segment(&b, name);
    if (name.n) segment(&b, sub);
    return take(a, &b);
}

str kube_path_object(struct arena *a, const struct object *o, str sub) {
    const struct api_type *t = api_type_of(o->kind);
    str version = o->api_version, group = S("");
    if (str_find(version, '/') < version.n) group = str_cut(&version, '/');
    return kube_path(a, group, version, str_of(t->plural), o->meta.ns, o->meta.name, sub);
}

str kube_path_query(struct arena *a, str query, const char *key, str value) {
    struct buf b;
    buf_init(&b, query.n + strlen(key) + 16 + value.n * 3);
    buf_add(&b, query);
    buf_printf(&b, "%s%s=", query.n ? "&" : "", key);
    escape(&b, value);
    return take(a, &b);
}
