/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_client.h"

#include "base/num.h"
#include "io/clock.h"
#include "io/log.h"
#include "kube/kube_backoff.h"
#include "kube/kube_line.h"
#include "kube/kube_login.h"
#include "kube/kube_transport.h"
#include "text/json.h"

enum {
    TRIES_MAX = 5,
    PAUSES_US_MAX = 60000000,
    TIMEOUT_S = 30,
    BODY_BYTES_MAX = 4 << 20,
    REASON_BYTES_MAX = 64 << 10, /* of the body of a stream that was refused */
};
/* LINE: waits its turn to write. READY: to be started in the next turn. LOGIN: credentials are being had. PAUSED: the server
 * asked for patience. */
enum request_state {
    REQUEST_NEW,
    REQUEST_LINE,
    REQUEST_READY,
    REQUEST_LOGIN,
    REQUEST_RUNNING,
    REQUEST_PAUSED,
    REQUEST_ENDED
};

struct kube_request {
    struct kube_client *client;
    enum request_state state;
    struct link link; /* LINE: in the line; READY, LOGIN, ENDED: in the client's list; else in `running` */
    struct arena *a;  /* copies of what the call points to */
    struct kube_call call;
    struct kube_transfer transfer;
    struct timer timer; /* PAUSED: its end; RUNNING: patience for a stream's head */
    struct buf body;
    bool holds_slot; /* one of KUBE_WRITES_MAX */
    bool renewed, headed, too_long, full_queue;
    unsigned tries, shown; /* shown: the serial of the credentials */
    uint64_t paused_us;
};
struct kube_client {
    struct loop *loop;
    struct kube_config *config;
    struct kube_login *login;
    struct kube_transport transport;
    struct kube_line line;
    struct link ready, login_waits, running, ended;
    struct timer pump;
    struct rng rng;
    unsigned writes;        /* slots taken */
    str connect_to, origin; /* of the address with tls-server-name */
    struct kube_client_stats stats;
};

static void move(struct kube_request *r, enum request_state to) {
    static const uint8_t moves[] = {
        [REQUEST_NEW] = 1 << REQUEST_LINE | 1 << REQUEST_READY,
        [REQUEST_LINE] = 1 << REQUEST_READY | 1 << REQUEST_ENDED,
        [REQUEST_READY] = 1 << REQUEST_LOGIN | 1 << REQUEST_RUNNING | 1 << REQUEST_ENDED,
        [REQUEST_LOGIN] = 1 << REQUEST_READY | 1 << REQUEST_ENDED,
        [REQUEST_RUNNING] = 1 << REQUEST_READY | 1 << REQUEST_PAUSED | 1 << REQUEST_ENDED,
        [REQUEST_PAUSED] = 1 << REQUEST_READY | 1 << REQUEST_ENDED,
        [REQUEST_ENDED] = 0,
    };
    struct kube_client *c = r->client;
    assert(moves[r->state] & 1 << to);
    if (r->state == REQUEST_LINE && link_is_on(&r->link)) kube_line_leave(&c->line, &r->link);
    if (link_is_on(&r->link)) link_remove(&r->link);
    r->state = to;
    switch (to) {
    case REQUEST_NEW: break;
    case REQUEST_LINE: kube_line_add(&c->line, r->call.share, &r->link); break;
    case REQUEST_READY: link_append(&c->ready, &r->link); break;
    case REQUEST_LOGIN: link_append(&c->login_waits, &r->link); break;
    case REQUEST_RUNNING:
    case REQUEST_PAUSED: link_append(&c->running, &r->link); break;
    case REQUEST_ENDED: link_append(&c->ended, &r->link); break;
    }
}

static void wake(struct kube_client *c) { timer_set(&c->loop->timers, &c->pump, c->loop->now_us + 1); }

static bool is_write(const struct kube_request *r) { return r->call.method != KUBE_GET; }

