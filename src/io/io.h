/* SPDX-License-Identifier: Apache-2.0 */
/* The world outside: sockets, readiness, deadlines, mailboxes between threads, the clock, the log, TLS.
 * In:    system calls.     Out: events to whoever registered, in the thread that runs the loop.
 * Own:   each loop, its timers and its descriptors belong to one thread; only a mailbox is written by others. Doors: loop.h timer.h
 *        mailbox.h clock.h log.h sock.h unix_sock.h thread.h tls.h tls_server.h.
 * Never: a decision about traffic or configuration. */
#pragma once
#include "base/base.h"
