/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* What this binary serves: one table, from which supportedFeatures is told and by which resolve/ refuses.
 * X(ID, "name in supportedFeatures" or NULL, served, "what a message calls it", "what to do instead") */
#define FEATURES(X)                                                                                          \
    X(GATEWAY, "Gateway", 1, NULL, NULL)                                                                     \
    X(REFERENCE_GRANT, "ReferenceGrant", 1, NULL, NULL)                                                      \
    X(HTTP_ROUTE, "HTTPRoute", 1, NULL, NULL)                                                                \
    X(ADDRESS_EMPTY, "GatewayAddressEmpty", 1, NULL, NULL)                                                   \
    X(ISOLATION, "GatewayHTTPListenerIsolation", 1, NULL, NULL)                                              \
    X(MISDIRECTED, "GatewayHTTPSListenerDetectMisdirectedRequests", 1, NULL, NULL)                           \
    X(PORT_8080, "GatewayPort8080", 1, NULL, NULL)                                                           \
    X(HOST_PRECEDENCE, "GatewayRouteHostnameIntersectionPrecedence", 1, NULL, NULL)                          \
    X(STATIC_ADDRESSES, "GatewayStaticAddresses", 1, NULL, NULL)                                             \
    X(STATUS_303, "HTTPRoute303RedirectStatusCode", 1, NULL, NULL)                                           \
    X(STATUS_307, "HTTPRoute307RedirectStatusCode", 1, NULL, NULL)                                           \
    X(STATUS_308, "HTTPRoute308RedirectStatusCode", 1, NULL, NULL)                                           \
    X(BACKEND_HEADERS, "HTTPRouteBackendRequestHeaderModification", 1, NULL, NULL)                           \
    X(BACKEND_TIMEOUT, "HTTPRouteBackendTimeout", 1, NULL, NULL)                                             \
    X(BACKEND_REWRITE, "HTTPRouteBackendURLRewrite", 1, NULL, NULL)                                          \
    X(HOST_REWRITE, "HTTPRouteHostRewrite", 1, NULL, NULL)                                                   \
    X(METHOD, "HTTPRouteMethodMatching", 1, NULL, NULL)                                                      \
    X(RULE_NAME, "HTTPRouteNamedRouteRule", 1, NULL, NULL)                                                   \
    X(PARENT_PORT, "HTTPRouteParentRefPort", 1, NULL, NULL)                                                  \
    X(PATH_REDIRECT, "HTTPRoutePathRedirect", 1, NULL, NULL)                                                 \
    X(PATH_REWRITE, "HTTPRoutePathRewrite", 1, NULL, NULL)                                                   \
    X(PORT_REDIRECT, "HTTPRoutePortRedirect", 1, NULL, NULL)                                                 \
    X(QUERY, "HTTPRouteQueryParamMatching", 1, NULL, NULL)                                                   \
    X(REQUEST_TIMEOUT, "HTTPRouteRequestTimeout", 1, NULL, NULL)                                             \
    X(RESPONSE_HEADERS, "HTTPRouteResponseHeaderModification", 1, NULL, NULL)                                \
    X(SCHEME_REDIRECT, "HTTPRouteSchemeRedirect", 1, NULL, NULL)                                             \
    X(PATH_REGEX, NULL, 0, "path matches of type RegularExpression", "use Exact or PathPrefix")              \
    X(HEADER_REGEX, NULL, 0, "header matches of type RegularExpression", "use Exact")                        \
    X(QUERY_REGEX, NULL, 0, "query parameter matches of type RegularExpression", "use Exact")                \
    X(MIRROR, "HTTPRouteRequestMirror", 0, "the filter RequestMirror", "remove the filter")                  \
    X(CORS, "HTTPRouteCORS", 0, "the filter CORS", "remove the filter")                                      \
    X(EXTERNAL_AUTH, NULL, 0, "the filter ExternalAuth", "remove the filter")                                \
    X(EXTENSION_REF, NULL, 0, "the filter ExtensionRef", "remove the filter")                                \
    X(BACKEND_REDIRECT, NULL, 0, "the filter RequestRedirect on a backendRef",                               \
      "move the filter to a rule without backendRefs")                                                       \
    X(RETRY, "HTTPRouteRetryCodes", 0, "retry", "remove the field")                                          \
    X(SESSION, NULL, 0, "sessionPersistence", "remove the field")                                            \
    X(H2C, "HTTPRouteBackendProtocolH2C", 0, "the appProtocol kubernetes.io/h2c",                            \
      "give the Service a port that speaks HTTP/1.1 and leave appProtocol out")                              \
    X(WEBSOCKET, "HTTPRouteBackendProtocolWebSocket", 0, "the appProtocol kubernetes.io/ws",                 \
      "give the Service a port that speaks HTTP/1.1 and leave appProtocol out")                              \
    X(WEBSOCKET_TLS, NULL, 0, "the appProtocol kubernetes.io/wss",                                           \
      "give the Service a port that speaks HTTP/1.1 and leave appProtocol out")                              \
    X(DEFAULT_GATEWAYS, NULL, 0, "default Gateways", "name the Gateway in spec.parentRefs")                  \
    X(LISTENER_SET, "ListenerSet", 0, "ListenerSets", "remove the field or set from: None")                  \
    X(FRONTEND_TLS, "GatewayFrontendClientCertificateValidation", 0, "validation of client certificates",    \
      "remove the field")                                                                                    \
    X(BACKEND_CLIENT, "GatewayBackendClientCertificate", 0, "client certificates towards backends",          \
      "remove the field")                                                                                    \
    X(LISTENER_FILTERS, "GatewayListenerFilters", 0, "filters of listeners", "remove the field")             \
    X(ROUTABILITY, "GatewayAddressRoutability", 0, "routability of addresses", "remove the field")

#define FEATURE_ID(id, name, served, what, remedy) FEATURE_##id,
enum feature { FEATURES(FEATURE_ID) FEATURE_COUNT };
#undef FEATURE_ID

bool features_served(enum feature f);
str features_what(enum feature f);
str features_remedy(enum feature f);
/* The i-th name for supportedFeatures, in order of names; not given past the end. */
str features_supported(unsigned i);