static void dispose(struct kube_request *r) {
    struct kube_client *c = r->client;
    kube_transport_stop(&c->transport, &r->transfer);
    timer_forget(&c->loop->timers, &r->timer);
    if (r->holds_slot) {
        c->writes--;
        wake(c);
    }
    if (r->call.on_bytes) c->stats.streams--;
    link_remove(&r->link);
    buf_fini(&r->body);
    arena_free(r->a);
    free(r);
}

/* What metav1.Status says. */
static void read_status(struct arena *a, str body, struct kube_answer *ret) {
    struct node *top = NULL;
    str message;
    if (!body.n || body.p[0] != '{' || json_parse(a, body, &top, &message) != OK) return;
    if (!str_eq(node_get_str(top, S("kind")), S("Status"))) return;
    str reason = node_get_str(top, S("reason")), words = node_get_str(top, S("message"));
    if (reason.p) ret->reason = reason;
    if (words.n) ret->message = words;
}

static void finish(struct kube_request *r, err error, str message) {
    OWNED(arena) a = arena_new();
    struct kube_client *c = r->client;
    struct kube_answer answer = {.error = error,
                                 .status = error == OK ? r->transfer.status : 0,
                                 .body = buf_str(&r->body),
                                 .reason = S(""),
                                 .message = arena_str(a, message)};
    if (error == OK && answer.status >= 300) {
        answer.message = arena_printf(a, "the server answered %u: " STR_FMT, answer.status,
                                      STR_ARG(str_upto(answer.body, 200)));
        read_status(a, answer.body, &answer);
    }
    if (!kube_answer_ok(&answer)) c->stats.failures++;
    log_debug("kube answer method=%d path=" STR_FMT " status=%u err=%s message=\"" STR_FMT "\"",
              (int)r->call.method, STR_ARG(r->call.path), answer.status, base_err_name(error),
              STR_ARG(answer.message));
    kube_transport_stop(&c->transport, &r->transfer);
    move(r, REQUEST_ENDED);
    void (*done)(void *, const struct kube_answer *) = r->call.on_done;
    r->call.on_done = NULL;
    if (done) done(r->call.arg, &answer);
    dispose(r);
}

static void on_timer(struct timer *t, uint64_t now_us) {
    struct kube_request *r = container_of(t, struct kube_request, timer);
    (void)now_us;
    if (r->state == REQUEST_PAUSED) {
        move(r, REQUEST_READY);
        wake(r->client);
    } else {
        finish(r, ERR_AGAIN, S("the server did not answer in time"));
    }
}

static void on_head(struct kube_transfer *t) {
    struct kube_request *r = container_of(t, struct kube_request, transfer);
    r->headed = true;
    if (r->state != REQUEST_RUNNING || !r->call.on_bytes) return;
    timer_clear(&r->timer);
    if (t->status < 300) r->call.on_bytes(r->call.arg, S(""));
}

static bool on_bytes(struct kube_transfer *t, str bytes) {
    struct kube_request *r = container_of(t, struct kube_request, transfer);
    r->client->stats.bytes_in += bytes.n;
    if (r->state != REQUEST_RUNNING) return false; /* cancelled */
    if (r->call.on_bytes && t->status >= 200 && t->status < 300) {
        r->call.on_bytes(r->call.arg, bytes);
        return r->state == REQUEST_RUNNING;
    }
    buf_add(&r->body, bytes);
    r->too_long = r->body.overflow;
    return !r->too_long;
}

/* Whether the server asked to come back later, and when. */
static bool asks_for_patience(struct kube_request *r, uint64_t *ret_us) {
    struct kube_client *c = r->client;
    unsigned status = r->transfer.status;
    uint64_t after_us = num_min(kube_transport_retry_after(&c->transport, &r->transfer), 3600) * 1000000;
    if (status != 429 && (status < 500 || !after_us)) return false;
    struct kube_backoff b = {.min_us = 1000000, .max_us = 16000000, .failures = r->tries};
    uint64_t wait = after_us ? after_us + rng_below(&c->rng, 200000) : kube_backoff_next(&b, &c->rng);
    if (r->tries + 1 >= TRIES_MAX || r->paused_us + wait > PAUSES_US_MAX) return false;
    r->tries++, r->paused_us += wait;
    *ret_us = wait;
    return true;
}

