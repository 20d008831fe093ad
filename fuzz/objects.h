/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests made of a fuzzer's bytes: each byte chooses among a few names, namespaces, hostnames, ports, kinds and references, so that objects meet each
 * other. One document is one line of YAML; most are valid, some are what the CRDs refuse. */
#pragma once
#include "api/api.h"
#include "base/buf.h"

struct dice {
    const uint8_t *p, *end;
    bool
        no_parameters; /* no parametersRef: what was good last holds while there is a data plane, so that not only the end matters */
};
/* 0 <= result < n; 0 once the bytes are used up. */
static inline unsigned roll(struct dice *d, unsigned n) { return d->p < d->end ? *d->p++ % n : 0; }
#define PICK(d, ...)                                                                                         \
    ({                                                                                                       \
        static const char *const words_[] = {__VA_ARGS__};                                                   \
        words_[roll((d), COUNT_OF(words_))];                                                                 \
    })

enum {
    OBJECTS_VALID_S = 1795417404,
    OBJECTS_EXPIRES_S = 1800601404
}; /* the first certificate's; the second's is a hundred years */
static const char *const objects_pem[][2] = {
    {"-----BEGIN CERTIFICATE-----\\n"
     "MIIBjTCCATSgAwIBAgIUKYv5iO/qsd4Ps5+VJOViKnkE42QwCgYIKoZIzj0EAwIw\\n"
     "DDEKMAgGA1UEAwwBczAeFw0yNjExMjMwNzAzMjRaFw0yNzAxMjIwNzAzMjRaMAwx\\n"
     "CjAIBgNVBAMMAXMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASnxX25L3mkoVV4\\n"
     "XCiGJLkN1SfZ8mdYTTH76FD6iY59HnlxZpsxtSL8b0Z2gL+CGp0w+sOv4Yw+jN0l\\n"
     "2VD5khjoo3QwcjAdBgNVHQ4EFgQUgaNe/yoykn9TcLLGuqkSjzsDbX4wHwYDVR0j\\n"
     "BBgwFoAUgaNe/yoykn9TcLLGuqkSjzsDbX4wDwYDVR0TAQH/BAUwAwEB/zAfBgNV\\n"
     "HREEGDAWgglhLmV4YW1wbGWCCSouZXhhbXBsZTAKBggqhkjOPQQDAgNHADBEAiAN\\n"
     "OtFRkV/d+JAvATWgMjGvmyOEiGJ88wum3ih+c/eaEQIgMuEa/vgIB4CSBcHGpO9j\\n"
     "Q+lLB/d7+sArvgNyIcZ3WXY=\\n"
     "-----END CERTIFICATE-----\\n",
     "-----BEGIN PRIVATE KEY-----\\n"
     "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOiaaTKCwFjOWElvJ\\n"
     "5MnlDfpFoti7fFvDmaQy0SDcpBGhRANCAASnxX25L3mkoVV4XCiGJLkN1SfZ8mdY\\n"
     "TTH76FD6iY59HnlxZpsxtSL8b0Z2gL+CGp0w+sOv4Yw+jN0l2VD5khjo\\n"
     "-----END PRIVATE KEY-----\\n"},
    {"-----BEGIN CERTIFICATE-----\\n"
     "MIIBkjCCATigAwIBAgIUFgT4JIejUNL3IMj++pNS/zTBdFUwCgYIKoZIzj0EAwIw\\n"
     "DDEKMAgGA1UEAwwBbDAgFw0yNjExMjMwNzAzMjRaGA8yMTI2MTAzMDA3MDMyNFow\\n"
     "DDEKMAgGA1UEAwwBbDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB3sJy1dKF8I\\n"
     "JDuV4GDavILhIDkXkXg+ytrXsWOG6EKdhL33SrIM3CqnaEq7l/KEV01f5JVAI+OO\\n"
     "M7z2lKagJEejdjB0MB0GA1UdDgQWBBTTP688GwfrhvVhXKQm8iy5/m4C9zAfBgNV\\n"
     "HSMEGDAWgBTTP688GwfrhvVhXKQm8iy5/m4C9zAPBgNVHRMBAf8EBTADAQH/MCEG\\n"
     "A1UdEQQaMBiCCyouYS5leGFtcGxlggliLmV4YW1wbGUwCgYIKoZIzj0EAwIDSAAw\\n"
     "RQIhAP4D0IQn7txSR3r0yJJo4TRHUZXIebh0FP0/QcgTJQIuAiA7ezivZ2GuZUc1\\n"
     "t9GvAwVwLYAmaiD4skpI7DmESNgT2Q==\\n"
     "-----END CERTIFICATE-----\\n",
     "-----BEGIN PRIVATE KEY-----\\n"
     "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7QWT0KFTFL+ZRv8y\\n"
     "+Tg3xD8UQFnk0u7+YbZCrv20KGGhRANCAAQd7CctXShfCCQ7leBg2ryC4SA5F5F4\\n"
     "Psra17FjhuhCnYS990qyDNwqp2hKu5fyhFdNX+SVQCPjjjO89pSmoCRH\\n"
     "-----END PRIVATE KEY-----\\n"},
};

