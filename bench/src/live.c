/* SPDX-License-Identifier: Apache-2.0 */
/* How long until an answer shows a mark: the time to live of a change, or of a cold start. Prints a JSON object.
 *   live -a ADDR -p PORT -H HOST -u PATH -v X_V -m MARK [-r FROM TO] [-k PID SIGNAL] [-s SINCE_NS] [-g GAP_US] [-d SECONDS]
 *   -m  text in the answer's head, such as "x-mark: 7" (any case)
 *   -r  first sees that the server answers, then renames FROM to TO and counts from there; -k: sends SIGNAL to PID after it
 *   -s  counts from this instant of CLOCK_MONOTONIC instead
 * Asks on a kept-alive connection, opened again when it closes, with a pause of GAP_US between questions. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct probe {
    struct sockaddr_in to;
    int fd;
    bool reused;
    char request[512], answer[65536];
    int request_n;
    unsigned asked, failed;
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool probe_open(struct probe *p) {
    int one = 1;
    struct timeval wait = {.tv_sec = 1};
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    p->reused = false;
    return connect(p->fd, (struct sockaddr *)&p->to, sizeof p->to) == 0;
}

static void probe_close(struct probe *p) {
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
}

/* Reads one answer; its head stays in p->answer as a string, each line with its end. false: broken or cut */
static bool probe_read(struct probe *p) {
    size_t got = 0;
    char *end = NULL;
    while (!end) {
        ssize_t r = recv(p->fd, p->answer + got, sizeof p->answer - 1 - got, 0);
        if (r <= 0) return false;
        got += (size_t)r;
        end = memmem(p->answer, got, "\r\n\r\n", 4);
    }
    end[2] = 0;
    char *length = strcasestr(p->answer, "\r\ncontent-length:");
    long long left = length ? strtoll(length + 17, NULL, 10) : 0;
    left -= (long long)(got - (size_t)(end + 4 - p->answer));
    char rest[65536];
    while (left > 0) {
        ssize_t r = recv(p->fd, rest, sizeof rest, 0);
        if (r <= 0) return false;
        left -= r;
    }
    return true;
}

/* One question. false: no whole answer */
static bool probe_ask(struct probe *p) {
    p->asked++;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (p->fd < 0 && !probe_open(p)) break;
        bool reused = p->reused;
        bool ok =
            send(p->fd, p->request, (size_t)p->request_n, MSG_NOSIGNAL) == p->request_n && probe_read(p);
        if (!ok || strcasestr(p->answer, "\r\nconnection: close")) probe_close(p);
        p->reused = true;
        if (ok) return true;
        if (!reused) break; /* a kept connection may close at any time; a new one may not */
    }
    probe_close(p);
    p->failed++;
    return false;
}

int main(int argc, char **argv) {
    struct probe p = {.fd = -1};
    const char *address = "127.0.0.1", *host = "h0.example.com", *path = "/", *value = "0", *mark = "200",
               *from = NULL, *to = NULL;
    unsigned long port = 80;
    double seconds = 120;
    int64_t since = 0;
    struct timespec gap = {.tv_nsec = 100000};
    int pid = 0, sig = 0, o;
    while ((o = getopt(argc, argv, "a:p:H:u:v:m:r:k:s:g:d:")) > 0) {
        switch (o) {
        case 'a': address = optarg; break;
        case 'p': port = strtoul(optarg, NULL, 10); break;
        case 'H': host = optarg; break;
        case 'u': path = optarg; break;
        case 'v': value = optarg; break;
        case 'm': mark = optarg; break;
        case 'r':
            if (optind >= argc) return 2;
            from = optarg;
            to = argv[optind++];
            break;
        case 'k':
            if (optind >= argc) return 2;
            pid = (int)strtol(optarg, NULL, 10);
            sig = (int)strtol(argv[optind++], NULL, 10);
            break;
        case 's': since = strtoll(optarg, NULL, 10); break;
        case 'g': gap.tv_nsec = strtol(optarg, NULL, 10) * 1000; break;
        case 'd': seconds = strtod(optarg, NULL); break;
        default: return 2;
        }
    }
    p.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &p.to.sin_addr);
    p.request_n =
        snprintf(p.request, sizeof p.request,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nX-V: %s\r\nUser-Agent: live\r\nAccept: */*\r\n\r\n", path,
                 host, value);
    if (from) {
        if (!probe_ask(&p)) {
            fprintf(stderr, "live: no answer before the change\n");
            return 1;
        }
        since = now_ns();
        if (rename(from, to) || (pid && kill(pid, sig))) {
            perror("live");
            return 1;
        }
    }
    if (!since) since = now_ns();
    bool seen = false;
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    while (!seen && now_ns() < end) {
        seen = probe_ask(&p) && strcasestr(p.answer, mark);
        if (!seen) nanosleep(&gap, NULL);
    }
    printf("{\"seen\":%s,\"us\":%lld,\"asked\":%u,\"failed\":%u}\n", seen ? "true" : "false",
           (long long)((now_ns() - since) / 1000), p.asked, p.failed);
    return seen ? 0 : 1;
}
