/* SPDX-License-Identifier: Apache-2.0 */
#include "control/selector_book.h"

#include "api/xbackend.h"
#include "base/map.h"
#include "base/num.h"
#include "control/address_state.h"
#include "text/json.h"

enum {
    SECOND_US = 1000000,
    SEEN_WITHIN_US = 10 * SECOND_US, /* what was written comes by the watch; else it is written again */
    RETRY_US_MAX = 60 * SECOND_US,
    OBJECT_BYTES_MAX = 1 << 18,
};

/* A Service of ours, as the server has it. */
struct service {
    struct service *next; /* of the same XBackend, by name */
    char *name, *uid;
    char *form; /* what it is to be like, see put_form() */
};
/* An XBackend, wanted or not: there while one of the two is. */
struct selector {
    bool wanted, writing;
    char *form, *name, *uid; /* wanted */
    uint16_t port;
    uint32_t failures;
    uint64_t due_us; /* not before */
    struct service *services;
    uint32_t ns_n;
    char key[]; /* "ns/label" */
};
struct selector_book {
    struct selector_book_config c;
    struct arena *scratch;
    char *label;
    struct map selectors;
    bool synced, demanded, leads;
};

static str ns_of(const struct selector *s) { return (str){s->key, s->ns_n}; }
static str label_of(const struct selector *s) { return str_of(s->key + s->ns_n + 1); }

struct selector_book *selector_book_new(const struct selector_book_config *c) {
    struct selector_book *b = base_zalloc(sizeof *b);
    b->c = *c;
    b->scratch = arena_new();
    str whole = arena_printf(b->scratch, "xbackends." STR_FMT, STR_ARG(c->controller_name));
    b->label = str_dup(gateway_service_label(b->scratch, whole));
    for (char *p = b->label; *p; p++)
        if (*p == '/') *p = '-';
    return b;
}

static void free_service(struct service *s) {
    free(s->name);
    free(s->uid);
    free(s->form);
    free(s);
}

static void free_selector(struct selector *s) {
    for (struct service *x = s->services, *next; x; x = next) {
        next = x->next;
        free_service(x);
    }
    free(s->form);
    free(s->name);
    free(s->uid);
    free(s);
}

void selector_book_free(struct selector_book *b) {
    if (!b) return;
    map_each (e, &b->selectors) free_selector(e->value);
    map_fini(&b->selectors);
    arena_free(b->scratch);
    free(b->label);
    free(b);
}

str selector_book_label(const struct selector_book *b) { return str_of(b->label); }

static struct selector *find(struct selector_book *b, str ns, str label, bool make) {
    str key = arena_printf(b->scratch, STR_FMT "/" STR_FMT, STR_ARG(ns), STR_ARG(label));
    struct selector *s = map_get(&b->selectors, key);
    if (s || !make) return s;
    s = base_zalloc(sizeof *s + key.n + 1);
    memcpy(s->key, key.p, key.n);
    s->ns_n = (uint32_t)ns.n;
    map_put(&b->selectors, (str){s->key, key.n}, s);
    return s;
}

static void end_if_over(struct selector_book *b, struct selector *s) {
    if (s->wanted || s->services || s->writing) return;
    map_take(&b->selectors, str_of(s->key));
    free_selector(s);
}

/* ---- what is wanted ---- */

/* All that is compared: the owner, the port, the labels, a line each. */
static void put_form(struct buf *b, str uid, str port) {
    buf_printf(b, STR_FMT "\n" STR_FMT "\n", STR_ARG(uid), STR_ARG(port));
}
static void put_label(struct buf *b, str key, str value) {
    buf_printf(b, STR_FMT "=" STR_FMT "\n", STR_ARG(key), STR_ARG(value));
}

static void want(struct selector_book *b, const struct selector_demand *d) {
    struct selector *s = find(b, d->ns, xbackend_label(b->scratch, d->name), true);
    struct buf form;
    char digits[NUM_DIGITS_MAX];
    buf_init(&form, OBJECT_BYTES_MAX);
    put_form(&form, d->uid, num_print(d->port, digits));
    for (uint32_t i = 0; i < d->labels_n; i++) put_label(&form, d->labels[i].key, d->labels[i].value);
    if (!s->form || !str_eq(str_of(s->form), buf_str(&form))) s->failures = 0, s->due_us = 0;
    free(s->form);
    free(s->name);
    free(s->uid);
    s->form = str_dup(buf_str(&form));
    s->name = str_dup(d->name);
    s->uid = str_dup(d->uid);
    s->port = d->port;
    s->wanted = true;
    buf_fini(&form);
}

