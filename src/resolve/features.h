/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/str.h"

/* What this binary serves: one table, from which supportedFeatures is told and by which resolve/ refuses.
 * X(ID, "name in supportedFeatures" or NULL, how far it goes, "what a message calls it", "what to do instead")
 * REFUSED: not even resolved.  RESOLVED: the plan carries it, the data plane does not yet: refused unless facts ask for it.
 * SERVED: all the way. */
enum feature_reach { FEATURES_REFUSED, FEATURES_RESOLVED, FEATURES_SERVED };
#define FEATURES(X)                                                                                          \
    X(GATEWAY, "Gateway", SERVED, NULL, NULL)                                                                \
    X(REFERENCE_GRANT, "ReferenceGrant", SERVED, NULL, NULL)                                                 \
    X(HTTP_ROUTE, "HTTPRoute", SERVED, NULL, NULL)                                                           \
    X(INFRASTRUCTURE, "GatewayInfrastructure", RESOLVED, /* served where Services carry it */                \
      "labels and annotations of what is made for a Gateway", "leave them out")                              \
    X(ADDRESS_EMPTY, "GatewayAddressEmpty", SERVED, NULL, NULL)                                              \
    X(ISOLATION, "GatewayHTTPListenerIsolation", SERVED, NULL, NULL)                                         \
    X(MISDIRECTED, "GatewayHTTPSListenerDetectMisdirectedRequests", SERVED, NULL, NULL)                      \
    X(PORT_8080, "GatewayPort8080", SERVED, NULL, NULL)                                                      \
    X(HOST_PRECEDENCE, "GatewayRouteHostnameIntersectionPrecedence", SERVED, NULL, NULL)                     \
    X(STATIC_ADDRESSES, "GatewayStaticAddresses", SERVED, NULL, NULL)                                        \
    X(STATUS_303, "HTTPRoute303RedirectStatusCode", SERVED, NULL, NULL)                                      \
    X(STATUS_307, "HTTPRoute307RedirectStatusCode", SERVED, NULL, NULL)                                      \
    X(STATUS_308, "HTTPRoute308RedirectStatusCode", SERVED, NULL, NULL)                                      \
    X(BACKEND_HEADERS, "HTTPRouteBackendRequestHeaderModification", SERVED, NULL, NULL)                      \
    X(BACKEND_TIMEOUT, "HTTPRouteBackendTimeout", SERVED, NULL, NULL)                                        \
    X(BACKEND_REWRITE, "HTTPRouteBackendURLRewrite", SERVED, NULL, NULL)                                     \
    X(HOST_REWRITE, "HTTPRouteHostRewrite", SERVED, NULL, NULL)                                              \
    X(METHOD, "HTTPRouteMethodMatching", SERVED, NULL, NULL)                                                 \
    X(RULE_NAME, "HTTPRouteNamedRouteRule", SERVED, NULL, NULL)                                              \
    X(PARENT_PORT, "HTTPRouteParentRefPort", SERVED, NULL, NULL)                                             \
    X(DESTINATION_PORT, "HTTPRouteDestinationPortMatching", SERVED, NULL, NULL)                              \
    X(PATH_REDIRECT, "HTTPRoutePathRedirect", SERVED, NULL, NULL)                                            \
    X(PATH_REWRITE, "HTTPRoutePathRewrite", SERVED, NULL, NULL)                                              \
    X(PORT_REDIRECT, "HTTPRoutePortRedirect", SERVED, NULL, NULL)                                            \
    X(QUERY, "HTTPRouteQueryParamMatching", SERVED, NULL, NULL)                                              \
    X(REQUEST_TIMEOUT, "HTTPRouteRequestTimeout", SERVED, NULL, NULL)                                        \
    X(RESPONSE_HEADERS, "HTTPRouteResponseHeaderModification", SERVED, NULL, NULL)                           \
    X(SCHEME_REDIRECT, "HTTPRouteSchemeRedirect", SERVED, NULL, NULL)                                        \
    X(PATH_REGEX, NULL, SERVED, "path matches of type RegularExpression", "use Exact or PathPrefix")         \
    X(HEADER_REGEX, NULL, SERVED, "header matches of type RegularExpression", "use Exact")                   \
    X(QUERY_REGEX, NULL, SERVED, "query parameter matches of type RegularExpression", "use Exact")           \
    X(MIRROR, "HTTPRouteRequestMirror", SERVED, NULL, NULL)                                                  \
    X(MIRRORS, "HTTPRouteRequestMultipleMirrors", SERVED, NULL, NULL)                                        \
    X(MIRROR_PERCENT, "HTTPRouteRequestPercentageMirror", SERVED, NULL, NULL)                                \
    X(CORS, "HTTPRouteCORS", SERVED, "the filter CORS", "remove the filter")                                 \
    X(EXTERNAL_AUTH, NULL, SERVED, "the filter ExternalAuth", "remove the filter")                           \
    X(EXTERNAL_AUTH_GRPC, NULL, SERVED, "the filter ExternalAuth with protocol GRPC", "use HTTP")            \
    X(EXTERNAL_AUTH_BODY, NULL, SERVED, "forwardBody of the filter ExternalAuth", "remove the field")        \
    X(EXTENSION_REF, NULL, REFUSED, "the filter ExtensionRef", "remove the filter")                          \
    X(BACKEND_REDIRECT, NULL, SERVED, "the filter RequestRedirect on a backendRef",                          \
      "move the filter to a rule without backendRefs")                                                       \
    X(RETRY, "HTTPRouteRetryCodes", SERVED, NULL, NULL)                                                      \
    X(RETRY_CONNECTION, "HTTPRouteRetryConnectionError", SERVED, NULL, NULL)                                 \
    X(RETRY_BACKOFF, NULL, SERVED, NULL, NULL)                                                               \
    X(SESSION, NULL, SERVED, "sessionPersistence", "remove the field")                                       \
    X(H2C, "HTTPRouteBackendProtocolH2C", SERVED, NULL, NULL)                                                \
    X(WEBSOCKET, "HTTPRouteBackendProtocolWebSocket", SERVED, NULL, NULL)                                    \
    X(WEBSOCKET_TLS, NULL, SERVED, NULL, NULL)                                                               \
    X(DEFAULT_GATEWAYS, NULL, SERVED, "default Gateways", "name the Gateway in spec.parentRefs")             \
    X(LISTENER_SET, "ListenerSet", SERVED, NULL, NULL)                                                       \
    X(FRONTEND_TLS, "GatewayFrontendClientCertificateValidation", SERVED, NULL, NULL)                        \
    X(FRONTEND_LENIENT, "GatewayFrontendClientCertificateValidationInsecureFallback", SERVED, NULL, NULL)    \
    X(BACKEND_CLIENT, "GatewayBackendClientCertificate", SERVED, NULL, NULL)                                 \
    X(LISTENER_FILTERS, "GatewayListenerFilters", SERVED, "filters of listeners", "remove the field")        \
    X(GRPC_ROUTE, "GRPCRoute", RESOLVED, "GRPCRoutes", "remove the route")                                   \
    X(GRPC_RULE_NAME, "GRPCRouteNamedRouteRule", RESOLVED, "names of GRPCRoute rules", "remove the field")   \
    X(GRPC_HEADERS, "GRPCRouteRequestHeaderModifier", RESOLVED, "header filters of GRPCRoutes",              \
      "remove the filter")                                                                                   \
    X(CALL_REGEX, NULL, RESOLVED, "method matches of type RegularExpression", "use Exact")                   \
    X(TLS_ROUTE, "TLSRoute", RESOLVED, "TLSRoutes", "use HTTPS listeners and HTTPRoutes")                    \
    X(TLS_TERMINATE, "TLSRouteModeTerminate", RESOLVED, "TLS listeners that terminate",                      \
      "use HTTPS listeners and HTTPRoutes")                                                                  \
    X(TLS_MIXED, "TLSRouteModeMixed", RESOLVED, "Terminate and Passthrough on one port", "use two ports")    \
    X(TCP_ROUTE, "TCPRoute", RESOLVED, "TCPRoutes", "remove the route")                                      \
    X(UDP_ROUTE, "UDPRoute", RESOLVED, "UDPRoutes", "remove the route")                                      \
    X(BACKEND_TLS, "BackendTLSPolicy", SERVED, NULL, NULL)                                                   \
    X(BACKEND_TLS_NAMES, "BackendTLSPolicySANValidation", SERVED, NULL, NULL)                                \
    X(TRUST_BUNDLE, "ClusterTrustBundle", SERVED, NULL, NULL)                                                \
    X(XBACKEND, NULL, SERVED, "XBackends", "use a Service")                                                  \
    X(XBACKEND_EXTERNAL, NULL, SERVED, "an external hostname", "use a Service")                              \
    X(XBACKEND_TLS, NULL, SERVED, "TLS of XBackends", "remove the field")                                    \
    X(XBACKEND_TRAFFIC, NULL, SERVED, "XBackendTrafficPolicies", "remove the policy")                        \
    X(XMESH, NULL, RESOLVED, "meshes", "remove the object")                                                  \
    X(XTELEMETRY, NULL, SERVED, "XTelemetryPolicies", "remove the policy")                                   \
    X(ROUTABILITY, "GatewayAddressRoutability", SERVED, "routability of addresses", "remove the field")      \
    X(ROUTABILITY_CLUSTER, "GatewayAddressRoutabilityCluster", RESOLVED, /* served where Services give it */ \
      "routability Cluster of addresses", "remove the field")

#define FEATURE_ID(id, name, served, what, remedy) FEATURE_##id,
enum feature { FEATURES(FEATURE_ID) FEATURE_COUNT };
#undef FEATURE_ID

struct facts;
/* By this binary, or because the facts say so. */
bool features_served(const struct facts *facts, enum feature f);
/* Takes all that is RESOLVED as served: for whoever looks at the plan alone. */
void features_enable_all(struct facts *facts);
/* What a cluster gives besides. */
void features_enable_cluster(struct facts *facts);
str features_what(enum feature f);
str features_remedy(enum feature f);
/* The least name for supportedFeatures that is greater than this one; not given past the last. "" begins. */
str features_next(const struct facts *facts, str after);
