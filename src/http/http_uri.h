/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_msg.h"

/* Splits "host:port": *ret_host in lower case (in a, or the same bytes when they are so already; brackets of IPv6 kept, one trailing dot
 * dropped), *ret_port 0 when there is none. "" is a host that was not named. ERR_PROTO when it is no uri-host [ ":" port ]
 * [RFC 3986 3.2.2] [RFC 9110 7.2]; a name is read as one of the DNS: userinfo, percent-encoding, sub-delims and empty labels are refused,
 * for no listener can name them and readers differ about them. */
err http_uri_split_authority(struct arena *a, str authority, str *ret_host, uint16_t *ret_port);
/* Whether http_uri_split_authority() takes it. */
bool http_uri_authority_ok(str authority);
/* The path policy: what routing sees and the backend gets. Percent-encoded unreserved characters are decoded, dot segments removed,
 * %2F stays, hexadecimal digits of what stays become upper case; "*" is returned as it is; ERR_PROTO for NUL (%00), a backslash (raw or %5C), a byte that no URI has, a bad escape, or dot segments above the root [RFC 3986 6.2.2].
 * Returns the path itself, uncopied, when it is already so (the usual case). */
err http_uri_normal_path(struct arena *a, str path, str *ret_path);
/* The first value of a query parameter by exact name, percent-decoded ("+" stays), in a; not given when absent. query begins with "?" or is "". */
str http_uri_query_param(struct arena *a, str query, str name);
/* The query without the parameters of that name, and with one of it: where the first stood, else at the end. In a, percent-encoded as far as
 * it must be. */
str http_uri_query_without(struct arena *a, str query, str name);
str http_uri_query_with(struct arena *a, str query, str name, str value);
