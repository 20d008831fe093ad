/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <curl/curl.h>

#include "base/buf.h"

/* libcurl, loaded when the first client is made rather than when the program starts, so that a process that follows files does
 * not pay for it. The functions that are used, under their names without "curl_". */
struct kube_curl {
    typeof(&curl_global_init) global_init;
    typeof(&curl_easy_init) easy_init;
    typeof(&(curl_easy_setopt)) easy_setopt;
    typeof(&(curl_easy_getinfo)) easy_getinfo;
    typeof(&curl_easy_cleanup) easy_cleanup;
    typeof(&curl_easy_strerror) easy_strerror;
    typeof(&curl_slist_append) slist_append;
    typeof(&curl_slist_free_all) slist_free_all;
    typeof(&curl_multi_init) multi_init;
    typeof(&(curl_multi_setopt)) multi_setopt;
    typeof(&curl_multi_add_handle) multi_add_handle;
    typeof(&curl_multi_remove_handle) multi_remove_handle;
    typeof(&curl_multi_socket_action) multi_socket_action;
    typeof(&curl_multi_info_read) multi_info_read;
    typeof(&curl_multi_assign) multi_assign;
    typeof(&curl_multi_cleanup) multi_cleanup;
    typeof(&curl_version_info) version_info;
};
/* ERR_ABSENT: it is not installed; ERR_PROTO: too old, or without TLS or HTTP/2. *why then tells what to do. It stays loaded. */
err kube_curl_load(struct kube_curl *ret, struct buf *why);
