/* SPDX-License-Identifier: Apache-2.0 */
/* Text formats, each a thin adapter to a library: YAML and JSON documents (libyaml), JSON of programs (jansson), expressions (PCRE2), base64, PEM, X.509 (OpenSSL).
 * In:    bytes.     Out: nodes with line and column, values, or where and why it is no such text.
 * Own:   the caller's arena. Doors beside this one: node.h yaml.h json.h regex.h base64.h x509.h x509_ocsp.h.
 * Never: a library's type in a header. */
#pragma once
#include "text/node.h"
