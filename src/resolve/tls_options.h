/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "resolve/resolver.h"

struct str_map;
/* tls.options of a listener: versions and ciphers, by keys of ours. Sets l->tls_min, tls_max and ciphers; UnsupportedValue for a key or a value
 * that is not known, or options that leave nothing to agree on.                          [GW ListenerTLSConfig.options] */
struct verdict tls_options_judge(struct arena *a, struct listener_state *l, const struct str_map *options);