#define GW       "gateway.networking.k8s.io"
#define GX       "gateway.networking.x-k8s.io"
#define ADD(...) buf_printf(b, __VA_ARGS__)
/* One of the texts, written as it is; "" often, so that the plain case stays common. */
#define MAYBE(d, ...) ADD("%s", PICK(d, __VA_ARGS__))

static const char *object_ns(struct dice *d) { return PICK(d, "a", "b"); }
static const char *object_hostname(struct dice *d) {
    return PICK(d, "a.example", "*.example", "b.a.example", "*.a.example", "b.example", "*.b.a.example",
                "other.test");
}
static void add_ns(struct buf *b, struct dice *d) {
    MAYBE(d, "", "", ", namespace: a", ", namespace: b", ", namespace: missing");
}

static void add_head(struct buf *b, struct dice *d, const char *version, const char *kind, const char *ns,
                     const char *name) {
    ADD("{apiVersion: %s, kind: %s, metadata: {name: %s", version, kind, name);
    if (*ns) ADD(", namespace: %s", ns);
    MAYBE(d, "", "", ", creationTimestamp: \"2024-01-01T00:00:00Z\"",
          ", creationTimestamp: \"2025-01-01T00:00:00Z\"", ", annotations: {note: x}",
          ", deletionTimestamp: \"2026-01-01T00:00:00Z\"");
}
static void add_selector(struct buf *b, struct dice *d) {
    MAYBE(d, "{matchLabels: {team: red}}", "{matchLabels: {team: blue}}",
          "{matchLabels: {kubernetes.io/metadata.name: b}}",
          "{matchExpressions: [{key: team, operator: In, values: [red, green]}]}",
          "{matchExpressions: [{key: team, operator: Exists}]}",
          "{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}",
          "{matchExpressions: [{key: team, operator: DoesNotExist}]}", "{}");
}

static void add_backend_ref(struct buf *b, struct dice *d, const char *tail) {
    switch (roll(d, 8)) {
    case 0: ADD("{group: " GX ", kind: XBackend, name: x0"); break;
    case 1: ADD("{name: %s, port: 81", PICK(d, "w0", "w1")); break;
    case 2: ADD("{name: missing, port: 80"); break;
    case 3: ADD("{name: w0, group: x.test, kind: Foo"); break;
    default: ADD("{name: %s, port: 80", PICK(d, "w0", "w1"));
    }
    add_ns(b, d);
    ADD("%s}", tail);
}

