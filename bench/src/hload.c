/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 load from one thread, closed loop: each connection has one request under way. The last line it prints is a JSON object.
 *   hload -a ADDR -p PORT [-c CONNECTIONS] [-d SECONDS] [-n REQUESTS [-w WARM]] [-m keep|close|idle] [-t [-r]] [-u PATH]
 *         [-H HOST] [-R ROUTES] [-S NAMES] [-g MS]
 *   -n  exactly so many requests, within -d seconds; what is not answered by then is an error
 *   -w  so many before on the same connections; then it prints "warm" and waits for a line on stdin
 *   -m  close: a connection for each request; idle: a request on each connection, then "ready", then hold them until the time is up
 *   -t  TLS 1.3 (X25519, AES-128-GCM, ALPN http/1.1); -r: resume sessions
 *   -g  each connection pauses so many milliseconds after an answer: a steady load instead of the most there can be
 *   -S  NAMES: connection k asks for c<k mod NAMES>.example.com, as server name and Host, and wants a certificate for it
 *   -R  ask for route i of ROUTES, drawn at random: Host h<i/10>.example.com, path /a<i%10>/x, X-V: <i%10>
 * A request on a connection that answered before, closed without a byte of this answer, is sent again as clients do
 * [RFC 9112 9.3.1] and counted apart ("retried"). SIGTERM ends the run as its time would.
 * "why" counts the errors by what was under way; "first" and "last" tell of the first and the last one, and when since the beginning. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { DEAD, CONNECTING, SHAKING, SENDING, READING, RESTING };
enum why { WHY_CONNECT, WHY_TLS, WHY_SEND, WHY_EOF, WHY_RESET, WHY_IDLE, WHY_HEAD, WHY_STUCK, WHY_N };
static const char *const why_names[WHY_N] = {"connect", "tls",  "send", "eof",
                                             "reset",   "idle", "head", "stuck"};
enum { LATENCIES_MAX = 1 << 22, OPENING_MAX = 128 };

struct load;
struct conn {
    struct load *load;
    int fd;
    enum state state;
    bool writing, head_done, last;
    unsigned answered; /* on this connection */
    size_t got;
    long long left;
    SSL *ssl;
    SSL_SESSION *session;
    double begun;
    size_t request_n, request_sent;
    char head[4096], request[512], host[64];
};
struct load {
    struct sockaddr_in to;
    SSL_CTX *tls;
    int epoll;
    bool resume, close_each, idle, stopping;
    unsigned routes, names, names_next, seed, conns_n;
    const char *path, *host;
    double seconds, began, end, slowest, gap;
    char first_error[128], last_error[128];
    unsigned long quota, issued, warm; /* quota 0: by time */
    unsigned long answered, errors, not_200, first_not_200, handshakes, reused, retried, why[WHY_N];
    unsigned long long bytes;
    float *latencies;
    size_t latencies_n;
    struct conn *conns;
    char *scratch;
};
enum { SCRATCH = 262144 };
static volatile sig_atomic_t told_to_end;

