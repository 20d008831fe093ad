/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* Why a request ended the way it did: one table, in answers, logs, metrics and docs. X(ID, "name", status the gateway answers or 0, "words") */
#define HTTP_REASONS(X)                                                                                      \
    X(NONE, "-", 0, "answered by the backend")                                                               \
    X(REDIRECT, "redirect", 0, "answered by a RequestRedirect filter")                                       \
    X(PREFLIGHT, "cors_preflight", 0, "answered by a CORS filter")                                           \
    X(OPTIONS, "options", 200, "OPTIONS about the gateway itself, or with no forward left")                  \
    X(BAD_REQUEST, "bad_request", 400, "the request breaks HTTP")                                            \
    X(BAD_PATH, "bad_path", 400, "the path is refused by the path policy")                                   \
    X(BAD_HOST, "bad_host", 400, "the Host is missing, repeated or malformed")                               \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "the request did not arrive in time")                         \
    X(BODY_TOO_LARGE, "body_too_large", 413, "the body is over the limit")                                   \
    X(URI_TOO_LONG, "uri_too_long", 414, "the request line is over the limit")                               \
    X(EXPECTATION_FAILED, "expectation_failed", 417, "an Expect that is not 100-continue")                   \
    X(MISDIRECTED, "misdirected", 421, "the authority belongs to another listener than the TLS server name") \
    X(HEAD_TOO_LARGE, "head_too_large", 431, "the head is over the limit")                                   \
    X(NO_LISTENER, "no_listener", 404, "no listener takes this host on this port")                           \
    X(NO_ROUTE, "no_route", 404, "no rule of an attached route matches")                                     \
    X(INVALID_BACKEND, "invalid_backend", 500, "the rule's backendRef is invalid or not permitted")          \
    X(EXPRESSION_LIMIT, "expression_limit", 500,                                                             \
      "a regular expression of a rule that keeps requests out was given up at its bound")                    \
    X(NO_BACKEND, "no_backend", 500, "the rule has no backendRef that takes traffic")                        \
    X(FILTER_FAILED, "filter_failed", 500, "a filter made a message that can not be sent")                   \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "the request asks for what this gateway does not serve")      \
    X(BACKEND_REFUSED, "backend_refused", 502, "no connection to the backend could be made")                 \
    X(BACKEND_RESET, "backend_reset", 502, "the backend closed or reset before a whole response head")       \
    X(BACKEND_PROTOCOL, "backend_protocol", 502, "the backend's response breaks HTTP")                       \
    X(BACKEND_NO_UPGRADE, "backend_no_upgrade", 502, "the backend does not go over to WebSocket")            \
    X(BACKEND_TLS, "backend_tls", 502, "no TLS connection to the backend could be made")                     \
    X(BACKEND_INVALID, "backend_invalid", 503,                                                               \
      "how the backend is to be reached is not valid: see its policy")                                       \
    X(NO_ENDPOINTS, "no_endpoints", 503, "the backend has no ready endpoint")                                \
    X(BACKEND_OVERLOADED, "backend_overloaded", 503,                                                         \
      "the backend has all the connections it may have, and its queue is full or too slow")                  \
    X(OVERLOAD, "overload", 503, "a limit of this gateway was reached")                                      \
    X(DRAINING, "draining", 503, "the gateway is ending")                                                    \
    X(AUTH_UNAVAILABLE, "auth_unavailable", 503, "the authorization server gave no answer")                  \
    X(AUTH_DENIED, "auth_denied", 0, "the authorization server said no, and its answer was passed on")       \
    X(RETRY_BUDGET, "retry_budget", 503, "the backend's budget of retries is used up")                       \
    X(BACKEND_TIMEOUT, "backend_timeout", 504, "the backend did not answer in time")                         \
    X(BACKEND_CUT, "backend_cut", 0, "the backend ended in the middle of its response")                      \
    X(TUNNEL_IDLE, "tunnel_idle", 0, "nothing moved on the upgraded connection")                             \
    X(CLIENT_GONE, "client_gone", 0, "the client went before the response was complete")                     \
    X(CLIENT_SLOW, "client_slow", 0, "the client took the response too slowly")                              \
    X(VERSION, "version", 505, "an HTTP version that is not served")                                         \
    X(LOOP, "loop", 508, "the request has come by this gateway before: its Via names it")                    \
    X(TLS_HANDSHAKE, "tls_handshake", 0, "there was no request: the client's TLS handshake failed")
#define HTTP_REASON_ID(id, name, status, words) REASON_##id,
enum http_reason { HTTP_REASONS(HTTP_REASON_ID) HTTP_REASON_COUNT };
#undef HTTP_REASON_ID
str http_reason_name(enum http_reason r);
uint16_t http_reason_status(enum http_reason r);
str http_reason_words(enum http_reason r);
