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

const char instance_admin_help[] =
    "The --admin address that the instance was started with; $POSTERN_ADMIN or 127.0.0.1:9901 unless given.";

const char *instance_admin(const struct cli_options *o) {
    const char *from_env = getenv("POSTERN_ADMIN");
    return options_get(o, "admin", from_env && *from_env ? from_env : admin_default_address);
}

err instance_socket(const struct cli_options *o, char ret[108]) {
    struct ip ip;
    uint16_t port;
    const char *address = instance_admin(o);
    if (admin_parse_address(str_of(address), &ip, &port) != OK || !port) {
        return options_refuse(o->command, "%s \"%s\" is no address: 127.0.0.1:9901, [::1]:9901, :9901",
                              options_has(o, "admin") ? "--admin" : "POSTERN_ADMIN", address);
    }
    admin_socket_path(&ip, port, ret);
    return OK;
}

err instance_service_socket(const char *path, char ret[108]) {
    int n = snprintf(ret, 108, "/run/postern%s", strrchr(path, '/'));
    return n > 0 && n < 108 ? OK : ERR_LIMIT;
}

bool instance_get(const struct cli_options *o, str page, uint16_t *ret_status, struct buf *ret_body,
                  int *ret_exit) {
    char path[108], service_path[108];
    *ret_exit = CLI_USAGE;
    if (instance_socket(o, path) != OK) return false;
    errno = 0;
    err e = admin_get(path, page, ret_status, ret_body);
    int why = errno;
    if (e == ERR_IO && (why == ENOENT || why == ECONNREFUSED) &&
        instance_service_socket(path, service_path) == OK &&
        admin_get(service_path, page, ret_status, ret_body) == OK)
        e = OK;
    errno = why;
    *ret_exit = CLI_NO;
    if (e == OK) return true;
    if (e == ERR_REFUSED) {
        fprintf(stderr, "postern %s: the control socket %s belongs to another user's process.\n",
                o->command->name, path);
    } else if (e == ERR_IO) {
        say_nobody(o, path, instance_admin(o), errno);
    } else {
        fprintf(stderr, "postern %s: the answer on %s can not be read (%s); are both of one version?\n",
                o->command->name, path, base_err_name(e));
    }
    return false;
}
