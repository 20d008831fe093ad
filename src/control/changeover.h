/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/base.h"

/* Another binary on the same sockets. Whoever may write to the socket asks; the supervisor starts the binary with its own command line; when that
 * serves, the process before drains and the supervisor itself goes on as the new binary, under its process id. If the new one fails, or is not
 * ready in time, it is ended and nothing has changed. */
enum { CHANGEOVER_SECONDS_MAX = 3600 };
struct changeover_wish {
    uint32_t version;               /* WORDS_VERSION */
    uint32_t seconds;               /* in which it is to be ready */
    char binary[4096], workers[16]; /* workers: another number of them; "": as before */
};
/* The socket that follows from the admin's. ERR_LIMIT: there is no room for its name. */
err changeover_socket_path(const char *admin_path, char ret[108]);
/* Answers are lines; the last begins with CHANGEOVER_DONE or CHANGEOVER_FAILED. */
#define CHANGEOVER_DONE   "done: "
#define CHANGEOVER_FAILED "failed: "
