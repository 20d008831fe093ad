/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_msg.h"

static const str names[] = {
    [HTTP_METHOD_OTHER] = {"", 0},   [HTTP_GET] = {"GET", 3},         [HTTP_HEAD] = {"HEAD", 4},
    [HTTP_POST] = {"POST", 4},       [HTTP_PUT] = {"PUT", 3},         [HTTP_DELETE] = {"DELETE", 6},
    [HTTP_CONNECT] = {"CONNECT", 7}, [HTTP_OPTIONS] = {"OPTIONS", 7}, [HTTP_TRACE] = {"TRACE", 5},
    [HTTP_PATCH] = {"PATCH", 5},
};

str http_method_name(enum http_method m) { return names[m]; }

/* Methods are compared with case [RFC 9110 9.1]. */
enum http_method http_method_of(str method) {
    enum http_method m = HTTP_METHOD_OTHER;
    if (method.n < 3) return m;
    switch (method.n) {
    case 3: m = method.p[0] == 'G' ? HTTP_GET : HTTP_PUT; break;
    case 4: m = method.p[0] == 'P' ? HTTP_POST : HTTP_HEAD; break;
    case 5: m = method.p[0] == 'P' ? HTTP_PATCH : HTTP_TRACE; break;
    case 6: m = HTTP_DELETE; break;
    case 7: m = method.p[0] == 'C' ? HTTP_CONNECT : HTTP_OPTIONS; break;
    default: break;
    }
    return m && memcmp(method.p, names[m].p, method.n) == 0 ? m : HTTP_METHOD_OTHER;
}
