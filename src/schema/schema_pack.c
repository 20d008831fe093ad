/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "schema/schema.h"

/* One walk does both halves: with dst == NULL it measures, else it copies. What needs alignment grows from the block's front, strings fill
 * its back, so that nothing is lost in between. */
struct packer {
    size_t aligned, bytes; /* how much of each is used */
    char *at, *strings;
};
struct any_list {
    void *p;
    uint32_t n;
};

static void *take_aligned(struct packer *p, const void *src, size_t n) {
    size_t offset = p->aligned;
    p->aligned += num_round_up(n, sizeof(void *));
    if (!p->at) return NULL;
    return n ? memcpy(p->at + offset, src, n) : p->at + offset;
}

static void pack_str(struct packer *p, const str *src, str *dst) {
    if (dst && src->p) {
        char *to = src->n ? p->strings + p->bytes : NULL;
        if (to) memcpy(to, src->p, src->n);
        *dst = (str){to ? to : "", src->n};
    }
    p->bytes += src->n;
}

static void pack_struct(struct packer *p, const struct schema *s, const char *src, char *dst);

static void pack_pairs(struct packer *p, const struct str_map *src, struct str_map *dst) {
    struct str_pair *to = src->n ? take_aligned(p, src->p, src->n * sizeof *src->p) : NULL;
    if (dst) dst->p = to;
    for (uint32_t i = 0; i < src->n; i++) {
        pack_str(p, &src->p[i].key, to ? &to[i].key : NULL);
        pack_str(p, &src->p[i].value, to ? &to[i].value : NULL);
    }
}

static void pack_items(struct packer *p, const struct schema *of, const struct any_list *src,
                       struct any_list *dst) {
    char *to = src->n ? take_aligned(p, src->p, src->n * of->size) : NULL;
    if (dst) dst->p = to;
    for (uint32_t i = 0; i < src->n; i++)
        pack_struct(p, of, (char *)src->p + i * of->size, to ? to + i * of->size : NULL);
}

static void pack_strings(struct packer *p, const struct any_list *src, struct any_list *dst) {
    str *to = src->n ? take_aligned(p, src->p, src->n * sizeof(str)) : NULL;
    if (dst) dst->p = to;
    for (uint32_t i = 0; i < src->n; i++) pack_str(p, (const str *)src->p + i, to ? &to[i] : NULL);
}

static void pack_plain(struct packer *p, size_t size, const struct any_list *src, struct any_list *dst) {
    void *to = src->n ? take_aligned(p, src->p, src->n * size) : NULL;
    if (dst) dst->p = to;
}

static void pack_pointer(struct packer *p, const struct schema *of, void *const *src, void **dst) {
    if (!*src) return;
    void *to = take_aligned(p, *src, of->size);
    if (dst) *dst = to;
    pack_struct(p, of, *src, to);
}

static void pack_field(struct packer *p, const struct field *f, const char *src, char *dst) {
    const void *from = src + f->offset;
    void *to = dst ? dst + f->offset : NULL;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BYTES: pack_str(p, from, to); break;
    case FIELD_INT_OR_STR:
        pack_str(p, &((const struct int_or_str *)from)->s, to ? &((struct int_or_str *)to)->s : NULL);
        break;
    case FIELD_STR_MAP:
    case FIELD_BYTES_MAP: pack_pairs(p, from, to); break;
    case FIELD_STRUCT: pack_struct(p, f->of, from, to); break;
    case FIELD_OPT_STRUCT: pack_pointer(p, f->of, from, to); break;
    case FIELD_LIST: pack_items(p, f->of, from, to); break;
    case FIELD_STR_LIST: pack_strings(p, from, to); break;
    case FIELD_ENUM_LIST: pack_plain(p, sizeof(uint8_t), from, to); break;
    case FIELD_INT_LIST: pack_plain(p, sizeof(int64_t), from, to); break;
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_OPT_INT:
    case FIELD_OPT_BOOL:
    case FIELD_ENUM:
    case FIELD_DURATION:
    case FIELD_TIME:
    case FIELD_IGNORED: break; /* the copy of the struct has it */
    }
}

static void pack_struct(struct packer *p, const struct schema *s, const char *src, char *dst) {
    for (uint32_t i = 0; i < s->n; i++) pack_field(p, &s->fields[i], src, dst);
}

void *schema_pack(const struct schema *s, const void *obj, size_t extra, size_t *ret_bytes) {
    assert(extra % 16 == 0);
    struct packer size = {0};
    take_aligned(&size, obj, s->size);
    pack_struct(&size, s, obj, NULL);
    char *block = base_alloc(extra + size.aligned + size.bytes);
    memset(block, 0, extra);
    struct packer p = {.at = block + extra, .strings = block + extra + size.aligned};
    char *copy = take_aligned(&p, obj, s->size);
    pack_struct(&p, s, obj, copy);
    assert(p.aligned == size.aligned && p.bytes == size.bytes);
    *ret_bytes = extra + size.aligned + size.bytes;
    return block;
}
