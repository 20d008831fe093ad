/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/instance.h"

#include <errno.h>

#include "admin/admin.h"
#include "cli/cli.h"

static void say_nobody(const struct cli_options *o, const char *socket_path, const char *address, int why) {
    fprintf(stderr, "postern %s: nobody answers on the control socket %s (%s).\n", o->command->name,
            socket_path, why ? strerror(why) : "no answer");
    fprintf(stderr,
            "  Start one:      postern serve -f manifests/\n"
            "  It runs elsewhere? Give the --admin address that it was started with, as the same user "
            "(asked: %s).\n",
            address);
}

bool instance_get(const struct cli_options *o, str page, uint16_t *ret_status, struct buf *ret_body,
                  int *ret_exit) {
    const char *from_env = getenv("POSTERN_ADMIN");
    const char *address = options_get(o, "admin", from_env && *from_env ? from_env : admin_default_address);
    struct ip ip;
    uint16_t port;
    if (admin_parse_address(str_of(address), &ip, &port) != OK) {
        *ret_exit = options_wrong(
            o->command, "--admin \"%s\" is no address: 127.0.0.1:9901, [::1]:9901, :9901.", address);
        return false;
    }
    char path[108], service_path[108];
    admin_socket_path(&ip, port, path);
    errno = 0;
    err e = admin_get(path, page, ret_status, ret_body);
    int why = errno;
    if (e == ERR_IO &&
        (why == ENOENT || why == ECONNREFUSED)) { /* deploy/systemd has its sockets in a folder of its own */
        snprintf(service_path, sizeof service_path, "/run/postern%s", strrchr(path, '/'));
        if (admin_get(service_path, page, ret_status, ret_body) == OK) e = OK;
        errno = why;
    }
    *ret_exit = CLI_NO;
    if (e == OK) return true;
    if (e == ERR_REFUSED) {
        fprintf(stderr, "postern %s: the control socket %s belongs to another user's process.\n",
                o->command->name, path);
    } else if (e == ERR_IO) {
        say_nobody(o, path, address, errno);
    } else {
        fprintf(stderr, "postern %s: the answer on %s can not be read (%s); are both of one version?\n",
                o->command->name, path, base_err_name(e));
    }
    return false;
}