/* Listeners. */
static void add_certificates(struct buf *b, struct dice *d) {
    ADD("certificateRefs: [");
    unsigned n = roll(d, 8) ? 1 + roll(d, 2) : 0;
    for (unsigned i = 0; i < n; i++) {
        ADD("%s{name: %s", i ? ", " : "", PICK(d, "s0", "s1", "s2", "missing"));
        add_ns(b, d);
        MAYBE(d, "", "", "", "", "", "", ", kind: ConfigMap", ", group: x.test");
        ADD("}");
    }
    ADD("]");
}
static void add_listener_tls(struct buf *b, struct dice *d, const char *protocol) {
    bool https = strcmp(protocol, "HTTPS") == 0, tls = strcmp(protocol, "TLS") == 0;
    if (!https && !tls && roll(d, 16) != 15) return;
    if (tls && roll(d, 2)) {
        ADD(", tls: {mode: Passthrough}");
        return;
    }
    ADD(", tls: {");
    if (roll(d, 8) == 7)
        ADD("options: {%s: x}, ", PICK(d, "postern.dev/tls-min", "other.test/y", "postern.dev/min-version"));
    add_certificates(b, d);
    ADD("}");
}
static void add_listener_filters(struct buf *b, struct dice *d) {
    unsigned n = roll(d, 4) == 3 ? 1 + roll(d, 2) : 0;
    if (!n) return;
    ADD(", filters: {requests: [");
    for (unsigned i = 0; i < n; i++) {
        ADD("%s", i ? ", " : "");
        if (roll(d, 6) == 5) {
            ADD("{type: ExtensionRef, extensionRef: {group: x.test, kind: F, name: f}}");
            continue;
        }
        bool grpc = roll(d, 3) == 2;
        ADD("{type: ExternalAuth, externalAuth: {protocol: %s, backendRef: ", grpc ? "GRPC" : "HTTP");
        add_backend_ref(b, d, "");
        ADD(", %s", grpc ? "grpc: {}" : PICK(d, "http: {}", "http: {path: /x}", "http: {path: /../x}"));
        MAYBE(d, "", "", ", forwardBody: {maxSize: 9}");
        ADD("}}");
    }
    ADD("]}");
}
static void add_allowed_routes(struct buf *b, struct dice *d) {
    if (!roll(d, 3)) return;
    ADD(", allowedRoutes: {namespaces: {from: ");
    switch (roll(d, 5)) {
    case 0: ADD("Same"); break;
    case 1:
        ADD("Selector, selector: ");
        add_selector(b, d);
        break;
    case 2: ADD("None"); break;
    default: ADD("All");
    }
    ADD("}");
    MAYBE(d, "", "", "", ", kinds: [{kind: HTTPRoute}]", ", kinds: [{kind: GRPCRoute}, {kind: HTTPRoute}]",
          ", kinds: [{kind: TLSRoute}]", ", kinds: [{kind: TCPRoute}, {kind: Nothing}]",
          ", kinds: [{group: x.test, kind: Foo}]", ", kinds: [{kind: UDPRoute}]");
    ADD("}");
}
static void add_listeners(struct buf *b, struct dice *d) {
    static const char *const names[] = {"l0", "l1", "l2", "l3"};
    unsigned n = 1 + roll(d, COUNT_OF(names)), from = roll(d, 2);
    ADD("listeners: [");
    for (unsigned i = 0; i < n; i++) {
        const char *protocol = PICK(d, "HTTP", "HTTPS", "HTTP", "TLS", "TCP", "UDP", "HTTP", "x.test/own");
        ADD("%s{name: %s, port: %s, protocol: %s", i ? ", " : "", names[(i + from) % COUNT_OF(names)],
            PICK(d, "80", "443", "8443", "80", "5000", "8080"), protocol);
        if (roll(d, 2) && strcmp(protocol, "TCP") != 0 && strcmp(protocol, "UDP") != 0)
            ADD(", hostname: \"%s\"", object_hostname(d));
        add_listener_tls(b, d, protocol);
        add_allowed_routes(b, d);
        add_listener_filters(b, d);
        ADD("}");
    }
    ADD("]");
}
static void add_frontend(struct buf *b, struct dice *d) {
    unsigned n = roll(d, 8) ? 1 + roll(d, 2) : 0;
    if (!n) {
        ADD("{}");
        return;
    }
    ADD("{validation: {caCertificateRefs: [");
    for (unsigned i = 0; i < n; i++) {
        ADD("%s{%s", i ? ", " : "",
            PICK(d, "group: \"\", kind: ConfigMap, name: m0", "group: \"\", kind: ConfigMap, name: m1",
                 "group: \"\", kind: ConfigMap, name: missing", "group: \"\", kind: Secret, name: s0",
                 "group: certificates.k8s.io, kind: ClusterTrustBundle, name: b0"));
        add_ns(b, d);
        ADD("}");
    }
    ADD("]");
    MAYBE(d, "", "", ", mode: AllowInsecureFallback", ", mode: AllowValidOnly");
    ADD("}}");
}
static void add_gateway_tls(struct buf *b, struct dice *d) {
    unsigned parts = 1 + roll(d, 3);
    ADD(", tls: {");
    if (parts & 1) {
        ADD("frontend: {default: ");
        add_frontend(b, d);
        if (roll(d, 3) == 2) {
            ADD(", perPort: [{port: %s, tls: ", PICK(d, "443", "8443"));
            add_frontend(b, d);
            ADD("}]");
        }
        ADD("}%s", parts & 2 ? ", " : "");
    }
    if (parts & 2) {
        ADD("backend: {clientCertificateRef: {name: %s", PICK(d, "s0", "s1", "s2", "missing"));
        add_ns(b, d);
        MAYBE(d, "", "", "", ", kind: ConfigMap, group: \"\"");
        ADD("}}");
    }
    ADD("}");
}
static void add_gateway(struct buf *b, struct dice *d) {
    ADD("spec: {gatewayClassName: %s, ", PICK(d, "c0", "c0", "c1", "missing"));
    add_listeners(b, d);
    MAYBE(d, "", "", "", ", addresses: [{value: 10.0.0.5}]",
          ", addresses: [{type: Hostname, value: gw.example}]",
          ", addresses: [{value: 10.0.0.5}, {value: \"fd00::5\"}]", ", addresses: [{type: IPAddress}]",
          ", addresses: [{type: x.test/y, value: z}]",
          ", addresses: [{value: 10.0.0.5, routability: Cluster}]");
    if (!d->no_parameters)
        MAYBE(d, "", "", ", infrastructure: {labels: {a: b}}",
              ", infrastructure: {parametersRef: {group: \"\", kind: ConfigMap, name: m0}}",
              ", infrastructure: {parametersRef: {group: \"\", kind: ConfigMap, name: m1}}",
              ", infrastructure: {parametersRef: {group: x.test, kind: X, name: m0}}");
    if (roll(d, 2)) {
        ADD(", allowedListeners: {namespaces: {from: ");
        switch (roll(d, 4)) {
        case 0: ADD("All"); break;
        case 1: ADD("Same"); break;
        case 2: ADD("None"); break;
        default: ADD("Selector, selector: "); add_selector(b, d);
        }
        ADD("}}");
    }
    MAYBE(d, "", "", "", ", defaultScope: All");
    if (roll(d, 3) == 2) add_gateway_tls(b, d);
    ADD("}");
}
static void add_set(struct buf *b, struct dice *d) {
    ADD("spec: {parentRef: {name: %s", PICK(d, "g0", "g1", "missing"));
    add_ns(b, d);
    ADD("}, ");
    add_listeners(b, d);
    ADD("}");
}

