/* fuzz: kube, 350000 inputs */
/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer of an API server, cut in two ways: wherever it breaks off, the same objects come out; each is decoded or refused with findings. */
#include "base/hash.h"
#include "kube/kube_cut.h"
#include "kube/kube_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct arena *a;
    enum api_kind kind;
    bool decodes;
    uint64_t hash;
    unsigned n;
};

static void on_object(void *arg, const struct kube_cut_object *o) {
    struct seen *s = arg;
    const str parts[] = {o->type, o->object, o->metadata, o->status};
    for (size_t i = 0; i < COUNT_OF(parts) && !o->too_long; i++)
        s->hash = hash_join(s->hash, hash_str(parts[i]));
    s->hash = hash_join(s->hash, o->too_long);
    s->n++;
    arena_reset(s->a);
    struct kube_item item;
    if (!s->decodes || !kube_watch_read_item(s->a, o, &item)) return;
    struct findings f;
    struct object *object = NULL;
    finding_init(&f, s->a);
    OWNED(arena) scratch = arena_new();
    kube_decode(scratch, s->kind, s->kind == KIND_SERVICE ? S("v1") : S("gateway.networking.k8s.io/v1"),
                &item, &f, &object);
    assert(object || f.n);
    api_free(object);
}

static err cut(struct seen *s, enum kube_cut_form form, str text, size_t step) {
    struct kube_cut c;
    err e = OK;
    kube_cut_init(&c, form, 4096, on_object, s);
    for (; text.n && e == OK; text = str_from(text, step)) e = kube_cut_push(&c, str_upto(text, step));
    s->hash = hash_join(s->hash, kube_cut_is_whole(&c));
    kube_cut_fini(&c);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    str text = {(const char *)data + 2, size - 2};
    enum kube_cut_form form = data[0] & 1 ? KUBE_CUT_LIST : KUBE_CUT_EVENTS;
    OWNED(arena) a = arena_new();
    struct seen whole = {.a = a, .kind = data[0] & 2 ? KIND_SERVICE : KIND_HTTP_ROUTE, .decodes = true},
                pieces = {.a = a};
    err x = cut(&whole, form, text, text.n ? text.n : 1), y = cut(&pieces, form, text, 1 + data[1] % 64);
    assert(x == y && whole.n == pieces.n);
    assert(x != OK || whole.hash == pieces.hash);
    return 0;
}
