/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kube_curl.h"

#include <dlfcn.h>

enum { VERSION_MIN = 0x074D00 }; /* 7.77: certificates from memory (CURLOPT_CAINFO_BLOB) */

static const struct {
    const char *name;
    size_t at;
} functions[] = {
    {"curl_global_init", offsetof(struct kube_curl, global_init)},
    {"curl_easy_init", offsetof(struct kube_curl, easy_init)},
    {"curl_easy_setopt", offsetof(struct kube_curl, easy_setopt)},
    {"curl_easy_getinfo", offsetof(struct kube_curl, easy_getinfo)},
    {"curl_easy_cleanup", offsetof(struct kube_curl, easy_cleanup)},
    {"curl_easy_strerror", offsetof(struct kube_curl, easy_strerror)},
    {"curl_slist_append", offsetof(struct kube_curl, slist_append)},
    {"curl_slist_free_all", offsetof(struct kube_curl, slist_free_all)},
    {"curl_multi_init", offsetof(struct kube_curl, multi_init)},
    {"curl_multi_setopt", offsetof(struct kube_curl, multi_setopt)},
    {"curl_multi_add_handle", offsetof(struct kube_curl, multi_add_handle)},
    {"curl_multi_remove_handle", offsetof(struct kube_curl, multi_remove_handle)},
    {"curl_multi_socket_action", offsetof(struct kube_curl, multi_socket_action)},
    {"curl_multi_info_read", offsetof(struct kube_curl, multi_info_read)},
    {"curl_multi_assign", offsetof(struct kube_curl, multi_assign)},
    {"curl_multi_cleanup", offsetof(struct kube_curl, multi_cleanup)},
    {"curl_version_info", offsetof(struct kube_curl, version_info)},
};

err kube_curl_load(struct kube_curl *ret, struct buf *why) {
    struct kube_curl c = {0};
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        buf_printf(why, "libcurl.so.4 can not be loaded (%s); install it: the package libcurl4", dlerror());
        return ERR_ABSENT;
    }
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        void *f = dlsym(library, functions[i].name);
        if (!f) {
            buf_printf(why, "libcurl.so.4 has no %s; install libcurl 7.77 or later", functions[i].name);
            return ERR_PROTO;
        }
        memcpy((char *)&c + functions[i].at, &f, sizeof f);
    }
    const curl_version_info_data *v = c.version_info(CURLVERSION_NOW);
    if (v->version_num < VERSION_MIN || !(v->features & CURL_VERSION_SSL) ||
        !(v->features & CURL_VERSION_HTTP2)) {
        buf_printf(why, "libcurl %s is not fit: 7.77 or later with TLS and HTTP/2 is needed", v->version);
        return ERR_PROTO;
    }
    if (c.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        buf_printf(why, "libcurl %s can not be started", v->version);
        return ERR_PROTO;
    }
    *ret = c;
    return OK;
}