/* Routes. */
static void add_parents(struct buf *b, struct dice *d) {
    unsigned n = roll(d, 12) ? 1 + roll(d, 3) : 0;
    if (!n) return;
    ADD("parentRefs: [");
    for (unsigned i = 0; i < n; i++) {
        ADD("%s{", i ? ", " : "");
        switch (roll(d, 8)) {
        case 0:
        case 1: ADD("kind: ListenerSet, name: %s", PICK(d, "t0", "t1", "missing")); break;
        case 2: ADD("group: \"\", kind: Service, name: %s", PICK(d, "w0", "w1")); break;
        case 3: ADD("name: missing"); break;
        default: ADD("name: %s", PICK(d, "g0", "g1"));
        }
        add_ns(b, d);
        MAYBE(d, "", "", "", ", sectionName: l0", ", sectionName: l1", ", sectionName: l2",
              ", sectionName: nope");
        MAYBE(d, "", "", "", ", port: 80", ", port: 443", ", port: 5000");
        ADD("}");
    }
    ADD("], ");
}
static void add_hostnames(struct buf *b, struct dice *d, bool always) {
    unsigned n = roll(d, 3);
    if (!n && always) n = 1;
    if (!n) return;
    ADD("hostnames: [");
    for (unsigned i = 0; i < n; i++) ADD("%s\"%s\"", i ? ", " : "", object_hostname(d));
    ADD("], ");
}
static void add_backends(struct buf *b, struct dice *d, bool http) {
    unsigned n = roll(d, 3);
    ADD("backendRefs: [");
    for (unsigned i = 0; i < n; i++) {
        if (i) ADD(", ");
        const char *weight = PICK(d, "", "", ", weight: 0", ", weight: 3");
        const char *filters =
            http ? PICK(d, "", "", "",
                        ", filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-B, "
                        "value: c}]}}]",
                        ", filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]")
                 : "";
        char tail[256];
        snprintf(tail, sizeof tail, "%s%s", weight, filters);
        add_backend_ref(b, d, tail);
    }
    ADD("]");
}
static void add_http_match(struct buf *b, struct dice *d) {
    ADD("{");
    MAYBE(d, "path: {type: PathPrefix, value: /}", "path: {type: PathPrefix, value: /a}",
          "path: {type: PathPrefix, value: /a/b}", "path: {type: Exact, value: /a}",
          "path: {type: Exact, value: /a/b/}", "path: {type: RegularExpression, value: \"/a/[0-9]+\"}",
          "path: {type: RegularExpression, value: \"/a(\"}", "method: GET", "method: POST",
          "path: {type: PathPrefix, value: /a/}");
    MAYBE(d, "", "", "", ", headers: [{name: X-A, value: b}]",
          ", headers: [{name: x-a, value: c}, {name: X-A, value: b}]",
          ", headers: [{name: x-a, type: RegularExpression, value: \"b+\"}]");
    MAYBE(d, "", "", "", ", queryParams: [{name: q, value: \"1\"}]",
          ", queryParams: [{name: q, value: \"1\"}, {name: r, value: \"2\"}]");
    ADD("}");
}
static void add_http_filters(struct buf *b, struct dice *d) {
    MAYBE(
        d, "", "", "",
        ", filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: X-A, value: b}], "
        "remove: [X-C]}}]",
        ", filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 308}}]",
        ", filters: [{type: URLRewrite, urlRewrite: {hostname: r.example, path: {type: ReplacePrefixMatch, "
        "replacePrefixMatch: /z}}}]",
        ", filters: [{type: RequestMirror, requestMirror: {backendRef: {name: w1, port: 80}}}]",
        ", filters: [{type: RequestMirror, requestMirror: {backendRef: {name: w1, namespace: b, port: 80}}}]",
        ", filters: [{type: RequestMirror, requestMirror: {percent: 5, backendRef: {group: " GX
        ", kind: XBackend, name: x0}}}, {type: RequestMirror, requestMirror: {backendRef: {name: w0, port: "
        "80}}}]",
        ", filters: [{type: CORS, cors: {allowOrigins: [\"https://a.example\"]}}]",
        ", filters: [{type: ExtensionRef, extensionRef: {group: x.test, kind: F, name: f}}]",
        ", filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: w0, port: 80}, "
        "http: {}}}]",
        ", filters: [{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: w0, port: 80}, "
        "grpc: "
        "{}, forwardBody: {maxSize: 9}}}]",
        ", filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: X-R, value: "
        "s}]}}]");
}
static void add_http_route(struct buf *b, struct dice *d) {
    ADD("spec: {");
    add_parents(b, d);
    add_hostnames(b, d, false);
    MAYBE(d, "", "", "", "", "", "useDefaultGateways: All, ");
    ADD("rules: [");
    unsigned n = 1 + roll(d, 2);
    for (unsigned i = 0; i < n; i++) {
        ADD("%s{", i ? ", " : "");
        unsigned matches = roll(d, 3);
        for (unsigned m = 0; m < matches; m++) {
            ADD("%s", m ? ", " : "matches: [");
            add_http_match(b, d);
        }
        if (matches) ADD("], ");
        add_backends(b, d, true);
        add_http_filters(b, d);
        MAYBE(d, "", "", "", ", timeouts: {request: 2s, backendRequest: 1s}",
              ", retry: {codes: [503], attempts: 2, backoff: 1s}",
              ", sessionPersistence: {type: Cookie, cookie: {}}",
              ", sessionPersistence: {type: Cookie, cookie: {name: c}}",
              ", sessionPersistence: {type: Header, header: {name: X-S}}", ", timeouts: {request: 0s}");
        MAYBE(d, "", "", ", name: r0", ", name: r1");
        ADD("}");
    }
    ADD("]}");
}
static void add_grpc_route(struct buf *b, struct dice *d) {
    ADD("spec: {");
    add_parents(b, d);
    add_hostnames(b, d, false);
    ADD("rules: [{");
    MAYBE(d, "", "matches: [{method: {service: a.B, method: C}}], ",
          "matches: [{method: {service: a.B}}, {headers: [{name: x, value: one}]}], ",
          "matches: [{method: {method: C}}], ",
          "matches: [{method: {type: RegularExpression, service: \"a[.]B\"}}], ");
    add_backends(b, d, false);
    MAYBE(d, "", "",
          ", filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: X-A, value: b}]}}]",
          ", filters: [{type: RequestMirror, requestMirror: {backendRef: {name: w1, port: 80}}}]",
          ", name: r0");
    ADD("}]}");
}
static void add_l4_route(struct buf *b, struct dice *d, bool tls) {
    ADD("spec: {");
    add_parents(b, d);
    if (tls) add_hostnames(b, d, true);
    ADD("rules: [{");
    add_backends(b, d, false);
    MAYBE(d, "", "", "", ", name: r0");
    ADD("}]}");
}