static void try_again(struct kube_request *r, enum request_state to, uint64_t wait_us) {
    struct kube_client *c = r->client;
    kube_transport_stop(&c->transport, &r->transfer);
    buf_clear(&r->body);
    c->stats.retries++;
    move(r, to);
    if (to == REQUEST_PAUSED)
        timer_set(&c->loop->timers, &r->timer, c->loop->now_us + wait_us);
    else
        wake(c);
}

static err error_of(const struct kube_request *r, CURLcode code) {
    if (r->too_long) return ERR_LIMIT;
    return code == CURLE_OPERATION_TIMEDOUT ? ERR_AGAIN : ERR_IO;
}

static void on_end(struct kube_transfer *t, CURLcode code) {
    struct kube_request *r = container_of(t, struct kube_request, transfer);
    struct kube_client *c = r->client;
    uint64_t wait_us;
    if (r->state != REQUEST_RUNNING) {
        dispose(r);
        return;
    }
    timer_clear(&r->timer);
    if (code != CURLE_OK) {
        finish(r, error_of(r, code), r->too_long ? S("the answer is too long") : str_of(t->error));
    } else if (t->status == 401 && !r->renewed && kube_login_renew(c->login, r->shown)) {
        r->renewed = true;
        try_again(r, REQUEST_READY, 0);
    } else if (asks_for_patience(r, &wait_us)) {
        c->stats.throttled++;
        try_again(r, REQUEST_PAUSED, wait_us);
    } else {
        finish(r, OK, S(""));
    }
}

static void add_headers(struct kube_request *r, const struct kube_identity *id) {
    struct kube_client *c = r->client;
    const struct kube_config *k = c->config;
    static const char *const types[] = {[KUBE_POST] = "application/json",
                                        [KUBE_PUT] = "application/json",
                                        [KUBE_PATCH_MERGE] = "application/merge-patch+json",
                                        [KUBE_PATCH_APPLY] = "application/apply-patch+yaml",
                                        [KUBE_DELETE] = "application/json"};
    OWNED(arena) a = arena_new();
    str accept = r->call.accept.p ? r->call.accept : S("application/json");
    const char *lines[6] = {"User-Agent: postern/" POSTERN_VERSION,
                            arena_printf(a, "Accept: " STR_FMT, STR_ARG(accept)).p};
    size_t n = 2;
    if (r->call.body.p) lines[n++] = arena_printf(a, "Content-Type: %s", types[r->call.method]).p;
    if (id->token.n) lines[n++] = arena_printf(a, "Authorization: Bearer " STR_FMT, STR_ARG(id->token)).p;
    if (k->as.n) lines[n++] = arena_printf(a, "Impersonate-User: " STR_FMT, STR_ARG(k->as)).p;
    if (k->as_uid.n) lines[n++] = arena_printf(a, "Impersonate-Uid: " STR_FMT, STR_ARG(k->as_uid)).p;
    for (size_t i = 0; i < n; i++) kube_transport_header(&c->transport, &r->transfer, lines[i]);
    for (uint32_t i = 0; i < k->as_groups_n; i++)
        kube_transport_header(&c->transport, &r->transfer,
                              arena_printf(a, "Impersonate-Group: " STR_FMT, STR_ARG(k->as_groups[i])).p);
    if (!c->connect_to.p) return;
    str host = str_from(k->server, str_find(k->server, '/') + 2);
    kube_transport_header(&c->transport, &r->transfer,
                          arena_printf(a, "Host: " STR_FMT, STR_ARG(str_upto(host, str_find(host, '/')))).p);
}

