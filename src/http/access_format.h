/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/arena.h"
#include "http/access.h"

/* Formats of the access log, as `serve --access-log` and the setting accessLog name them: off, json, text, or a template,
 *     %{client} "%{method} %{path}%{query}" %{status} %{total_us:ms} %{request.header.referer} %{path:json}
 * with fields of access.h, and fields of the two heads. %% is a percent sign. */
enum access_form {
    ACCESS_AS_USUAL, /* the Gateway says nothing: as the process does it */
    ACCESS_OFF,
    ACCESS_JSON,
    ACCESS_TEXT,
    ACCESS_OWN, /* a template */
};
enum { ACCESS_TEMPLATE_BYTES_MAX = 4096 };
struct access_fault { /* what is wrong with a template, and where: bytes from its start */
    size_t at;
    str message, remedy; /* in the arena */
};
/* *ret_program lives in a; not given for the forms that have names. ERR_PROTO: *fault. */
err access_format_parse(struct arena *a, str text, enum access_form *ret_form, str *ret_program,
                        struct access_fault *fault);
/* Does a program print the field? */
bool access_format_tells(str program, enum access_field_id id);
/* The programs of the forms with names. */
str access_format_json(struct arena *a);
str access_format_text(struct arena *a);
