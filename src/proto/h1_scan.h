/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "http/http_reason.h"

/* Where the lines of a head (or of trailers) end. One pass finds them and refuses every byte that no line may have: controls but HTAB, and
 * CR and LF but as a pair [RFC 9112 2.2]. It goes on where it stopped when more bytes come, with the same outcome for any cut. */
struct h1_section {
    uint32_t *ends; /* of each line: where its CRLF begins; room for lines_max */
    uint32_t lines, lines_max;
    uint32_t bytes_max; /* of the section, its last CRLF too */
    uint32_t first_max; /* of the first line without its CRLF */
    uint32_t at;        /* bytes that were looked at */
    uint32_t handled;   /* before this no line break is new */
};
/* OK: an empty line ended the section, which has *ret_n bytes. ERR_AGAIN: all of p was looked at, or all but a CR.
 * ERR_PROTO, ERR_LIMIT: with *ret_why as for a request. p begins with the section's first byte, at each call. */
err h1_scan_section(struct h1_section *s, const char *p, size_t n, size_t *ret_n, enum http_reason *ret_why);
err h1_scan_section_plain(struct h1_section *s, const char *p, size_t n, size_t *ret_n,
                          enum http_reason *ret_why);

/* Bytes that the scans below may read (and not use) behind the CR that ends them. */
enum { H1_SCAN_PADDING = 16 };
/* The first byte that is no tchar. */
const char *h1_scan_name(const char *p);
const char *h1_scan_name_plain(const char *p);
/* The first byte that a request target may not have, or "?". */
const char *h1_scan_target(const char *p);
const char *h1_scan_target_plain(const char *p);