static void start(struct kube_request *r, const struct kube_identity *id) {
    struct kube_client *c = r->client;
    static const char *const methods[] = {
        [KUBE_GET] = "GET",           [KUBE_POST] = "POST",         [KUBE_PUT] = "PUT",
        [KUBE_PATCH_MERGE] = "PATCH", [KUBE_PATCH_APPLY] = "PATCH", [KUBE_DELETE] = "DELETE"};
    const struct kube_call *k = &r->call;
    OWNED(arena) a = arena_new();
    str url = arena_printf(a, STR_FMT STR_FMT "%s" STR_FMT, STR_ARG(c->origin), STR_ARG(k->path),
                           k->query.n ? "?" : "", STR_ARG(k->query));
    uint64_t timeout_ms = (uint64_t)(k->timeout_s ? k->timeout_s : TIMEOUT_S) * 1000;
    struct kube_transfer_spec s = {.url = url.p,
                                   .method = methods[k->method],
                                   .connect_to = c->connect_to.p,
                                   .proxy =
                                       c->config->proxy_url.n ? arena_str(a, c->config->proxy_url).p : NULL,
                                   .body = k->body,
                                   .ca = id->ca,
                                   .cert = id->cert,
                                   .key = id->key,
                                   .insecure = c->config->insecure,
                                   .timeout_ms = k->on_bytes ? 0 : timeout_ms};
    const char *why = "";
    r->transfer.on_head = on_head, r->transfer.on_bytes = on_bytes, r->transfer.on_end = on_end;
    r->headed = r->too_long = false;
    r->shown = id->serial;
    c->stats.requests++;
    add_headers(r, id);
    move(r, REQUEST_RUNNING);
    if (kube_transport_start(&c->transport, &r->transfer, &s, &why) != OK)
        finish(r, ERR_PROTO, str_of(why));
    else if (k->on_bytes)
        timer_set(&c->loop->timers, &r->timer, c->loop->now_us + timeout_ms * 1000);
}

static void start_ready(struct kube_request *r) {
    struct kube_identity id;
    str why = {0};
    if (r->full_queue) {
        finish(r, ERR_LIMIT, S("too many writes wait already"));
        return;
    }
    err e = kube_login_get(r->client->login, &id, &why);
    if (e == OK)
        start(r, &id);
    else if (e == ERR_AGAIN)
        move(r, REQUEST_LOGIN);
    else
        finish(r, ERR_REFUSED, why);
}

/* Never from inside libcurl: by a timer of its own. */
static void on_pump(struct timer *t, uint64_t now_us) {
    struct kube_client *c = container_of(t, struct kube_client, pump);
    (void)now_us;
    while (!link_empty(&c->ended)) dispose(container_of(c->ended.next, struct kube_request, link));
    struct link *next;
    while (c->writes < KUBE_WRITES_MAX && (next = kube_line_pop(&c->line))) {
        struct kube_request *r = container_of(next, struct kube_request, link);
        r->holds_slot = true;
        c->writes++;
        move(r, REQUEST_READY);
    }
    while ((next = link_pop(&c->ready))) {
        struct kube_request *r = container_of(next, struct kube_request, link);
        start_ready(r);
    }
}

static void on_login(void *arg) {
    struct kube_client *c = arg;
    while (!link_empty(&c->login_waits))
        move(container_of(c->login_waits.next, struct kube_request, link), REQUEST_READY);
    wake(c);
}

