/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { CONNECT_MS = 10000, DEAD_MS = 30000, KEEP_IDLE_S = 15, KEEP_EACH_S = 5, KEEP_TIMES = 3 };

struct watched {
    struct loop_fd fd;
    struct kube_transport *tr;
};

static void end_done(struct kube_transport *tr);

static void act(struct kube_transport *tr, curl_socket_t s, int events) {
    int running;
    tr->inside = true;
    tr->curl.multi_socket_action(tr->multi, s, events, &running);
    tr->inside = false;
    end_done(tr);
}

static void on_ready(struct loop_fd *f, uint32_t events) {
    struct watched *w = container_of(f, struct watched, fd);
    int what = (events & LOOP_IN ? CURL_CSELECT_IN : 0) | (events & LOOP_OUT ? CURL_CSELECT_OUT : 0);
    if (events & (LOOP_ERR | LOOP_HUP)) what |= CURL_CSELECT_IN | CURL_CSELECT_ERR;
    act(w->tr, f->fd, what);
}

static void on_due(struct timer *t, uint64_t now_us) {
    (void)now_us;
    act(container_of(t, struct kube_transport, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_socket(CURL *easy, curl_socket_t s, int what, void *arg, void *of_socket) {
    struct kube_transport *tr = arg;
    struct watched *w = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) loop_remove(tr->loop, &w->fd);
        free(w);
        return 0;
    }
    uint32_t events = (what & CURL_POLL_IN ? LOOP_IN : 0) | (what & CURL_POLL_OUT ? LOOP_OUT : 0);
    if (w) {
        loop_want(tr->loop, &w->fd, events);
        return 0;
    }
    w = base_zalloc(sizeof *w);
    w->tr = tr;
    w->fd = (struct loop_fd){.fd = -1, .on_ready = on_ready};
    if (loop_add_wanted(tr->loop, &w->fd, s, events) != OK) {
        free(w);
        return -1;
    }
    tr->curl.multi_assign(tr->multi, s, w);
    return 0;
}

/* One microsecond at least, so that libcurl asking again and again lets other events through. */
static int on_timer(CURLM *multi, long timeout_ms, void *arg) {
    struct kube_transport *tr = arg;
    (void)multi;
    if (timeout_ms < 0)
        timer_clear(&tr->timer);
    else
        timer_set(&tr->loop->timers, &tr->timer,
                  tr->loop->now_us + (timeout_ms ? (uint64_t)timeout_ms * 1000 : 1));
    return 0;
}

/* A server that vanished without a word is noticed within half a minute, although a watch may be silent for longer. */
static int on_new_socket(void *arg, curl_socket_t s, curlsocktype purpose) {
    (void)arg;
    (void)purpose;
    int times = KEEP_TIMES;
    unsigned dead_ms = DEAD_MS;
    setsockopt(s, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
    setsockopt(s, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    return CURL_SOCKOPT_OK;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg) {
    struct kube_transfer *t = arg;
    str line = {p, size * n};
    if (str_starts(line, S("HTTP/"))) {
        str rest = line;
        str_cut(&rest, ' ');
        t->status = 0;
        for (size_t i = 0; i < 3 && i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++)
            t->status = t->status * 10 + (unsigned)(rest.p[i] - '0');
    } else if ((str_eq(line, S("\r\n")) || str_eq(line, S("\n"))) && t->status >= 200 && t->on_head) {
        t->on_head(t);
    }
    return line.n;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg) {
    struct kube_transfer *t = arg;
    str bytes = {p, size * n};
    return t->on_bytes(t, bytes) ? bytes.n : CURL_WRITEFUNC_ERROR;
}

err kube_transport_init(struct kube_transport *tr, struct loop *l, struct buf *why) {
    *tr = (struct kube_transport){.loop = l};
    timer_init(&tr->timer, on_due);
    TRY(kube_curl_load(&tr->curl, why));
    const struct kube_curl *c = &tr->curl;
    tr->multi = c->multi_init();
    if (!tr->multi) base_out_of_memory(0);
    c->multi_setopt(tr->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    c->multi_setopt(tr->multi, CURLMOPT_SOCKETDATA, tr);
    c->multi_setopt(tr->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    c->multi_setopt(tr->multi, CURLMOPT_TIMERDATA, tr);
    c->multi_setopt(tr->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    c->multi_setopt(tr->multi, CURLMOPT_MAXCONNECTS, 8L);
    return OK;
}

void kube_transport_fini(struct kube_transport *tr) {
    if (tr->multi) tr->curl.multi_cleanup(tr->multi);
    timer_forget(&tr->loop->timers, &tr->timer);
    tr->multi = NULL;
}

void kube_transport_header(struct kube_transport *tr, struct kube_transfer *t, const char *line) {
    t->headers = tr->curl.slist_append(t->headers, line);
    if (!t->headers) base_out_of_memory(0);
}

static CURLcode set_pem(const struct kube_curl *c, CURL *e, CURLoption option, str pem) {
    struct curl_blob blob = {(void *)(uintptr_t)pem.p, pem.n, CURL_BLOB_COPY};
    return pem.p ? c->easy_setopt(e, option, &blob) : CURLE_OK;
}

static CURLcode set_tls(const struct kube_curl *c, CURL *e, const struct kube_transfer_spec *s) {
    c->easy_setopt(e, CURLOPT_SSL_VERIFYPEER, s->insecure ? 0L : 1L);
    c->easy_setopt(e, CURLOPT_SSL_VERIFYHOST, s->insecure ? 0L : 2L);
    c->easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    CURLcode code = set_pem(c, e, CURLOPT_CAINFO_BLOB, s->ca);
    if (code == CURLE_OK) code = set_pem(c, e, CURLOPT_SSLCERT_BLOB, s->cert);
    if (code == CURLE_OK) code = set_pem(c, e, CURLOPT_SSLKEY_BLOB, s->key);
    return code;
}

static void set_callbacks(const struct kube_curl *c, CURL *e, struct kube_transfer *t) {
    c->easy_setopt(e, CURLOPT_PRIVATE, t);
    c->easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    c->easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    c->easy_setopt(e, CURLOPT_HEADERDATA, t);
    c->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    c->easy_setopt(e, CURLOPT_WRITEDATA, t);
    c->easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_new_socket);
}

static void set_connection(const struct kube_curl *c, CURL *e, const struct kube_transfer_spec *s) {
    c->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    c->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    /* ALPN tells at once whether a connection can be shared; without TLS that would be known after the first answer alone. */
    c->easy_setopt(e, CURLOPT_PIPEWAIT, str_starts(str_of(s->url), S("https")) ? 1L : 0L);
    c->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    c->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    c->easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEP_IDLE_S);
    c->easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEP_EACH_S);
    if (s->timeout_ms) c->easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
    if (s->proxy) c->easy_setopt(e, CURLOPT_PROXY, s->proxy);
}

static void clean(struct kube_transport *tr, struct kube_transfer *t) {
    tr->curl.easy_cleanup(t->easy);
    tr->curl.slist_free_all(t->headers);
    tr->curl.slist_free_all(t->connect_to);
    t->easy = NULL, t->headers = t->connect_to = NULL;
}

err kube_transport_start(struct kube_transport *tr, struct kube_transfer *t,
                         const struct kube_transfer_spec *s, const char **ret_why) {
    const struct kube_curl *c = &tr->curl;
    assert(!t->easy && !tr->inside);
    CURL *e = t->easy = c->easy_init();
    if (!e) base_out_of_memory(0);
    t->status = 0, t->error[0] = 0;
    set_callbacks(c, e, t);
    set_connection(c, e, s);
    CURLcode code = set_tls(c, e, s);
    if (code == CURLE_OK) code = c->easy_setopt(e, CURLOPT_URL, s->url);
    if (s->connect_to) {
        t->connect_to = c->slist_append(NULL, s->connect_to);
        c->easy_setopt(e, CURLOPT_CONNECT_TO, t->connect_to);
    }
    c->easy_setopt(e, CURLOPT_CUSTOMREQUEST, s->method);
    if (s->body.p) {
        c->easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body.n);
        c->easy_setopt(e, CURLOPT_POSTFIELDS, s->body.p);
        kube_transport_header(tr, t, "Expect:");
    }
    c->easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
    if (code == CURLE_OK && c->multi_add_handle(tr->multi, e) != CURLM_OK) code = CURLE_FAILED_INIT;
    if (code == CURLE_OK) return OK;
    *ret_why = c->easy_strerror(code);
    clean(tr, t);
    return ERR_PROTO;
}

void kube_transport_stop(struct kube_transport *tr, struct kube_transfer *t) {
    assert(!tr->inside);
    if (t->easy) {
        tr->inside = true; /* the socket callback runs, nothing else may */
        tr->curl.multi_remove_handle(tr->multi, t->easy);
        tr->inside = false;
    }
    clean(tr, t);
}

uint64_t kube_transport_retry_after(struct kube_transport *tr, struct kube_transfer *t) {
    curl_off_t s = 0;
    if (!t->easy || tr->curl.easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &s) != CURLE_OK || s < 0) return 0;
    return (uint64_t)s;
}

static void end_done(struct kube_transport *tr) {
    int left;
    for (CURLMsg *m; (m = tr->curl.multi_info_read(tr->multi, &left));) {
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode code = m->data.result;
        char *private = NULL;
        tr->curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        struct kube_transfer *t = (struct kube_transfer *)(void *)private;
        if (!t->error[0] && code != CURLE_OK)
            snprintf(t->error, sizeof t->error, "%s", tr->curl.easy_strerror(code));
        t->on_end(t, code);
    }
}
