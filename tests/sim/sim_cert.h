/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate for a.example, of nobody, and its key: manifests of their own. */
#pragma once
#define SIM_CERT                                                                                             \
    "---\napiVersion: v1\n"                                                                                  \
    "kind: Secret\n"                                                                                         \
    "metadata: {name: cert, namespace: default}\n"                                                           \
    "type: kubernetes.io/tls\n"                                                                              \
    "stringData:\n"                                                                                          \
    "  tls.crt: |\n"                                                                                         \
    "    -----BEGIN CERTIFICATE-----\n"                                                                      \
    "    MIIBozCCAUqgAwIBAgIUIBMpreOLjis83RbfKsml/dZKA2kwCgYIKoZIzj0EAwIw\n"                                 \
    "    EzERMA8GA1UEAwwIZ29sZGVuIGEwIBcNMjYxMTIzMDQ0NzMzWhgPMjEyNjEwMzAw\n"                                 \
    "    NDQ3MzNaMBMxETAPBgNVBAMMCGdvbGRlbiBhMFkwEwYHKoZIzj0CAQYIKoZIzj0D\n"                                 \
    "    AQcDQgAEhb8A+Jwt9mYAKF2jGW4KpUh9KKxJYi7CNwgYjKsH8O4+j7TVTFlK2MP6\n"                                 \
    "    8fGKGS0N1yLHLRITJ4kOqpFtGCiiBaN6MHgwHQYDVR0OBBYEFOC228Bl6xQpQIbo\n"                                 \
    "    L4oPsflT9xWdMB8GA1UdIwQYMBaAFOC228Bl6xQpQIboL4oPsflT9xWdMA8GA1Ud\n"                                 \
    "    EwEB/wQFMAMBAf8wJQYDVR0RBB4wHIILZXhhbXBsZS5jb22CDSouZXhhbXBsZS5j\n"                                 \
    "    b20wCgYIKoZIzj0EAwIDRwAwRAIgcszlzfivMW5PsdKaej0vTBaS4/eB2eb0EUCv\n"                                 \
    "    5U2eRGoCIAdHKHSYgh+yauKAh9KJ0P3cAS5zj7syNpieaCGmvXps\n"                                             \
    "    -----END CERTIFICATE-----\n"                                                                        \
    "  tls.key: |\n"                                                                                         \
    "    -----BEGIN PRIVATE KEY-----\n"                                                                      \
    "    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjn9jjtjRkhGzulbQ\n"                                 \
    "    hNZjF+1VVbklQDwzVdVrE5Mx1WmhRANCAASFvwD4nC32ZgAoXaMZbgqlSH0orEli\n"                                 \
    "    LsI3CBiMqwfw7j6PtNVMWUrYw/rx8YoZLQ3XIsctEhMniQ6qkW0YKKIF\n"                                         \
    "    -----END PRIVATE KEY-----\n"