/* The address by the name that its certificate has, and where that name leads [kubeconfig tls-server-name]. */
static void name_server(struct kube_client *c) {
    struct kube_config *k = c->config;
    c->origin = k->server;
    if (!k->tls_server_name.n || !str_starts(k->server, S("https://"))) return;
    str rest = str_from(k->server, 8), path = str_from(rest, str_find(rest, '/'));
    str address = str_upto(rest, rest.n - path.n);
    size_t colon = str_rfind(address, ':');
    bool has_port = colon < address.n && (address.p[0] != '[' || address.p[colon - 1] == ']');
    str host = has_port ? str_upto(address, colon) : address;
    str port = has_port ? str_from(address, colon + 1) : S("443");
    c->origin = arena_printf(k->a, "https://" STR_FMT ":" STR_FMT STR_FMT, STR_ARG(k->tls_server_name),
                             STR_ARG(port), STR_ARG(path));
    c->connect_to = arena_printf(k->a, STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT,
                                 STR_ARG(k->tls_server_name), STR_ARG(port), STR_ARG(host), STR_ARG(port));
}

err kube_client_new(struct loop *l, struct kube_config *config, struct kube_client **ret, struct buf *why) {
    struct kube_client *c = base_zalloc(sizeof *c);
    err e = kube_transport_init(&c->transport, l, why);
    if (e != OK) {
        kube_config_free(config);
        free(c);
        return e;
    }
    c->loop = l;
    c->config = config;
    c->login = kube_login_new(l, config, on_login, c);
    kube_line_init(&c->line);
    link_init(&c->ready), link_init(&c->login_waits), link_init(&c->running), link_init(&c->ended);
    timer_init(&c->pump, on_pump);
    c->rng.state = clock_monotonic_us() ^ (uint64_t)clock_wall_us() << 20;
    name_server(c);
    *ret = c;
    return OK;
}

void kube_client_free(struct kube_client *c) {
    if (!c) return;
    assert(!c->transport.inside);
    for (struct link *l; (l = kube_line_pop(&c->line));) {
        struct kube_request *r = container_of(l, struct kube_request, link);
        link_append(&c->ended, &r->link);
    }
    struct link *lists[] = {&c->ready, &c->login_waits, &c->running, &c->ended};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        while (!link_empty(lists[i])) dispose(container_of(lists[i]->next, struct kube_request, link));
    kube_line_fini(&c->line);
    kube_transport_fini(&c->transport);
    kube_login_free(c->login);
    timer_forget(&c->loop->timers, &c->pump);
    kube_config_free(c->config);
    free(c);
}

struct kube_request *kube_client_send(struct kube_client *c, const struct kube_call *call) {
    struct kube_request *r = base_zalloc(sizeof *r);
    *r = (struct kube_request){.client = c, .a = arena_new(), .call = *call};
    str *texts[] = {&r->call.path, &r->call.query, &r->call.body, &r->call.accept, &r->call.share};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i]->p) *texts[i] = arena_str(r->a, *texts[i]);
    size_t max = call->body_bytes_max ? call->body_bytes_max : BODY_BYTES_MAX;
    buf_init(&r->body, call->on_bytes ? REASON_BYTES_MAX : max);
    timer_init(&r->timer, on_timer);
    if (call->on_bytes) c->stats.streams++;
    bool waits = is_write(r) && !call->urgent;
    r->full_queue = waits && c->line.n >= KUBE_WRITES_QUEUED_MAX;
    move(r, waits && !r->full_queue ? REQUEST_LINE : REQUEST_READY);
    wake(c);
    return r;
}

void kube_client_cancel(struct kube_request *r) {
    struct kube_client *c = r->client;
    if (r->state == REQUEST_ENDED) return; /* within its own on_done */
    r->call.on_done = NULL;
    move(r, REQUEST_ENDED);
    if (c->transport.inside)
        wake(c);
    else
        dispose(r);
}

struct loop *kube_client_loop(struct kube_client *c) {
    return c->loop;
}
const struct kube_config *kube_client_config(const struct kube_client *c) { return c->config; }
struct rng *kube_client_rng(struct kube_client *c) {
    return &c->rng;
}

struct kube_client_stats kube_client_stats(const struct kube_client *c) {
    struct kube_client_stats s = c->stats;
    s.writes_queued = c->line.n;
    return s;
}