/* Policies and the experimental kinds. */
static void add_targets(struct buf *b, struct dice *d, const char *service_tail) {
    unsigned n = 1 + roll(d, 2);
    ADD("targetRefs: [");
    for (unsigned i = 0; i < n; i++) {
        ADD("%s", i ? ", " : "");
        switch (roll(d, 8)) {
        case 0: ADD("{group: " GW ", kind: Gateway, name: %s}", PICK(d, "g0", "g1", "missing")); break;
        case 1: ADD("{group: " GX ", kind: XBackend, name: x0}"); break;
        case 2: ADD("{group: \"\", kind: Service, name: missing}"); break;
        case 3: ADD("{group: " GW ", kind: HTTPRoute, name: r0}"); break;
        default: ADD("{group: \"\", kind: Service, name: %s%s}", PICK(d, "w0", "w1"), service_tail);
        }
    }
    ADD("]");
}
static void add_validation(struct buf *b, struct dice *d) {
    ADD("validation: {hostname: %s",
        object_hostname(d)[0] == '*' ? "w.example" : PICK(d, "a.example", "b.example"));
    switch (roll(d, 6)) {
    case 0: ADD(", wellKnownCACertificates: System"); break;
    case 1: ADD(", wellKnownCACertificates: x.test/y"); break;
    default:
        ADD(", caCertificateRefs: [");
        for (unsigned i = 0, n = 1 + roll(d, 2); i < n; i++)
            ADD("%s%s", i ? ", " : "",
                PICK(d, "{group: \"\", kind: ConfigMap, name: m0}",
                     "{group: \"\", kind: ConfigMap, name: m1}", "{group: \"\", kind: Secret, name: s0}",
                     "{group: certificates.k8s.io, kind: ClusterTrustBundle, name: b0}",
                     "{group: \"\", kind: ConfigMap, name: missing}"));
        ADD("]");
    }
    MAYBE(d, "", "", ", subjectAltNames: [{type: Hostname, hostname: san.example}]",
          ", subjectAltNames: [{type: URI, uri: \"spiffe://a/b\"}]");
    ADD("}");
}
static void add_tls_policy(struct buf *b, struct dice *d) {
    ADD("spec: {");
    add_targets(b, d, PICK(d, "", "", ", sectionName: p0", ", sectionName: p1"));
    ADD(", ");
    add_validation(b, d);
    MAYBE(d, "", "", "", ", options: {x.test/y: z}");
    ADD("}");
}
static void add_xbackend(struct buf *b, struct dice *d) {
    MAYBE(d, "spec: {type: ExternalHostname, externalHostname: {hostname: ext.example}, port: {number: 443}}",
          "spec: {type: EndpointSelector, endpointSelector: {matchLabels: {a: b}}, port: {number: 80}, "
          "protocol: HTTP}",
          "spec: {type: EndpointSelector, endpointSelector: {matchLabels: {a: b}}, port: {number: 8080}, "
          "sessionPersistence: {type: Cookie, cookie: {name: c}}}",
          "spec: {type: EndpointSelector, endpointSelector: {matchLabels: {a: b}}, port: {number: 8080}, "
          "protocol: "
          "HTTP2, tls: {mode: ClientAndServer, clientCertificateRef: {name: s0}, validation: {hostname: "
          "x.example, "
          "caCertificateRefs: [{group: \"\", kind: ConfigMap, name: m0}]}}}",
          "spec: {type: ExternalHostname, externalHostname: {hostname: ext.example}, port: {number: 443}, "
          "tls: {mode: ServerOnly, validation: {hostname: x.example, "
          "wellKnownCACertificates: System}}}");
}
static void add_traffic_policy(struct buf *b, struct dice *d) {
    ADD("spec: {");
    add_targets(b, d, "");
    MAYBE(d, "", ", retryConstraint: {budget: {percent: 30}}",
          ", sessionPersistence: {type: Cookie, cookie: {name: c}}",
          ", retryConstraint: {}, sessionPersistence: {type: Header, header: {name: X-S}}");
    ADD("}");
}
static void add_provider(struct buf *b, struct dice *d) {
    ADD(", provider: {backendRef: ");
    add_backend_ref(b, d, "");
    MAYBE(d, "", "", ", headers: [{name: X-A, value: b}, {name: x-a, value: c}]",
          ", headers: [{name: Content-Type, value: x}]");
    ADD("}");
}
static void add_telemetry(struct buf *b, struct dice *d) {
    ADD("spec: {targetRefs: [");
    for (unsigned i = 0, n = 1 + roll(d, 2); i < n; i++)
        ADD("%s%s", i ? ", " : "",
            PICK(d, "{group: " GW ", kind: Gateway, name: g0}", "{group: " GW ", kind: Gateway, name: g1}",
                 "{group: " GW ", kind: Gateway, name: g0}", "{group: " GW ", kind: Gateway, name: missing}",
                 "{group: \"\", kind: Service, name: w0}", "{group: x.test, kind: Gateway, name: g0}"));
    ADD("], tracing: {mode: ");
    switch (roll(d, 6)) {
    case 0: ADD("Disabled}}"); return;
    case 1: ADD("ImplementationDefault}}"); return;
    default: ADD("Enabled"); add_provider(b, d);
    }
    MAYBE(d, "", "", ", samplingRate: {numerator: 5}", ", samplingRate: {numerator: 3, denominator: 2}");
    MAYBE(d, "", ", parentBasedSampling: {mode: Disabled}",
          ", parentBasedSampling: {mode: Enabled, samplingRate: {numerator: 1, denominator: 2}}",
          ", parentBasedSampling: {}");
    MAYBE(d, "", "", ", serviceName: edge, spanName: one two");
    MAYBE(d, "", "", ", attributes: [{name: u, sourceType: Header, headerName: X-User}]",
          ", attributes: [{name: l, sourceType: Literal, literalValue: v}, {name: c, sourceType: Attribute, "
          "attributeKey: http.route}]");
    ADD("}}");
}