static void on_term(int sig) {
    (void)sig;
    told_to_end = 1;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct conn *c = SSL_get_app_data(ssl);
    if (c->session) SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

/* error: of errno.h; 0: the system told none */
static void count_error(struct load *l, enum why why, int error) {
    l->errors++;
    l->why[why]++;
    char *to = l->first_error[0] ? l->last_error : l->first_error;
    snprintf(to, sizeof l->first_error, "%s: %s after %.3f s", why_names[why],
             error ? strerror(error) : "no errno", now_s() - l->began);
}

static void watch(struct conn *c, bool writing) {
    if (c->writing == writing) return;
    c->writing = writing;
    struct epoll_event e = {.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    epoll_ctl(c->load->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void conn_drop(struct conn *c) {
    if (c->ssl) {
        SSL_set_quiet_shutdown(c->ssl, 1);
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->state = DEAD;
    c->answered = 0;
}

/* The next request of this connection; false: there is none left. */
static bool request_make(struct conn *c) {
    struct load *l = c->load;
    if (l->quota && l->issued == l->quota) return false;
    l->issued++;
    if (l->names && c->state == DEAD)
        snprintf(c->host, sizeof c->host, "c%u.example.com", l->names_next++ % l->names);
    int n;
    if (l->routes) {
        l->seed = l->seed * 1664525u + 1013904223u;
        unsigned i = (l->seed >> 4) % l->routes;
        n = snprintf(c->request, sizeof c->request,
                     "GET /a%u/x HTTP/1.1\r\nHost: h%u.example.com\r\nX-V: %u\r\nUser-Agent: "
                     "hload\r\nAccept: */*\r\n\r\n",
                     i % 10, i / 10, i % 10);
    } else {
        n = snprintf(c->request, sizeof c->request,
                     "GET %s HTTP/1.1\r\nHost: %s\r\nX-V: 0\r\nUser-Agent: hload\r\nAccept: */*\r\n%s\r\n",
                     l->path, l->names ? c->host : l->host, l->close_each ? "Connection: close\r\n" : "");
    }
    c->request_n = (size_t)n;
    c->request_sent = 0;
    return true;
}

/* Opens a connection for the request that is made already. */
static void conn_open(struct conn *c) {
    struct load *l = c->load;
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->begun = now_s();
    c->state = CONNECTING;
    c->writing = true;
    c->head_done = false;
    c->got = c->request_sent = 0;
    if (connect(c->fd, (struct sockaddr *)&l->to, sizeof l->to) && errno != EINPROGRESS) {
        count_error(l, WHY_CONNECT, errno);
        conn_drop(c);
        return;
    }
    struct epoll_event e = {.events = EPOLLOUT | EPOLLIN, .data.ptr = c};
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
    if (!l->tls) return;
    c->ssl = SSL_new(l->tls);
    SSL_set_app_data(c->ssl, c);
    SSL_set_fd(c->ssl, c->fd);
    const char *name = l->names ? c->host : l->host;
    SSL_set_tlsext_host_name(c->ssl, name);
    SSL_set_connect_state(c->ssl);
    if (l->resume && c->session) SSL_set_session(c->ssl, c->session);
}

static void conn_next(struct conn *c) {
    if (!c->load->stopping && request_make(c)) conn_open(c);
}

static void conn_fail(struct conn *c, enum why why, int error) {
    struct load *l = c->load;
    bool again = c->state != RESTING && c->answered && !c->got &&
                 (why == WHY_EOF || why == WHY_RESET || why == WHY_SEND);
    conn_drop(c);
    if (again && !l->stopping) {
        l->retried++;
        conn_open(c);
        return;
    }
    count_error(l, why, error);
    if (l->quota == 0 || why == WHY_CONNECT) return; /* opened again by the clock, not in a tight loop */
    conn_next(c);
}

static int conn_send(struct conn *c, const char *p, size_t n) {
    return c->ssl ? SSL_write(c->ssl, p, (int)n) : (int)send(c->fd, p, n, MSG_NOSIGNAL);
}

static int conn_recv(struct conn *c, char *p, size_t n) {
    return c->ssl ? SSL_read(c->ssl, p, (int)n) : (int)recv(c->fd, p, n, 0);
}

static bool conn_must_wait(struct conn *c, int r) {
    if (!c->ssl) return r < 0 && errno == EAGAIN;
    int e = SSL_get_error(c->ssl, r);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

/* false: not ready to send yet, or failed */
static bool conn_shake(struct conn *c) {
    struct load *l = c->load;
    if (c->state == CONNECTING) {
        int e = 0;
        socklen_t n = sizeof e;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &n);
        if (e) {
            conn_fail(c, WHY_CONNECT, e);
            return false;
        }
        c->state = l->tls ? SHAKING : SENDING;
    }
    if (c->state != SHAKING) return true;
    int r = SSL_do_handshake(c->ssl);
    if (r != 1) {
        int e = SSL_get_error(c->ssl, r);
        if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
            watch(c, e == SSL_ERROR_WANT_WRITE);
        else
            conn_fail(c, WHY_TLS, e == SSL_ERROR_SYSCALL ? errno : 0);
        return false;
    }
    if (l->names && X509_check_host(SSL_get0_peer_certificate(c->ssl), c->host, 0, 0, NULL) != 1) {
        conn_fail(c, WHY_TLS, 0);
        return false;
    }
    l->handshakes++;
    l->reused += (unsigned long)SSL_session_reused(c->ssl);
    c->state = SENDING;
    return true;
}

/* false: wait or failed */
static bool conn_send_request(struct conn *c) {
    while (c->request_sent < c->request_n) {
        int r = conn_send(c, c->request + c->request_sent, c->request_n - c->request_sent);
        if (r <= 0) {
            if (conn_must_wait(c, r))
                watch(c, true);
            else
                conn_fail(c, WHY_SEND, errno);
            return false;
        }
        c->request_sent += (size_t)r;
    }
    c->state = READING;
    c->got = 0;
    c->head_done = false;
    watch(c, false);
    return true;
}

/* Looks for the end of the head. 1: found, 0: not yet, -1: too long */
static int conn_head(struct conn *c, size_t r) {
    struct load *l = c->load;
    c->got += r;
    char *end = memmem(c->head, c->got, "\r\n\r\n", 4);
    if (!end) return c->got == sizeof c->head ? -1 : 0;
    *end = 0;
    if (c->got < 13 || memcmp(c->head + 9, "200", 3) != 0) {
        if (!l->not_200++) l->first_not_200 = strtoul(c->head + 9, NULL, 10);
    }
    c->last = strcasestr(c->head, "\r\nconnection: close") != NULL;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->left = length ? strtoll(length + 17, NULL, 10) : 0;
    c->left -= (long long)(c->got - (size_t)(end + 4 - c->head));
    c->head_done = true;
    return 1;
}

/* A whole answer is here. true: go on with the next request on this connection */
static bool conn_answered(struct conn *c) {
    struct load *l = c->load;
    double t = now_s(), took = t - c->begun;
    l->answered++;
    c->answered++;
    if (l->latencies_n < LATENCIES_MAX) l->latencies[l->latencies_n++] = (float)(took * 1e6);
    if (took > l->slowest) l->slowest = took;
    if (l->stopping || (!l->quota && t >= l->end)) {
        conn_drop(c);
        return false;
    }
    if (l->idle && !c->last) {
        c->state = RESTING;
        return false;
    }
    if (l->close_each || c->last) {
        conn_drop(c);
        conn_next(c);
        return false;
    }
    if (l->gap > 0 || !request_make(c)) {
        c->state = RESTING;
        c->begun = t;
        return false;
    }
    c->begun = t;
    c->got = 0;
    c->state = SENDING;
    return true;
}

static void conn_run(struct conn *c) {
    struct load *l = c->load;
    if (c->state == DEAD || (c->state <= SHAKING && !conn_shake(c))) return;
    for (;;) {
        if (c->state == SENDING) {
            if (!conn_send_request(c)) return;
            if (!l->tls) return; /* an answer cannot be here yet */
        }
        bool to_head = c->state == READING && !c->head_done;
        char *p = to_head ? c->head + c->got : l->scratch;
        size_t room = to_head ? sizeof c->head - c->got : SCRATCH;
        int r = conn_recv(c, p, room);
        if (r <= 0) {
            if (conn_must_wait(c, r)) return;
            if (c->state == RESTING && !l->idle) {
                conn_drop(c);
                return;
            }
            conn_fail(c, c->state == RESTING ? WHY_IDLE : r == 0 ? WHY_EOF : WHY_RESET, r == 0 ? 0 : errno);
            return;
        }
        if (c->state == RESTING) continue;
        l->bytes += (unsigned long long)r;
        if (to_head) {
            int found = conn_head(c, (size_t)r);
            if (found < 0) {
                conn_fail(c, WHY_HEAD, 0);
                return;
            }
            if (!found) continue;
        } else {
            c->left -= r;
        }
        if (c->left > 0) {
            if (!l->tls && room > (size_t)r) return;
            continue;
        }
        if (!conn_answered(c)) return;
    }
}

static bool load_over(const struct load *l) {
    if (told_to_end || now_s() >= l->end) return true;
    return l->quota && l->issued == l->quota && l->answered + l->errors >= l->quota;
}

/* Connections that have paused long enough go on. */
static void load_wake(struct load *l) {
    double t = now_s();
    for (unsigned i = 0; i < l->conns_n; i++) {
        struct conn *c = &l->conns[i];
        if (c->state != RESTING || t < c->begun + l->gap || !request_make(c)) continue;
        c->begun = t;
        c->got = 0;
        c->state = SENDING;
        watch(c, true);
    }
}

/* Runs until the quota is answered or the time is up. */
static void load_run(struct load *l) {
    l->began = now_s();
    l->end = l->began + l->seconds;
    unsigned opened = 0;
    bool said = false;
    double looked = now_s();
    for (unsigned i = 0; i < l->conns_n; i++) {
        struct conn *c = &l->conns[i];
        if (c->state == RESTING && request_make(c)) { /* warmed before */
            c->begun = now_s();
            c->got = 0;
            c->state = SENDING;
            watch(c, true);
        }
    }
    while (opened == 0 || !load_over(l)) { /* told to end at once: what was begun by then is finished */
        unsigned open_max = l->idle ? (unsigned)(l->answered + l->errors) + OPENING_MAX : l->conns_n;
        for (; opened < l->conns_n && opened < open_max; opened++)
            if (l->conns[opened].state == DEAD) conn_next(&l->conns[opened]);
        if (l->idle && !said && l->answered + l->errors >= l->conns_n) {
            said = true;
            printf("ready\n");
            fflush(stdout);
        }
        struct epoll_event events[256];
        int n = epoll_wait(l->epoll, events, 256, l->gap > 0 ? 1 : 10);
        for (int i = 0; i < n; i++) conn_run(events[i].data.ptr);
        if (l->gap > 0) load_wake(l);
        if (!l->idle && now_s() - looked > 0.01) {
            looked = now_s();
            for (unsigned i = 0; i < l->conns_n; i++)
                if (l->conns[i].state == DEAD) conn_next(&l->conns[i]);
        }
    }
}

static bool conn_busy(const struct conn *c) { return c->state != DEAD && c->state != RESTING; }

/* What is under way when the time is up may still be answered; what is not, is an error. */
static void load_finish(struct load *l) {
    l->stopping = true;
    double until = now_s() + 5;
    bool waiting = true;
    while (waiting && now_s() < until) {
        waiting = false;
        for (unsigned i = 0; i < l->conns_n; i++) waiting |= conn_busy(&l->conns[i]);
        struct epoll_event events[256];
        int n = waiting ? epoll_wait(l->epoll, events, 256, 10) : 0;
        for (int i = 0; i < n; i++) conn_run(events[i].data.ptr);
    }
    for (unsigned i = 0; i < l->conns_n; i++) {
        if (!conn_busy(&l->conns[i])) continue;
        count_error(l, WHY_STUCK, 0);
    }
}

static void load_report(struct load *l, double took) {
    qsort(l->latencies, l->latencies_n, sizeof *l->latencies, by_size);
    size_t n = l->latencies_n;
    float none = 0, *at = n ? l->latencies : &none;
    printf("{\"ops\":%lu,\"rate\":%.1f,\"secs\":%.3f,\"errors\":%lu,\"non200\":%lu,\"first_non200\":%lu,"
           "\"retried\":%lu,"
           "\"hs\":%lu,\"reused\":%lu,\"bytes\":%llu,\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_"
           "us\":%.0f,\"why\":{",
           l->answered, (double)l->answered / took, took, l->errors, l->not_200, l->first_not_200, l->retried,
           l->handshakes, l->reused, l->bytes, (double)at[n / 2], (double)at[n * 99 / 100],
           (double)at[n * 999 / 1000], l->slowest * 1e6);
    for (int i = 0; i < WHY_N; i++) printf("%s\"%s\":%lu", i ? "," : "", why_names[i], l->why[i]);
    printf("},\"first\":\"%s\",\"last\":\"%s\"}\n", l->first_error, l->last_error);
}

static SSL_CTX *tls_make(bool resume) {
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(x, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(x, "X25519");
    SSL_CTX_set_alpn_protos(x, (const unsigned char *)"\x08http/1.1", 9);
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (resume) {
        SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(x, keep_session);
    }
    return x;
}

static bool options_read(struct load *l, int argc, char **argv) {
    const char *address = "127.0.0.1", *mode = "keep";
    unsigned long port = 80;
    bool tls = false;
    int o;
    while ((o = getopt(argc, argv, "a:p:c:d:n:w:m:tru:H:R:S:g:")) > 0) {
        switch (o) {
        case 'a': address = optarg; break;
        case 'p': port = strtoul(optarg, NULL, 10); break;
        case 'c': l->conns_n = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'd': l->seconds = strtod(optarg, NULL); break;
        case 'n': l->quota = strtoul(optarg, NULL, 10); break;
        case 'w': l->warm = strtoul(optarg, NULL, 10); break;
        case 'm': mode = optarg; break;
        case 't': tls = true; break;
        case 'r': l->resume = true; break;
        case 'u': l->path = optarg; break;
        case 'H': l->host = optarg; break;
        case 'g': l->gap = strtod(optarg, NULL) / 1000; break;
        case 'S': l->names = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'R': l->routes = (unsigned)strtoul(optarg, NULL, 10); break;
        default: return false;
        }
    }
    l->close_each = strcmp(mode, "close") == 0;
    l->idle = strcmp(mode, "idle") == 0;
    l->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &l->to.sin_addr) != 1 || l->conns_n == 0 || (l->warm && !l->quota))
        return false;
    if (tls) l->tls = tls_make(l->resume);
    return true;
}

/* Warm requests are not counted; their connections stay. */
static bool load_warm(struct load *l) {
    unsigned long quota = l->quota;
    l->quota = l->warm;
    load_run(l);
    bool ok = l->answered == l->warm && l->errors == 0 && l->not_200 == 0;
    if (!ok)
        fprintf(stderr, "hload: %lu of %lu warm requests answered, %lu errors, %lu not 200 (first %lu)\n",
                l->answered, l->warm, l->errors, l->not_200, l->first_not_200);
    l->quota = quota;
    l->issued = l->answered = l->errors = l->not_200 = l->handshakes = l->reused = l->retried = 0;
    l->bytes = 0;
    l->latencies_n = 0;
    l->slowest = 0;
    printf("warm\n");
    fflush(stdout);
    char line[8];
    return fgets(line, sizeof line, stdin) && ok;
}

int main(int argc, char **argv) {
    struct load l = {.seed = 12345, .conns_n = 64, .path = "/", .host = "h0.example.com", .seconds = 5};
    if (!options_read(&l, argc, argv)) {
        fprintf(stderr, "hload: wrong option; the first comment of hload.c tells them\n");
        return 2;
    }
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_term);
    l.latencies = malloc(LATENCIES_MAX * sizeof *l.latencies);
    l.scratch = malloc(SCRATCH);
    l.conns = calloc(l.conns_n, sizeof *l.conns);
    l.epoll = epoll_create1(0);
    if (!l.latencies || !l.scratch || !l.conns || l.epoll < 0) return 1;
    for (unsigned i = 0; i < l.conns_n; i++) l.conns[i] = (struct conn){.load = &l, .fd = -1};
    if (l.warm && !load_warm(&l)) return 1;
    double began = now_s();
    load_run(&l);
    double took = now_s() - began;
    load_finish(&l);
    load_report(&l, took);
    return 0;
}