void selector_book_demand(struct selector_book *b, const struct selector_demand *v, size_t n) {
    b->demanded = true;
    map_each (e, &b->selectors) ((struct selector *)e->value)->wanted = false;
    for (size_t i = 0; i < n; i++) want(b, &v[i]);
    size_t all_n;
    struct map_entry *all = map_sorted(&b->selectors, &all_n);
    for (size_t i = 0; i < all_n; i++) end_if_over(b, all[i].value);
    free(all);
    arena_reset(b->scratch);
    b->c.tell(b->c.arg);
}

/* ---- what there is ---- */

static int by_key(const void *x, const void *y) {
    const struct node *const *a = x, *const *b = y;
    return str_cmp((*a)->key, (*b)->key);
}

static str first_str(const struct node *o, const char *list, const char *member) {
    const struct node *l = o ? node_get(o, str_of(list)) : NULL;
    return l && l->child ? node_get_str(l->child, str_of(member)) : (str){0};
}

static void put_seen_form(struct selector_book *b, struct buf *form, const struct node *o) {
    const struct node *meta = node_get(o, S("metadata")), *spec = node_get(o, S("spec"));
    const struct node *labels = spec ? node_get(spec, S("selector")) : NULL;
    put_form(form, first_str(meta, "ownerReferences", "uid"), first_str(spec, "ports", "targetPort"));
    uint32_t n = 0;
    const struct node **v = arena_array(b->scratch, const struct node *, labels ? labels->n : 0);
    for (const struct node *l = labels ? labels->child : NULL; l; l = l->next) v[n++] = l;
    if (n) qsort(v, n, sizeof *v, by_key);
    for (uint32_t i = 0; i < n; i++) put_label(form, v[i]->key, v[i]->scalar);
}

static void remove_seen(struct selector_book *b, str ns, str name) {
    struct selector *found = NULL;
    map_each (e, &b->selectors) {
        struct selector *s = e->value;
        struct service **at = &s->services;
        while (str_eq(ns_of(s), ns) && *at && !str_eq(str_of((*at)->name), name)) at = &(*at)->next;
        if (!str_eq(ns_of(s), ns) || !*at) continue;
        struct service *gone = *at;
        *at = gone->next;
        free_service(gone);
        found = s;
        break;
    }
    if (found) end_if_over(b, found);
}

void selector_book_gone(struct selector_book *b, str ns, str name) {
    remove_seen(b, ns, name);
    b->c.tell(b->c.arg);
}

void selector_book_seen(struct selector_book *b, str ns, str name, str uid, str object) {
    struct node *o;
    str why;
    remove_seen(b, ns, name);
    const struct node *meta =
        json_parse(b->scratch, object, &o, &why) == OK ? node_get(o, S("metadata")) : NULL;
    const struct node *labels = meta ? node_get(meta, S("labels")) : NULL;
    str label = labels ? node_get_str(labels, S(XBACKEND_LABEL)) : (str){0};
    if (label.n) {
        struct selector *s = find(b, ns, label, true);
        struct service **at = &s->services, *x = base_zalloc(sizeof *x);
        struct buf form;
        buf_init(&form, OBJECT_BYTES_MAX);
        put_seen_form(b, &form, o);
        x->name = str_dup(name), x->uid = str_dup(uid), x->form = str_dup(buf_str(&form));
        buf_fini(&form);
        while (*at && strcmp((*at)->name, x->name) < 0) at = &(*at)->next;
        x->next = *at, *at = x;
        s->due_us = 0; /* what was written is here */
    }
    arena_reset(b->scratch);
    b->c.tell(b->c.arg);
}

void selector_book_synced(struct selector_book *b) { b->synced = true; }
void selector_book_lead(struct selector_book *b, bool leads) { b->leads = leads; }

/* ---- what is written ---- */

static void put_spec(struct buf *j, const struct selector *s, str before) {
    buf_add(j, S("\"spec\":{\"selector\":{"));
    bool first = true;
    str form = str_of(s->form);
    str_cut(&form, '\n'), str_cut(&form, '\n');
    for (str rest = form; rest.n; first = false) {
        str value = str_cut(&rest, '\n'), key = str_cut(&value, '=');
        if (!first) buf_add_char(j, ',');
        buf_add_json(j, key);
        buf_add_char(j, ':');
        buf_add_json(j, value);
    }
    str_cut(&before, '\n'), str_cut(&before, '\n');
    while (before.n) { /* what a patch does not name stays */
        str old = str_cut(&before, '\n'), key = str_cut(&old, '=');
        bool stays = false;
        for (str rest = form; rest.n;) {
            str line = str_cut(&rest, '\n');
            stays |= str_eq(str_cut(&line, '='), key);
        }
        if (stays) continue;
        buf_add_char(j, ',');
        buf_add_json(j, key);
        buf_add(j, S(":null"));
    }
    static const char *const protocols[] = {"TCP", "UDP"};
    buf_add(j, S("},\"ports\":["));
    for (int i = 0; i < 2; i++)
        buf_printf(j, "%s{\"name\":\"%s\",\"protocol\":\"%s\",\"port\":%u,\"targetPort\":%u}", i ? "," : "",
                   i ? "udp" : "tcp", protocols[i], s->port, s->port);
    buf_add(j, S("]}"));
}

