/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "base/arena.h"

/* Where things are on an API server. Every segment is escaped. */
/* "/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUB" ("/api/v1/..." for the core group ""); what is "" or not given is left
 * out, from the right: a collection, an object, a subresource. In a. */
str kube_path(struct arena *a, str group, str version, str plural, str ns, str name, str sub);
/* Of an object that we have, in the version it was read in: sub is "status" or "". */
str kube_path_object(struct arena *a, const struct object *o, str sub);
/* Appends "key=value" with the value escaped, with '&' before it when *query is not empty. In a. */
str kube_path_query(struct arena *a, str query, const char *key, str value);
