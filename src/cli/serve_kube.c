/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_kube.h"

#include <unistd.h>

#include "api/pattern.h"
#include "base/ip.h"

enum { NAMESPACE_BYTES_MAX = 63, ADDRESSES_MAX = 8 };

static str from_env(const char *name, const char *otherwise) {
    const char *v = getenv(name);
    return str_of(v && *v ? v : otherwise);
}

/* Addresses with ',' between them, as Kubernetes gives status.podIPs to a pod. */
static err read_addresses(const struct cli_options *o, const char *name, str *to, uint32_t *ret_n) {
    str rest = from_env(name, "");
    while (rest.n) {
        struct ip ip;
        str one = str_cut(&rest, ',');
        if (ip_parse(one, &ip) != OK || *ret_n == ADDRESSES_MAX)
            return options_refuse(o->command, "$%s has \"" STR_FMT "\", which is no address, as in 10.1.2.3",
                                  name, STR_ARG(one));
        to[(*ret_n)++] = one;
    }
    return OK;
}

static err read_namespaces(const struct cli_options *o, struct serve_kube *k) {
    size_t n;
    const char **given = options_all(o, "namespace", &n);
    err e = OK;
    k->words = base_zalloc((n + 2 * ADDRESSES_MAX) * sizeof *k->words);
    for (size_t i = 0; i < n && e == OK; i++) {
        str ns = k->words[i] = str_of(given[i]);
        if (ns.n > NAMESPACE_BYTES_MAX || !pattern_label.holds(ns))
            e = options_refuse(o->command, "--namespace \"%s\" is no namespace's name", given[i]);
    }
    free((void *)given);
    k->config.namespaces = k->words;
    k->config.namespaces_n = n;
    return e;
}

static err read_type(const struct cli_options *o, struct serve_kube *k) {
    const char *names[ADDRESS_TYPE_COUNT + 1] = {0};
    for (enum address_type t = 0; t < ADDRESS_TYPE_COUNT; t++) names[t] = address_book_type_name(t);
    size_t choice;
    TRY(options_choice(o, "gateway-service", names, &choice));
    k->config.type = (enum address_type)choice;
    return OK;
}

/* Several installations in one namespace have a lease each. */
static err read_lease(const struct cli_options *o, struct serve_kube *k) {
    const char *name = options_get(o, "lease", "postern");
    k->config.lease = str_of(name);
    if (k->config.lease.n && pattern_subdomain.holds(k->config.lease)) return OK;
    return options_refuse(o->command, "--lease \"%s\" is no object's name, as in postern-edge", name);
}

/* --kube follows an API server alone, and what is for it is for nothing else. */
static err check_alone(const struct cli_options *o, bool kube) {
    static const char *const ours[] = {"kubeconfig", "context", "namespace", "gateway-service", "lease"};
    static const char *const files[] = {"file", "infra", "tenant", "tenant-endpoints", "tls", "map-port"};
    for (size_t i = 0; i < COUNT_OF(ours) && !kube; i++)
        if (options_has(o, ours[i]))
            return options_refuse(o->command, "--%s is given without --kube", ours[i]);
    for (size_t i = 0; i < COUNT_OF(files) && kube; i++)
        if (options_has(o, files[i]))
            return options_refuse(
                o->command, "--%s is for manifests in files; with --kube objects come from the API server",
                files[i]);
    if (kube && o->args_n)
        return options_refuse(o->command, "\"%s\" is one argument too many beside --kube", o->args[0]);
    return OK;
}

err serve_kube_read(const struct cli_options *o, struct serve_kube *k, bool *ret_given) {
    *k = (struct serve_kube){0};
    *ret_given = options_has(o, "kube");
    TRY(check_alone(o, *ret_given));
    if (!*ret_given) return OK;
    TRY(read_lease(o, k));
    TRY(read_namespaces(o, k));
    TRY(read_type(o, k));
    struct cluster_config *c = &k->config;
    c->kubeconfig = options_get(o, "kubeconfig", NULL);
    c->context = options_get(o, "context", NULL);
    const char *pod = getenv("POD_NAME");
    char host[128] = "";
    gethostname(host, sizeof host - 1);
    if (pod && *pod)
        snprintf(k->identity, sizeof k->identity, "%s", pod);
    else
        snprintf(k->identity, sizeof k->identity, "%s-%d", host, (int)getpid());
    c->identity = k->identity;
    c->pod_namespace = from_env("POD_NAMESPACE", "");
    c->pod_service = from_env("POD_SERVICE", "postern");
    str *at = k->words + c->namespaces_n;
    TRY(read_addresses(o, "POD_IPS", at, &c->pod_ips_n));
    if (!c->pod_ips_n) TRY(read_addresses(o, "POD_IP", at, &c->pod_ips_n));
    c->pod_ips = at;
    at += ADDRESSES_MAX;
    TRY(read_addresses(o, "HOST_IPS", at, &c->host_ips_n));
    if (!c->host_ips_n) TRY(read_addresses(o, "HOST_IP", at, &c->host_ips_n));
    c->host_ips = at;
    return OK;
}

void serve_kube_rename(struct serve_kube *k, uint32_t upgrades) {
    size_t n = strlen(k->identity);
    snprintf(k->identity + n, sizeof k->identity - n, "-%u", upgrades);
}

void serve_kube_fini(struct serve_kube *k) { free(k->words); }