static void put_owner(struct buf *j, const struct selector *s) {
    buf_add(j, S("\"ownerReferences\":[{\"apiVersion\":\"gateway.networking.x-k8s.io/"
                 "v1alpha1\",\"kind\":\"XBackend\",\"name\":"));
    buf_add_json(j, str_of(s->name));
    buf_add(j, S(",\"uid\":"));
    buf_add_json(j, str_of(s->uid));
    buf_add(j, S(",\"controller\":true}]"));
}

/* headless, unnamed by us: no name of DNS becomes one to rely on */
static void put_whole(struct buf *j, const struct selector_book *b, const struct selector *s) {
    buf_add(j, S("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"generateName\":\"postern-"
                 "xbackend-\",\"labels\":{"
                 "\"app.kubernetes.io/managed-by\":"));
    buf_add_json(j, str_of(b->label));
    buf_add(j, S(",\"" XBACKEND_LABEL "\":"));
    buf_add_json(j, label_of(s));
    buf_add(j, S("},"));
    put_owner(j, s);
    buf_add(j, S("},"));
    put_spec(j, s, S(""));
    j->n--; /* the spec goes on */
    buf_add(j, S(",\"clusterIP\":\"None\",\"ipFamilyPolicy\":\"PreferDualStack\"}}"));
}

static void send(struct selector_book *b, struct selector *s, enum selector_what what,
                 const struct service *x, uint64_t now_us) {
    struct buf j;
    buf_init(&j, OBJECT_BYTES_MAX);
    if (what == SELECTOR_CREATE) put_whole(&j, b, s);
    if (what == SELECTOR_CHANGE) {
        buf_add(&j, S("{\"metadata\":{"));
        put_owner(&j, s);
        buf_add(&j, S("},"));
        put_spec(&j, s, str_of(x->form));
        buf_add_char(&j, '}');
    }
    assert(!j.overflow); /* 64 labels of some hundred bytes */
    s->writing = true;
    s->due_us = now_us + SEEN_WITHIN_US;
    struct selector_write w = {.what = what,
                               .ns = ns_of(s),
                               .label = label_of(s),
                               .name = str_of(x ? x->name : ""),
                               .uid = str_of(x ? x->uid : ""),
                               .json = buf_str(&j)};
    b->c.write(b->c.arg, &w);
    buf_fini(&j);
}

/* The first by name is the one; others, of two leaders at a time, are too many. */
static void settle(struct selector_book *b, struct selector *s, uint64_t now_us) {
    const struct service *x = s->services;
    if (s->wanted && !x)
        send(b, s, SELECTOR_CREATE, NULL, now_us);
    else if (s->wanted && strcmp(x->form, s->form) != 0)
        send(b, s, SELECTOR_CHANGE, x, now_us);
    else if (x && (!s->wanted || x->next))
        send(b, s, SELECTOR_REMOVE, s->wanted ? x->next : x, now_us);
}

uint64_t selector_book_work(struct selector_book *b, uint64_t now_us) {
    uint64_t again_us = UINT64_MAX;
    if (!b->synced || !b->demanded || !b->leads) return again_us;
    map_each (e, &b->selectors) {
        struct selector *s = e->value;
        if (s->writing) continue;
        if (s->due_us <= now_us) settle(b, s, now_us);
        if (!s->writing && s->due_us > now_us) again_us = num_min(again_us, s->due_us);
    }
    return again_us;
}

void selector_book_done(struct selector_book *b, str ns, str label, bool ok, uint64_t now_us) {
    struct selector *s = find(b, ns, label, false);
    arena_reset(b->scratch);
    if (!s) return;
    s->writing = false;
    s->failures = ok ? 0 : s->failures + 1;
    if (!ok) s->due_us = now_us + num_min((uint64_t)SECOND_US << num_min(s->failures - 1, 6), RETRY_US_MAX);
    end_if_over(b, s);
}

struct selector_service *selector_book_services(const struct selector_book *b, struct arena *a,
                                                size_t *ret_n) {
    size_t n, kept = 0;
    struct map_entry *all = map_sorted(&b->selectors, &n);
    struct selector_service *v = arena_array(a, struct selector_service, n);
    for (size_t i = 0; i < n; i++) {
        const struct selector *s = all[i].value;
        if (s->wanted && s->services)
            v[kept++] =
                (struct selector_service){arena_str(a, ns_of(s)), arena_str(a, str_of(s->services->name))};
    }
    free(all);
    *ret_n = kept;
    return v;
}
