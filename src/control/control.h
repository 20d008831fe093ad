/* SPDX-License-Identifier: Apache-2.0 */
/* The loop and builder threads as a table of contents: changes -> resolve -> compile -> publish -> facts -> statuses.
 * In:    paths and settings from cli/serve.c, sockets from the supervisor.     Out: tables and sockets to workers, statuses and pages.
 * Own:   the loop thread owns files_watch, admin, signals; the builder thread owns the pipeline (store, resolver, plan, compiler). They
 *        speak by mailboxes alone. Doors beside this one: pipeline.h supervisor.h changeover.h explain.h.
 * Never: a lock; a decision about one object (that is resolve/'s) or one request (that is proxy/'s). */
#pragma once
#include "base/ip.h"
#include "control/cluster.h"
#include "control/words.h"
#include "files/files.h"
#include "store/facts.h"
#include "worker/worker.h"

struct control_config {
    struct files_config files;
    const char *controller_name;
    const char *dns; /* servers to ask for names (io/dns.h); NULL: as the machine does it */
    const struct fact_port_map *port_maps;
    size_t port_maps_n;
    unsigned workers;          /* 0: one per core */
    uint32_t connections_max;  /* of clients, at once; 0: as the descriptors allow */
    enum access_form access;   /* of Gateways that say nothing */
    str access_program;        /* of ACCESS_OWN */
    const char *access_to;     /* access_log_open(); NULL: standard output */
    const char *notify_socket; /* of a service manager (io/notify.h); NULL: none */
    uint64_t watchdog_us;      /* in which it wants to hear of us; 0: never */
    uint32_t metrics_series;   /* that /metrics has at most; 0: as usual */
    uint64_t memory_limit;     /* bytes; 0: none */
    const char *sandbox;       /* what holds of it (io/sandbox.h), for `status` */
    struct ip admin_ip;
    uint16_t admin_port;
    const char *socket_path;
    uint8_t session_key[32];              /* SEAL_KEY_BYTES */
    struct tls_seed *ticket_seed;         /* wiped here once the workers have it */
    struct words_start start;             /* what the supervisor has given (words.h) */
    uint64_t drain_us_max, linger_us;     /* connections are still taken for so long, within the former */
    uint64_t handover_us_max;             /* for what is in flight when another process has taken over */
    const struct cluster_config *cluster; /* instead of files; NULL: none */
    struct ip health_ip; /* where /healthz, /readyz and /metrics alone are answered, too; port 0: nowhere */
    uint16_t health_port;
};
/* Runs the serving process until SIGTERM (or SIGINT) has drained it. Returns the exit status. */
int control_run(const struct control_config *c);
