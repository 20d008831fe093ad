/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the fake kernel share. fake.c: time, descriptors, readiness; fake_tcp.c: connections; fake_calls.c: the system calls. */
#pragma once
#include <sys/epoll.h>

#include "fake.h"

enum fake_kind { FAKE_EPOLL, FAKE_BELL, FAKE_LISTENER, FAKE_TCP };
struct fake_file {
    enum fake_kind kind;
    int fd; /* -1: not open */
    bool watched, ready;
    struct epoll_event watch;
    uint64_t bell;
    struct fake_tcp *tcp;
    uint16_t port; /* LISTENER */
    struct fake_tcp *queue, **queue_end;
};
struct fake_file *fake_file_open(enum fake_kind kind); /* NULL: EMFILE */
struct fake_file *fake_file_of(int fd);                /* NULL: not ours */
void fake_file_close(struct fake_file *f);
/* Readiness of this kind may have come about. */
void fake_file_wake(struct fake_file *f, uint32_t events);
uint32_t fake_file_poll(const struct fake_file *f);
int fake_wait(struct epoll_event *out, int most, int timeout_ms);

enum { FAKE_PEEKED_BYTES = 4096 };
/* In: towards the worker. Out: from it. */
struct fake_tcp {
    struct fake_file *file; /* NULL: not accepted yet, or closed */
    struct fake_tcp *next;  /* in the listener's queue */
    struct fake_peer *peer; /* NULL: closed, reset, or not there yet */
    uint64_t id;
    uint16_t peer_port, port;
    struct ip ip;
    bool dialed, connecting, closed, dead; /* closed: by the worker; dead: no more of it, both ways */
    int error;                             /* pending, errno */
    struct buf in, wire;                   /* got and not read; on its way */
    size_t in_max;
    bool peeked; /* what is looked at stays there, and no kernel has room for less than FAKE_PEEKED_BYTES */
    bool in_fin, wire_fin, wire_rst;
    struct buf out;
    size_t out_max;
    bool out_fin, out_told, out_rst, no_space, linger0;
    uint64_t paused_until_us;
    uint32_t chunk, delay_us; /* usual */
    struct fake_event in_event, out_event, open_event;
    enum fake_welcome welcome;
};
struct fake_tcp *fake_tcp_connect(struct fake_file *f, const struct ip *ip, uint16_t port);
uint32_t fake_tcp_poll(const struct fake_tcp *t);
void fake_tcp_race(struct fake_tcp *t);
void fake_tcp_peeked(struct fake_tcp *t);
void fake_tcp_took(struct fake_tcp *t); /* the worker has read: there is room */
void fake_tcp_wrote(struct fake_tcp *t);
void fake_tcp_shut(struct fake_tcp *t);
void fake_tcp_close(struct fake_tcp *t);
