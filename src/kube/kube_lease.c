/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_lease.h"

#include "base/num.h"
#include "base/rng.h"
#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_path.h"
#include "text/json.h"

enum { LEASE_S = 15, LEASE_S_MAX = 3600, RELEASE_US = 3000000 };
enum lease_state { LEASE_FOLLOWS, LEASE_LEADS, LEASE_RELEASING, LEASE_RELEASED };

struct kube_lease {
    struct kube_client *client;
    struct arena *texts;
    str ns, name, identity;
    uint64_t lease_us;
    void (*on_change)(void *arg, bool leads);
    void (*on_released)(void *arg);
    void *arg, *released_arg;
    enum lease_state state;
    struct kube_request *request;
    struct timer again, deadline; /* the next try; the end of leading, or of patience with a release */
    uint64_t asked_us;            /* when the request under way was sent */
    /* As last seen. */
    char holder[256], version[128], renewed[64];
    uint64_t seen_us, theirs_us; /* since when it is unchanged; how long it is good for */
    uint64_t transitions;
};

static struct loop *loop_of(const struct kube_lease *l) { return kube_client_loop(l->client); }

static void move(struct kube_lease *l, enum lease_state to) {
    static const uint8_t moves[] = {
        [LEASE_FOLLOWS] = 1 << LEASE_LEADS | 1 << LEASE_RELEASED,
        [LEASE_LEADS] = 1 << LEASE_FOLLOWS | 1 << LEASE_RELEASING,
        [LEASE_RELEASING] = 1 << LEASE_RELEASED,
        [LEASE_RELEASED] = 0,
    };
    assert(moves[l->state] & 1 << to);
    bool before = l->state == LEASE_LEADS, leads = to == LEASE_LEADS;
    l->state = to;
    if (before == leads) return;
    log_info("kube lease=" STR_FMT "/" STR_FMT " leads=%s holder=\"%s\"", STR_ARG(l->ns), STR_ARG(l->name),
             leads ? "true" : "false", l->holder);
    l->on_change(l->arg, leads);
}

/* Whoever leads renews it each third; others look more often, so that one which is given back is not nobody's for long. Up to a fifth less by
 * chance. */
static void try_later(struct kube_lease *l) {
    uint64_t wait = l->lease_us / (l->state == LEASE_LEADS ? 3 : 15);
    wait -= rng_below(kube_client_rng(l->client), (uint32_t)num_min(wait / 5 + 1, UINT32_MAX));
    timer_set(&loop_of(l)->timers, &l->again, loop_of(l)->now_us + wait);
}

/* [Kubernetes MicroTime] six digits. */
static void print_micro_time(struct buf *b, int64_t wall_us) {
    clock_print_rfc3339(b, wall_us);
    b->n--;
    buf_printf(b, "%03uZ", (unsigned)(wall_us % 1000));
}

static void print_lease(const struct kube_lease *l, struct buf *b, str holder, bool acquires, bool creates) {
    buf_printf(b, "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{");
    if (creates) {
        buf_printf(b, "\"name\":");
        buf_add_json(b, l->name);
    } else {
        buf_printf(b, "\"resourceVersion\":");
        buf_add_json(b, str_of(l->version));
    }
    buf_printf(b, "},\"spec\":{\"holderIdentity\":");
    buf_add_json(b, holder);
    unsigned long long seconds = holder.n ? l->lease_us / 1000000 : 1,
                       transitions = l->transitions + (acquires && !creates);
    buf_printf(b, ",\"leaseDurationSeconds\":%llu,\"leaseTransitions\":%llu,\"renewTime\":\"", seconds,
               transitions);
    print_micro_time(b, clock_wall_us());
    buf_add_char(b, '"');
    if (acquires) {
        buf_printf(b, ",\"acquireTime\":\"");
        print_micro_time(b, clock_wall_us());
        buf_add_char(b, '"');
    }
    buf_printf(b, "}}");
}