/* What Kubernetes itself has. */
static void add_service(struct buf *b, struct dice *d) {
    MAYBE(d, "spec: {ports: [{port: 80}]}", "spec: {ports: [{name: p0, port: 80}, {name: p1, port: 81}]}",
          "spec: {ports: [{name: p0, port: 80, appProtocol: kubernetes.io/h2c}, {name: p1, port: 81, "
          "appProtocol: https}]}",
          "spec: {ports: [{name: p1, port: 80, targetPort: 9000, appProtocol: kubernetes.io/ws}]}",
          "spec: {type: ExternalName, externalName: e.example}",
          "spec: {ports: [{name: p0, port: 80, protocol: UDP}, {name: p1, port: 80, protocol: TCP}]}",
          "spec: {ports: [{name: p0, port: 80, appProtocol: kubernetes.io/wss}]}",
          "spec: {clusterIP: None, ports: [{name: p0, port: 81}]}");
}
static void add_slice(struct buf *b, struct dice *d) {
    bool six = roll(d, 4) == 3;
    ADD("addressType: %s, ports: [%s], endpoints: [",
        six               ? "IPv6"
        : roll(d, 6) == 5 ? "FQDN"
                          : "IPv4",
        PICK(d, "{port: 8080}", "{name: p0, port: 8080}", "{name: p0, port: 8080}, {name: p1, port: 8081}",
             "{name: p1, port: 8081, protocol: UDP}", "{name: p0}"));
    for (unsigned i = 0, n = roll(d, 4); i < n; i++) {
        ADD("%s{addresses: [%s]", i ? ", " : "",
            six ? PICK(d, "\"fd00::1\"", "\"fd00::2\"")
                : PICK(d, "10.0.0.1", "10.0.0.2", "10.0.0.3", "e.example"));
        MAYBE(d, "", "", "", ", conditions: {ready: false}", ", conditions: {ready: true, terminating: true}",
              ", conditions: {ready: false, serving: true}");
        ADD("}");
    }
    ADD("]");
}
static void add_secret(struct buf *b, struct dice *d) {
    unsigned chain = roll(d, 2), key = roll(d, 6) ? chain : !chain;
    switch (roll(d, 5)) {
    case 0: ADD("type: Opaque, stringData: {x: y}"); return;
    case 1: ADD("type: kubernetes.io/tls, stringData: {tls.crt: broken, tls.key: broken}"); return;
    default:
        ADD("type: kubernetes.io/tls, stringData: {tls.crt: \"%s\", tls.key: \"%s\"}", objects_pem[chain][0],
            objects_pem[key][1]);
    }
}
static void add_config_map(struct buf *b, struct dice *d) {
    switch (roll(d, 6)) {
    case 0: ADD("data: {ca.crt: broken}"); return;
    case 1: ADD("data: {timeouts.request: 30s}"); return;
    case 2:
        ADD("data: {timeouts.request: 5s, timeouts.backendRequest: 4s, ca.crt: \"%s\"}", objects_pem[1][0]);
        return;
    case 3: ADD("data: {bogus: x, trustedHops: \"2\"}"); return;
    case 4: ADD("data: {}"); return;
    default: ADD("data: {ca.crt: \"%s\"}", objects_pem[roll(d, 2)][0]);
    }
}
static void add_grant(struct buf *b, struct dice *d) {
    ADD("spec: {from: [");
    for (unsigned i = 0, n = 1 + roll(d, 2); i < n; i++)
        ADD("%s{group: %s, namespace: %s}", i ? ", " : "",
            PICK(d, GW ", kind: HTTPRoute", GW ", kind: Gateway", GW ", kind: GRPCRoute",
                 GW ", kind: TLSRoute", GW ", kind: TCPRoute", GW ", kind: UDPRoute",
                 GW ", kind: ListenerSet", GX ", kind: XTelemetryPolicy"),
            PICK(d, "a", "b", "missing"));
    ADD("], to: [");
    for (unsigned i = 0, n = 1 + roll(d, 2); i < n; i++)
        ADD("%s%s", i ? ", " : "",
            PICK(d, "{group: \"\", kind: Service}", "{group: \"\", kind: Secret}",
                 "{group: \"\", kind: Service, name: w0}", "{group: \"\", kind: Secret, name: s0}",
                 "{group: " GX ", kind: XBackend}", "{group: \"\", kind: ConfigMap}"));
    ADD("]}");
}

