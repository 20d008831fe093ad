/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Answers on a listening socket until the process is told to end. Returns the exit status. */
int echo_run(int listen_fd, const char *name);