static void send(struct kube_lease *l, enum kube_method method, str body,
                 void (*on_done)(void *arg, const struct kube_answer *a)) {
    OWNED(arena) a = arena_new();
    uint64_t timeout_s = l->lease_us / 3000000;
    struct kube_call call = {
        .method = method,
        .path = kube_path(a, S("coordination.k8s.io"), S("v1"), S("leases"), l->ns,
                          method == KUBE_POST ? S("") : l->name, S("")),
        .body = body,
        .timeout_s = timeout_s ? (unsigned)timeout_s : 1,
        .urgent = true,
        .on_done = on_done,
        .arg = l,
    };
    l->asked_us = clock_monotonic_us();
    l->request = kube_client_send(l->client, &call);
}

/* What the server says it is now. */
static bool see(struct kube_lease *l, str body) {
    OWNED(arena) a = arena_new();
    struct node *top = NULL;
    str why;
    if (json_parse(a, body, &top, &why) != OK) return false;
    const struct node *spec = node_get(top, S("spec"));
    str version = node_get_str(node_get(top, S("metadata")), S("resourceVersion")),
        renewed = node_get_str(spec, S("renewTime"));
    uint64_t seconds = 0;
    if (num_parse(node_get_str(spec, S("leaseDurationSeconds")), LEASE_S_MAX, &seconds) != OK)
        seconds = l->lease_us / 1000000;
    if (num_parse(node_get_str(spec, S("leaseTransitions")), UINT32_MAX, &l->transitions) != OK)
        l->transitions = 0;
    bool same = str_eq(str_of(l->version), version) && l->seen_us;
    if (!same) l->seen_us = clock_monotonic_us();
    l->theirs_us = seconds * 1000000;
    snprintf(l->version, sizeof l->version, STR_FMT, STR_ARG(version));
    snprintf(l->renewed, sizeof l->renewed, STR_FMT, STR_ARG(renewed));
    snprintf(l->holder, sizeof l->holder, STR_FMT, STR_ARG(node_get_str(spec, S("holderIdentity"))));
    return true;
}

/* The lease is ours from when we asked for it. */
static void hold(struct kube_lease *l) {
    timer_set(&loop_of(l)->timers, &l->deadline, l->asked_us + l->lease_us / 3 * 2);
    if (l->state == LEASE_FOLLOWS) move(l, LEASE_LEADS);
}

static void on_written(void *arg, const struct kube_answer *a) {
    struct kube_lease *l = arg;
    l->request = NULL;
    bool late = clock_monotonic_us() >= l->asked_us + l->lease_us / 3 * 2;
    if (kube_answer_ok(a) && see(l, a->body) && str_eq(str_of(l->holder), l->identity) && !late)
        hold(l);
    else if (!kube_answer_ok(a))
        log_debug("kube lease write status=%u err=\"" STR_FMT "\"", a->status, STR_ARG(a->message));
    if (a->status == 409 || a->status == 404) l->version[0] = 0; /* it is not what we saw: look first */
    try_later(l);
}

static void write_lease(struct kube_lease *l, bool acquires, bool creates) {
    struct buf b;
    buf_init(&b, 8192);
    print_lease(l, &b, l->identity, acquires, creates);
    send(l, creates ? KUBE_POST : KUBE_PATCH_MERGE, buf_str(&b), on_written);
    buf_fini(&b);
}

static bool is_free(const struct kube_lease *l) {
    return !l->holder[0] || clock_monotonic_us() - l->seen_us > l->theirs_us;
}

