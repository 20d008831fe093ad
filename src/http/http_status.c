/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_msg.h"

/* [RFC 9110 15] and the IANA registry of status codes. */
#define WORDS(status, text)                                                                                  \
    case status: return S(text)

static str reason_below_400(uint16_t status) {
    switch (status) {
        WORDS(100, "Continue");
        WORDS(101, "Switching Protocols");
        WORDS(103, "Early Hints");
        WORDS(200, "OK");
        WORDS(201, "Created");
        WORDS(202, "Accepted");
        WORDS(203, "Non-Authoritative Information");
        WORDS(204, "No Content");
        WORDS(205, "Reset Content");
        WORDS(206, "Partial Content");
        WORDS(207, "Multi-Status");
        WORDS(208, "Already Reported");
        WORDS(226, "IM Used");
        WORDS(300, "Multiple Choices");
        WORDS(301, "Moved Permanently");
        WORDS(302, "Found");
        WORDS(303, "See Other");
        WORDS(304, "Not Modified");
        WORDS(305, "Use Proxy");
        WORDS(307, "Temporary Redirect");
        WORDS(308, "Permanent Redirect");
    default: return S("");
    }
}

static str reason_of_client(uint16_t status) {
    switch (status) {
        WORDS(400, "Bad Request");
        WORDS(401, "Unauthorized");
        WORDS(402, "Payment Required");
        WORDS(403, "Forbidden");
        WORDS(404, "Not Found");
        WORDS(405, "Method Not Allowed");
        WORDS(406, "Not Acceptable");
        WORDS(407, "Proxy Authentication Required");
        WORDS(408, "Request Timeout");
        WORDS(409, "Conflict");
        WORDS(410, "Gone");
        WORDS(411, "Length Required");
        WORDS(412, "Precondition Failed");
        WORDS(413, "Content Too Large");
        WORDS(414, "URI Too Long");
        WORDS(415, "Unsupported Media Type");
        WORDS(416, "Range Not Satisfiable");
        WORDS(417, "Expectation Failed");
        WORDS(421, "Misdirected Request");
        WORDS(422, "Unprocessable Content");
        WORDS(423, "Locked");
        WORDS(424, "Failed Dependency");
        WORDS(425, "Too Early");
        WORDS(426, "Upgrade Required");
        WORDS(428, "Precondition Required");
        WORDS(429, "Too Many Requests");
        WORDS(431, "Request Header Fields Too Large");
        WORDS(451, "Unavailable For Legal Reasons");
    default: return S("");
    }
}

static str reason_of_server(uint16_t status) {
    switch (status) {
        WORDS(500, "Internal Server Error");
        WORDS(501, "Not Implemented");
        WORDS(502, "Bad Gateway");
        WORDS(503, "Service Unavailable");
        WORDS(504, "Gateway Timeout");
        WORDS(505, "HTTP Version Not Supported");
        WORDS(506, "Variant Also Negotiates");
        WORDS(507, "Insufficient Storage");
        WORDS(508, "Loop Detected");
        WORDS(511, "Network Authentication Required");
    default: return S("");
    }
}

str http_status_reason(uint16_t status) {
    if (status < 400) return reason_below_400(status);
    return status < 500 ? reason_of_client(status) : reason_of_server(status);
}