struct object_name {
    enum api_kind kind;
    const char *ns, *name; /* ns "": cluster-scoped */
};
/* Which object an operation is about. */
static struct object_name objects_pick(struct dice *d) {
    static const uint8_t kinds[] = {/* as often as they matter */
                                    KIND_GATEWAY,
                                    KIND_GATEWAY,
                                    KIND_GATEWAY,
                                    KIND_HTTP_ROUTE,
                                    KIND_HTTP_ROUTE,
                                    KIND_HTTP_ROUTE,
                                    KIND_HTTP_ROUTE,
                                    KIND_SERVICE,
                                    KIND_SERVICE,
                                    KIND_ENDPOINT_SLICE,
                                    KIND_ENDPOINT_SLICE,
                                    KIND_LISTENER_SET,
                                    KIND_LISTENER_SET,
                                    KIND_SECRET,
                                    KIND_SECRET,
                                    KIND_REFERENCE_GRANT,
                                    KIND_REFERENCE_GRANT,
                                    KIND_NAMESPACE,
                                    KIND_CONFIG_MAP,
                                    KIND_CONFIG_MAP,
                                    KIND_GRPC_ROUTE,
                                    KIND_TLS_ROUTE,
                                    KIND_TCP_ROUTE,
                                    KIND_UDP_ROUTE,
                                    KIND_BACKEND_TLS_POLICY,
                                    KIND_BACKEND_TLS_POLICY,
                                    KIND_GATEWAY_CLASS,
                                    KIND_XBACKEND,
                                    KIND_XBACKEND_TRAFFIC_POLICY,
                                    KIND_XTELEMETRY_POLICY,
                                    KIND_XTELEMETRY_POLICY,
                                    KIND_XMESH,
                                    KIND_CLUSTER_TRUST_BUNDLE};
    struct object_name o = {.kind = kinds[roll(d, COUNT_OF(kinds))]};
    o.ns = api_type_of(o.kind)->namespaced ? object_ns(d) : "";
    switch ((int)o.kind) {
    case KIND_GATEWAY_CLASS: o.name = PICK(d, "c0", "c1"); break;
    case KIND_GATEWAY: o.name = PICK(d, "g0", "g1"); break;
    case KIND_LISTENER_SET: o.name = PICK(d, "t0", "t1"); break;
    case KIND_SERVICE: o.name = PICK(d, "w0", "w1"); break;
    case KIND_ENDPOINT_SLICE: o.name = PICK(d, "e0", "e1", "e2"); break;
    case KIND_SECRET: o.name = PICK(d, "s0", "s1", "s2"); break;
    case KIND_CONFIG_MAP: o.name = PICK(d, "m0", "m1"); break;
    case KIND_NAMESPACE: o.name = PICK(d, "a", "b"); break;
    case KIND_XBACKEND: o.name = "x0"; break;
    case KIND_CLUSTER_TRUST_BUNDLE: o.name = "b0"; break;
    default: o.name = PICK(d, "r0", "r1");
    }
    return o;
}
static void add_body(struct buf *b, struct dice *d, enum api_kind kind) {
    switch ((int)kind) {
    case KIND_GATEWAY_CLASS:
        ADD("spec: {controllerName: %s", PICK(d, "postern.dev/gateway-controller",
                                              "postern.dev/gateway-controller", "other.test/controller"));
        if (!d->no_parameters)
            MAYBE(d, "", "", ", parametersRef: {group: \"\", kind: ConfigMap, name: m0, namespace: a}",
                  ", parametersRef: {group: x.test, kind: X, name: m0}");
        ADD("}");
        break;
    case KIND_GATEWAY: add_gateway(b, d); break;
    case KIND_LISTENER_SET: add_set(b, d); break;
    case KIND_HTTP_ROUTE: add_http_route(b, d); break;
    case KIND_GRPC_ROUTE: add_grpc_route(b, d); break;
    case KIND_TLS_ROUTE: add_l4_route(b, d, true); break;
    case KIND_TCP_ROUTE:
    case KIND_UDP_ROUTE: add_l4_route(b, d, false); break;
    case KIND_BACKEND_TLS_POLICY: add_tls_policy(b, d); break;
    case KIND_XBACKEND: add_xbackend(b, d); break;
    case KIND_XBACKEND_TRAFFIC_POLICY: add_traffic_policy(b, d); break;
    case KIND_XTELEMETRY_POLICY: add_telemetry(b, d); break;
    case KIND_XMESH:
        ADD("spec: {controllerName: %s}", PICK(d, "postern.dev/gateway-controller", "other.test/mesh"));
        break;
    case KIND_SERVICE: add_service(b, d); break;
    case KIND_ENDPOINT_SLICE: add_slice(b, d); break;
    case KIND_SECRET: add_secret(b, d); break;
    case KIND_CONFIG_MAP: add_config_map(b, d); break;
    case KIND_REFERENCE_GRANT: add_grant(b, d); break;
    case KIND_CLUSTER_TRUST_BUNDLE: ADD("spec: {trustBundle: \"%s\"}", objects_pem[1][0]); break;
    default: break; /* a Namespace is all metadata */
    }
}
/* The document, on one line. */
static void objects_write(struct buf *b, struct dice *d, const struct object_name *o) {
    const struct api_type *t = api_type_of(o->kind);
    char version[128];
    snprintf(version, sizeof version, "%s%s%s", t->group, *t->group ? "/" : "", t->versions[0]);
    add_head(b, d, version, t->name, o->ns, o->name);
    if (o->kind == KIND_ENDPOINT_SLICE)
        ADD(", labels: {%s}", PICK(d, "kubernetes.io/service-name: w0", "kubernetes.io/service-name: w1",
                                   "kubernetes.io/service-name: missing", "postern.dev/xbackend: x0"));
    if (o->kind == KIND_NAMESPACE) ADD(", labels: {team: %s}", PICK(d, "red", "blue", "green"));
    ADD("}, ");
    add_body(b, d, o->kind);
    ADD("}");
}