static void on_read(void *arg, const struct kube_answer *a) {
    struct kube_lease *l = arg;
    l->request = NULL;
    bool ours;
    if (a->error == OK && a->status == 404) {
        l->holder[0] = l->version[0] = 0;
        write_lease(l, true, true);
        return;
    }
    if (!kube_answer_ok(a) || !see(l, a->body)) {
        if (a->status == 403)
            log_warn("kube lease=" STR_FMT "/" STR_FMT " err=\"" STR_FMT
                     "\" remedy=\"let the ServiceAccount get, create "
                     "and patch leases\"",
                     STR_ARG(l->ns), STR_ARG(l->name), STR_ARG(a->message));
        try_later(l);
        return;
    }
    ours = str_eq(str_of(l->holder), l->identity);
    if (!ours && l->state == LEASE_LEADS) move(l, LEASE_FOLLOWS);
    if (ours || is_free(l))
        write_lease(l, l->state != LEASE_LEADS, false);
    else
        try_later(l);
}

static void on_again(struct timer *t, uint64_t now_us) {
    struct kube_lease *l = container_of(t, struct kube_lease, again);
    (void)now_us;
    if (l->request) return;
    if (l->state == LEASE_LEADS && l->version[0])
        write_lease(l, false, false);
    else
        send(l, KUBE_GET, (str){0}, on_read);
}

static void finish_release(struct kube_lease *l) {
    timer_clear(&l->deadline);
    move(l, LEASE_RELEASED);
    l->on_released(l->released_arg);
}

static void on_deadline(struct timer *t, uint64_t now_us) {
    struct kube_lease *l = container_of(t, struct kube_lease, deadline);
    (void)now_us;
    if (l->state == LEASE_LEADS) {
        log_warn("kube lease=" STR_FMT "/" STR_FMT " err=\"it could not be renewed in time\"", STR_ARG(l->ns),
                 STR_ARG(l->name));
        move(l, LEASE_FOLLOWS);
    } else if (l->state == LEASE_RELEASING || l->state == LEASE_FOLLOWS) {
        if (l->request) kube_client_cancel(l->request);
        l->request = NULL;
        finish_release(l);
    }
}

static void on_given_back(void *arg, const struct kube_answer *a) {
    struct kube_lease *l = arg;
    (void)a;
    l->request = NULL;
    finish_release(l);
}

struct kube_lease *kube_lease_new(struct kube_client *client, const struct kube_lease_config *c) {
    struct kube_lease *l = base_zalloc(sizeof *l);
    *l =
        (struct kube_lease){.client = client, .texts = arena_new(), .on_change = c->on_change, .arg = c->arg};
    l->ns = arena_str(l->texts, c->ns);
    l->name = arena_str(l->texts, c->name);
    l->identity = arena_str(l->texts, str_upto(c->identity, sizeof l->holder - 1));
    l->lease_us = (uint64_t)(c->lease_s ? c->lease_s : LEASE_S) * 1000000;
    timer_init(&l->again, on_again);
    timer_init(&l->deadline, on_deadline);
    timer_set(&loop_of(l)->timers, &l->again, loop_of(l)->now_us + 1);
    return l;
}

bool kube_lease_leads(const struct kube_lease *l) { return l->state == LEASE_LEADS; }
str kube_lease_holder(const struct kube_lease *l) { return str_of(l->holder); }

void kube_lease_release(struct kube_lease *l, void (*on_released)(void *arg), void *arg) {
    bool led = l->state == LEASE_LEADS;
    struct buf b;
    l->on_released = on_released, l->released_arg = arg;
    if (l->request) kube_client_cancel(l->request);
    l->request = NULL;
    timer_clear(&l->again);
    timer_set(&loop_of(l)->timers, &l->deadline,
              loop_of(l)->now_us + (led && l->version[0] ? RELEASE_US : 1));
    if (!led) return;
    move(l, LEASE_RELEASING);
    if (!l->version[0]) return;
    buf_init(&b, 8192);
    print_lease(l, &b, S(""), false, false);
    send(l, KUBE_PATCH_MERGE, buf_str(&b), on_given_back);
    buf_fini(&b);
}

void kube_lease_free(struct kube_lease *l) {
    if (!l) return;
    if (l->request) kube_client_cancel(l->request);
    timer_forget(&loop_of(l)->timers, &l->again);
    timer_forget(&loop_of(l)->timers, &l->deadline);
    arena_free(l->texts);
    free(l);
}
